"""Minibatches that shuffle with a generator of their own and can be taken up where they were left."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

__all__ = ["Batches"]


class Batches:
    """Iterate over pairs of tensors in minibatches; each iteration is one epoch in a new order.

    Parameters
    ----------
    x : (n, ...)
    y : (n, ...)
    size : int
        Examples a batch; the last batch of an epoch may be smaller.
    generator : torch.Generator or None
        On the CPU, draws the order of each epoch; None keeps the order of the data.

    Examples
    --------
    >>> x, y = torch.arange(5.0), torch.arange(5)
    >>> [len(batch) for batch, _ in Batches(x, y, 2, generator=torch.Generator().manual_seed(0))]
    [2, 2, 1]
    """

    def __init__(self, x: Tensor, y: Tensor, size: int, *, generator: Generator | None) -> None:
        if len(x) != len(y):
            raise ValueError(f"x and y hold one row an example each, found {len(x)} and {len(y)} rows")
        if len(x) == 0:
            raise ValueError(f"there is nothing to batch: x has shape {tuple(x.shape)}")
        if size < 1:
            raise ValueError(f"size is the number of examples a batch, at least 1, found {size}")
        self.x, self.y, self.size, self.generator = x, y, size, generator
        self._rank, self._world = 0, 1
        self._order: Tensor | None = None  # of the epoch under way, None between epochs
        self._next = 0  # batch of it that comes next
        self._loaded = False  # the position was loaded, and the next iteration starts from it

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return -(-len(self.x) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (x, y) batch by batch: a new epoch, or what is left of one whose position was just loaded."""
        if not (self._loaded and self._order is not None):
            n, self._next = len(self.x), 0
            self._order = torch.arange(n) if self.generator is None else torch.randperm(n, generator=self.generator)
        self._loaded = False
        order = self._order
        for batch in range(self._next, len(self)):
            rows = order[batch * self.size : (batch + 1) * self.size]
            # of several processes each takes every world-th row, so that together they see this batch
            rows = rows[self._rank :: self._world].to(self.x.device)
            self._next = batch + 1
            if self._next == len(self):
                self._order = None
            yield self.x[rows], self.y[rows]

    def shard(self, rank: int, world: int) -> "Batches":
        """Return these batches as process ``rank`` of ``world`` sees them: its share of the rows of every batch.

        All processes must give their generators the same seed: they draw the same order and share it out.
        """
        if not 0 <= rank < world:
            raise ValueError(f"rank counts from 0 to world - 1 = {world - 1}, found {rank}")
        last = (len(self.x) - 1) % self.size + 1
        if min(self.size, last) < world:
            raise ValueError(f"a batch of {min(self.size, last)} rows cannot be shared by {world} processes")
        part = Batches(self.x, self.y, self.size, generator=self.generator)
        part._rank, part._world = rank, world
        return part

    def state_dict(self) -> dict[str, Any]:
        """Return the position: batch size, order of the epoch under way, next batch, and the generator's state."""
        return {
            "size": self.size,
            "order": self._order,
            "next": self._next,
            "generator": None if self.generator is None else self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to the position that :meth:`state_dict` returned; the next iteration yields what is left of that epoch.

        Raises
        ------
        ValueError
            If the position belongs to data of another length, to batches of another size, or to shuffled batches
            while these are not; nothing is changed then.
        """
        order = state["order"]
        if state["size"] != self.size:
            raise ValueError(f"the saved position counts batches of {state['size']} examples, found {self.size} here")
        if order is not None and len(order) != len(self.x):
            raise ValueError(f"the saved position is one of {len(order)} examples, found {len(self.x)} here")
        if (state["generator"] is None) != (self.generator is None):
            raise ValueError("one of the saved position and these batches is shuffled by a generator, the other is not")
        self._order, self._next, self._loaded = order, state["next"], True
        if self.generator is not None:
            self.generator.set_state(state["generator"])
