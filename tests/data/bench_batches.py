"""An epoch of batches against torch's DataLoader, which calls a function for each example."""

from collections.abc import Iterable, Iterator

import torch
from torch.utils.data import DataLoader, TensorDataset

from bench import Case
from dlbook.data import Batches


def cases() -> Iterator[Case]:
    """Yield the digits of MNIST in size, shuffled."""
    x, y = torch.rand(60_000, 784), torch.arange(60_000) % 10

    def through(batches: Iterable[object]) -> None:
        for _ in batches:
            pass

    ours = Batches(x, y, 128, generator=torch.Generator().manual_seed(0))
    theirs = DataLoader(TensorDataset(x, y), 128, shuffle=True)
    yield Case(
        "Batches", "one epoch, 60,000 x 784, batches of 128", lambda: through(ours), lambda: through(theirs),
        "torch.utils.data.DataLoader",
    )  # fmt: skip
