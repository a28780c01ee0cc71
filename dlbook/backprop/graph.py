"""Computational graphs that are known in advance: record once, simplify, run many times.

`trace` runs a function once on arrays that write down what NumPy is asked to do with them (`dlbook.backprop.tracing`).
The engine of `dlbook.backprop.autograd` is a program over NumPy too, so a trace of a training step contains the
backward pass, operation by operation.  The result is a `Graph`: a list of operations in an order in which they can be
carried out.  `dlbook.backprop.passes` makes such a graph smaller, `dlbook.backprop.buffers` plans its memory.

Source: Bergstra et al. (2010), "Theano: a CPU and GPU math compiler in Python", for graphs of array operations.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop.autograd import Tensor
from dlbook.backprop.nodes import Node
from dlbook.backprop.program import Program
from dlbook.backprop.tracing import Tape

__all__ = ["Graph", "Plan", "trace", "with_gradients"]

Array = NDArray[Any]
Example = Tensor | ArrayLike


class Plan(NamedTuple):
    """Which node writes into which buffer."""

    sizes: tuple[int, ...]  # bytes of each buffer
    buffer: dict[int, int]  # node -> buffer


@dataclass(frozen=True, eq=False)
class Graph:
    """Operations in an order in which they can be carried out; call it with arrays like those of the trace.

    Made by :func:`trace` and by the passes.  Not changed by running, and may run in several threads at once.

    Attributes
    ----------
    nodes : tuple of Node
        Each computed from earlier ones.
    inputs, outputs : tuple of int
        Numbers of nodes.
    single : bool
        Whether the traced function returned one result and not a tuple.
    plan : Plan or None
        Of :func:`~dlbook.backprop.buffers.reuse_buffers`.

    Examples
    --------
    >>> from dlbook.backprop.passes import remove_dead
    >>> f = remove_dead(trace(lambda x: (x * x).tanh(), Tensor([1.0, 2.0])))
    >>> f
    Graph(1 input, 2 operations, 1 output: multiply 1, tanh 1)
    >>> f([0.0, 9.0])
    array([0., 1.])
    """

    nodes: tuple[Node, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    single: bool = True
    plan: Plan | None = None
    _program: Program | None = field(default=None, init=False, repr=False)

    # What it is

    @property
    def operations(self) -> Counter[str]:
        """How often each operation occurs."""
        return Counter(node.op for node in self.nodes if node.computes)

    def __len__(self) -> int:
        """Return the number of operations."""
        return sum(node.computes for node in self.nodes)

    @property
    def nbytes(self) -> int:
        """Bytes of all results of operations, if each had memory of its own."""
        return sum(node.nbytes for node in self.nodes if node.computes)

    @property
    def peak_bytes(self) -> int:
        """Most bytes of results that are held at one time, each given up after its last use, outputs never.

        Buffers of :func:`~dlbook.backprop.buffers.reuse_buffers` are held all the time.
        """
        held = sum(self.plan.sizes) if self.plan else 0
        planned = self.plan.buffer if self.plan else {}
        most = held
        dying = self.deaths()
        for number, node in enumerate(self.nodes):
            if node.computes:
                held += 0 if number in planned else node.nbytes
                most = max(most, held)
            for dead in dying.get(number, ()):
                held -= self.nodes[dead].nbytes if self.nodes[dead].computes and dead not in planned else 0
        return most

    @property
    def depths(self) -> list[int]:
        """Length of the longest path to each node; inputs and constants have 0."""
        depth: list[int] = []
        for node in self.nodes:
            depth.append(1 + max((depth[k] for k in node.inputs), default=0) if node.computes else 0)
        return depth

    def __repr__(self) -> str:
        counts = ", ".join(f"{op} {count}" for op, count in self.operations.most_common())
        parts = ((len(self.inputs), "input"), (len(self), "operation"), (len(self.outputs), "output"))
        return f"Graph({', '.join(f'{n} {word}' + 's' * (n != 1) for n, word in parts)}: {counts})"

    def to_dot(self) -> str:
        """Return the graph in the language of Graphviz.

        Examples
        --------
        >>> print(trace(lambda x: x.exp(), Tensor([1.0, 2.0])).to_dot())
        digraph {
          0 [label="input (2,)" shape=box];
          1 [label="exp (2,)" shape=ellipse peripheries=2];
          0 -> 1;
        }
        """
        lines = []
        for number, node in enumerate(self.nodes):
            form = "ellipse" if node.computes else "box"
            rim = " peripheries=2" if number in self.outputs else ""
            lines.append(f'  {number} [label="{node.label} {node.shape}" shape={form}{rim}];')
            lines += [f"  {k} -> {number};" for k in node.inputs]
        return "\n".join(["digraph {", *lines, "}"])

    # Where its results lie

    @property
    def homes(self) -> list[int]:
        """For each node the one whose memory its result lies in."""
        homes: list[int] = []
        for number, node in enumerate(self.nodes):
            homes.append(number if node.source is None else homes[node.source])
        return homes

    def deaths(self) -> dict[int, list[int]]:
        """Return for each node the memories, named by the node that owns them, that nobody needs after it."""
        homes = self.homes
        last: dict[int, int] = {}
        for number, node in enumerate(self.nodes):
            for k in (number, *node.inputs):
                last[homes[k]] = number
        for number in self.outputs:
            last.pop(homes[number], None)
        dying: dict[int, list[int]] = defaultdict(list)
        for number, at in last.items():
            dying[at].append(number)
        return dying

    # What it computes

    def values(self, *inputs: Example) -> list[Array]:
        """Return the results of all nodes, computed one after the other and all kept: slow, and good for pictures."""
        given = iter(self._check(inputs))
        results: list[Array] = []
        for node in self.nodes:
            if node.computes:
                args, options = node.given(lambda ref: results[ref.node])
                results.append(np.asarray(node.function(*args, **options)))  # type: ignore[misc]
            else:
                results.append(next(given) if node.value is None else node.value)
        return results

    def __call__(self, *inputs: Example) -> Any:
        """Run the graph.

        Parameters
        ----------
        *inputs : array_like or Tensor
            As many as the traced function had arguments, of the same shapes and dtypes.

        Returns
        -------
        outputs : ndarray, or tuple of ndarray
            New arrays, which share memory with nothing.

        Raises
        ------
        ValueError
            If the number, a shape or a dtype differs from those of the trace, or a guard does not hold: the function
            would have taken another way.
        """
        arrays = self._check(inputs)
        if self._program is None:
            object.__setattr__(self, "_program", Program(self))
        outputs = self._program.run(arrays)  # type: ignore[union-attr]
        return outputs[0] if self.single else tuple(outputs)

    run = __call__

    def _check(self, inputs: Sequence[Example]) -> list[Array]:
        if len(inputs) != len(self.inputs):
            raise ValueError(f"the graph has {len(self.inputs)} inputs, found {len(inputs)}")
        arrays = [np.asarray(_plain(value)) for value in inputs]
        for place, (array, number) in enumerate(zip(arrays, self.inputs, strict=True)):
            node = self.nodes[number]
            if array.shape != node.shape or array.dtype != node.dtype:
                raise ValueError(
                    f"input {place} was {node.dtype} {node.shape} when it was traced, found {array.dtype} "
                    f"{array.shape}: trace again for other shapes"
                )
        return arrays


# Recording


def trace(function: Callable[..., Any], *examples: Example, guards: bool = True) -> Graph:
    """Run a function once and return the operations that it carried out.

    What Python decides on the way is decided for good: the branches that were taken, the number of rounds of a loop,
    random numbers, and all arrays that are not arguments, which become constants.

    Parameters
    ----------
    function : callable
        Gets a Tensor for each example that is one, with the same ``requires_grad``, and an array for the others;
        returns a Tensor or an array, or a tuple or list of them.  It may call ``backward`` and return gradients.
    *examples : Tensor or array_like
        Arguments of the shapes and dtypes of all later runs.
    guards : bool
        When a truth value or an integer is read off an array, as ``if`` and ``range`` do, note it, and check in each
        run that it would be the same.  Without guards the graph goes on regardless.

    Returns
    -------
    graph : Graph
        With every operation, in the order of the trace; :func:`~dlbook.backprop.passes.optimize` makes it lean.

    Raises
    ------
    ValueError
        If the function reads numbers off an array in a way that cannot be guarded, or writes into one.

    Examples
    --------
    >>> def step(x, w):
    ...     ((x @ w) ** 2).sum().backward()
    ...     return w.grad
    >>> gradient = trace(step, np.ones((3, 2)), Tensor(np.ones(2), requires_grad=True))
    >>> gradient(np.eye(3, 2), [1.0, 2.0])
    array([2., 4.])
    """
    tape = Tape(guards)
    arguments: list[Any] = []
    for example in examples:
        traced = tape.input(np.asarray(_plain(example)))
        arguments.append(Tensor(traced, example.requires_grad) if isinstance(example, Tensor) else traced)
    try:
        result = function(*arguments)
        single = not isinstance(result, tuple | list)
        outputs = tuple(tape.number(_plain(part)) for part in ([result] if single else result))
    finally:
        tape.open = False
    return Graph(tuple(tape.nodes), tuple(range(len(examples))), outputs, single)


def with_gradients(function: Callable[..., Tensor]) -> Callable[..., tuple[Any, ...]]:
    """Return a function that gives the loss, and its gradient for every argument that asks for one.

    Raises
    ------
    ValueError
        When called without such an argument, or if the loss depends on none.

    Examples
    --------
    >>> product = with_gradients(lambda a, b: (a * b).sum())
    >>> a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0, 5.0], requires_grad=True)
    >>> [array.tolist() for array in trace(product, a, b)(a, b)]
    [13.0, [3.0, 5.0], [1.0, 2.0]]
    """

    def value_and_gradients(*arguments: Any) -> tuple[Any, ...]:
        leaves = [
            Tensor(argument.data, requires_grad=True)
            if isinstance(argument, Tensor) and argument.requires_grad
            else argument
            for argument in arguments
        ]
        wanted = [leaf for leaf in leaves if isinstance(leaf, Tensor) and leaf.requires_grad]
        if not wanted:
            raise ValueError("no argument is a Tensor that requires a gradient")
        loss = function(*leaves)
        loss.backward()
        return loss, *(np.zeros_like(leaf.data) if leaf.grad is None else leaf.grad for leaf in wanted)

    return value_and_gradients


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value
