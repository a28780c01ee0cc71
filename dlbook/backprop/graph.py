"""Computational graphs that are known in advance: record once, simplify, run many times.

`trace` runs a function once on arrays that write down what NumPy is asked to do with them.  The engine of
`dlbook.backprop.autograd` is a program over NumPy too, so a trace of a training step contains the backward pass,
operation by operation.  The result is a `Graph`: a list of operations in an order in which they can be carried out.
`dlbook.backprop.passes` makes such a graph smaller and plans its memory.

Sources: Bergstra et al. (2010), "Theano: a CPU and GPU math compiler in Python", for graphs of array operations;
Frostig, Johnson and Leary (2018), "Compiling machine learning programs via high-level tracing", for tracing.  The
protocols by which an array of our own sees what NumPy is asked to do are NEP 13 (`__array_ufunc__`) and NEP 18
(`__array_function__`).
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop.autograd import Tensor

Array = NDArray[Any]
Example = Tensor | ArrayLike


@dataclass(frozen=True, slots=True)
class Ref:
    """An argument that is the result of another node."""

    node: int


@dataclass(frozen=True, slots=True)
class Node:
    """One operation of a graph, or one of its inputs and constants.

    Attributes
    ----------
    op : str
        Its name; "input" and "constant" compute nothing.
    function : callable or None
        What is called to compute it.
    args, options
        What it is called with, where a `Ref` stands for the result of an earlier node.
    shape, dtype, strides
        Of its result.
    source : int or None
        The earlier node in whose memory the result lies, if it is only another view of that.
    value : ndarray or None
        Of a constant.
    """

    op: str
    function: Callable[..., Any] | None
    args: tuple[Any, ...]
    options: dict[str, Any]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    strides: tuple[int, ...]
    source: int | None = None
    value: Array | None = None

    @property
    def inputs(self) -> tuple[int, ...]:
        """Numbers of the nodes that it is computed from."""
        return tuple(ref.node for ref in _refs((self.args, self.options)))

    @property
    def computes(self) -> bool:
        """Whether it is an operation."""
        return self.function is not None

    @property
    def nbytes(self) -> int:
        """Bytes that its result takes, none if it lies in the memory of another."""
        return 0 if self.source is not None else int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    @property
    def label(self) -> str:
        """Its sign or name, for pictures."""
        return _SIGNS.get(self.op, self.op)

    @classmethod
    def constant(cls, value: Array) -> "Node":
        """Return the node of an array that is the same in every run."""
        return cls("constant", None, (), {}, value.shape, value.dtype, value.strides, None, value)

    def given(self, change: Callable[[Ref], Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return `args` and `options` with something else in the place of each reference."""
        return _replace((self.args, self.options), change)


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
        Of :func:`~dlbook.backprop.passes.reuse_buffers`.

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
    _program: "_Program | None" = field(default=None, init=False, repr=False)

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

        Buffers of :func:`~dlbook.backprop.passes.reuse_buffers` are held all the time.
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
            object.__setattr__(self, "_program", _Program(self))
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
    tape = _Tape(guards)
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


class _Tape:
    """The operations that were carried out so far, with their values."""

    def __init__(self, guards: bool) -> None:
        self.nodes: list[Node] = []
        self.values: list[Array] = []  # all are kept, so that no memory is used twice
        self.constants: dict[int, tuple[int, Any]] = {}  # by id, with the object, so that nothing else gets this id
        self.guards = guards
        self.open = True

    def add(self, node: Node, value: Array) -> "_Traced":
        self.nodes.append(node)
        self.values.append(value)
        return _Traced(self, len(self.nodes) - 1, value)

    def input(self, value: Array) -> "_Traced":
        return self.add(Node("input", None, (), {}, value.shape, value.dtype, value.strides), value)

    def number(self, value: Any) -> int:
        """Return the node of a traced array, or a new constant."""
        if isinstance(value, _Traced):
            if value.tape is not self or not self.open:
                raise ValueError("this array belongs to another trace, or to one that has ended")
            return value.number
        if id(value) not in self.constants:
            frozen = np.array(value)
            self.constants[id(value)] = self.add(Node.constant(frozen), frozen).number, value
        return self.constants[id(value)][0]

    def call(self, op: str, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> "_Traced":
        """Carry out an operation on the values, and record it."""
        args, options = _replace(
            (args, options), lambda leaf: Ref(self.number(leaf)), (_Traced, np.ndarray, np.generic)
        )
        plain, plain_options = _replace((args, options), lambda ref: self.values[ref.node])
        value = np.asarray(function(*plain, **plain_options))
        node = Node(op, function, args, options, value.shape, value.dtype, value.strides)
        for k in node.inputs:
            if np.may_share_memory(value, self.values[k]):
                node = replace(node, source=k)
        return self.add(node, value)


class _Traced(NDArrayOperatorsMixin):
    """An array that has its values and writes down what is done with it."""

    __slots__ = ("number", "tape", "value")

    def __init__(self, tape: _Tape, number: int, value: Array) -> None:
        self.tape, self.number, self.value = tape, number, value

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["_Traced"]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        return f"Traced(node {self.number}, {self.dtype} {self.shape})"

    # What NumPy is asked to do with it

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if any(isinstance(value, Tensor) for value in inputs):
            return NotImplemented
        if "out" in options or method not in ("__call__", "reduce"):
            raise ValueError(f"a traced array cannot be written into, as {ufunc.__name__} would: write a = a + b")
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        return self.tape.call(_name(ufunc, method), function, inputs, options)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> "_Traced":
        return self.tape.call(function.__name__, function, tuple(args), dict(options))

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise ValueError("this needs the numbers of a traced array, which would be frozen: use NumPy's own operations")

    def __pow__(self, exponent: Any) -> Any:
        return self.tape.call("power", _power, (self, exponent), {})  # squares without calling pow

    def __getitem__(self, index: Any) -> "_Traced":
        parts = index if isinstance(index, tuple) else (index,)
        return self.tape.call("index", _index, (self, *parts), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        raise ValueError("a traced array cannot be written into: use where or concatenate")

    def sum(self, axis: Any = None, keepdims: bool = False) -> "_Traced":
        return self.tape.call("sum", np.add.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Any = None, keepdims: bool = False) -> "_Traced":
        return self.tape.call("max", np.maximum.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: Any = None, keepdims: bool = False) -> "_Traced":
        return self.tape.call("min", np.minimum.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Any = None, keepdims: bool = False) -> "_Traced":
        return self.tape.call("mean", np.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def argmax(self, axis: Any = None) -> "_Traced":
        return self.tape.call("argmax", np.argmax, (self,), {"axis": axis})

    def any(self, axis: Any = None) -> "_Traced":
        return self.tape.call("any", np.any, (self,), {"axis": axis})

    def all(self, axis: Any = None) -> "_Traced":
        return self.tape.call("all", np.all, (self,), {"axis": axis})

    def reshape(self, *shape: Any) -> "_Traced":
        return self.tape.call("reshape", np.reshape, (self, _row(shape)), {})

    def transpose(self, *axes: Any) -> "_Traced":
        return self.tape.call("transpose", np.transpose, (self, _row(axes) or None), {})

    def swapaxes(self, first: int, second: int) -> "_Traced":
        return self.tape.call("transpose", np.swapaxes, (self, first, second), {})

    def astype(self, dtype: Any) -> "_Traced":
        return self.tape.call("astype", _astype, (self, np.dtype(dtype)), {})

    def copy(self) -> "_Traced":
        return self.astype(self.dtype)

    # What Python asks it

    def _read(self, kind: type, what: str) -> Any:
        if self.size != 1:
            raise ValueError(f"the {what} of an array is that of a single entry, found shape {self.shape}")
        found = kind(self.value.item())
        if self.tape.guards:
            self.tape.call("guard", _guard, (self,), {"kind": kind, "expected": found})
        return found

    def __bool__(self) -> bool:
        return bool(self._read(bool, "truth value"))

    def __int__(self) -> int:
        return int(self._read(int, "integer"))

    def __index__(self) -> int:
        if self.dtype.kind not in "iu":
            raise TypeError(f"an index is an integer, found {self.dtype}")
        return int(self)

    def item(self) -> Any:
        if self.dtype.kind == "b":
            return bool(self)
        return int(self) if self.dtype.kind in "iu" else float(self)

    def __float__(self) -> float:
        if self.tape.guards:
            raise ValueError(
                "a number was read off a traced array, so the graph would be right for this number only: "
                "return it, or trace with guards=False"
            )
        return float(self._read(float, "value"))


def _guard(value: Array, *, kind: type, expected: Any) -> Array:
    found = kind(value.item())
    if found != expected:
        raise ValueError(
            f"the trace read {expected!r} where this input gives {found!r}: the function would go another way, "
            "trace it again"
        )
    return value


def _power(x: Any, exponent: Any) -> Any:
    return np.asarray(x) ** exponent


def _astype(x: Any, dtype: np.dtype[Any]) -> Array:
    return np.asarray(x).astype(dtype)


def _index(x: Array, *parts: Any) -> Any:
    return x[parts if len(parts) != 1 else parts[0]]


# Running


class _Program:
    """A graph made ready: every node a slot in a list, every operation a call with numbers of slots."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.slots: list[Any] = [node.value for node in graph.nodes]
        self.spare: list[list[Any]] = []  # calls with buffers, which one run has for itself
        self.calls: list[tuple[Any, ...]] = []
        planned = graph.plan.buffer if graph.plan else {}
        dying, homes = graph.deaths(), graph.homes
        residents: dict[int, list[int]] = defaultdict(list)  # views hold the memory, too
        for number, home in enumerate(homes):
            residents[home].append(number)
        for number, node in enumerate(graph.nodes):
            if not node.computes:
                continue
            given_up = [k for k in dying.get(number, ()) if graph.nodes[k].computes and k not in planned]
            dead = tuple(k for home in given_up for k in residents[home] if k <= number)
            function, where = self._flat(node)
            self.calls.append((number, function, where, dict(node.options), dead))
        # outputs whose memory is new in each run, and theirs alone
        tenants = Counter(homes[k] for k in graph.outputs)
        self.fresh = [
            graph.nodes[k].computes and graph.nodes[k].source is None and tenants[k] == 1 for k in graph.outputs
        ]

    def _flat(self, node: Node) -> tuple[Callable[..., Any], list[int]]:
        """Return a function and the slots of its arguments; numbers and the like get slots, too."""
        refs = list(_refs((node.args, node.options)))
        if len(refs) != sum(isinstance(part, Ref) for part in node.args):  # some are inside of lists
            function = node.function
            assert function is not None

            def call(*arrays: Array, **_: Any) -> Any:
                rest = iter(arrays)
                args, options = node.given(lambda ref: next(rest))
                return function(*args, **options)

            return call, [ref.node for ref in refs]
        where = []
        for part in node.args:
            if isinstance(part, Ref):
                where.append(part.node)
            else:
                where.append(len(self.slots))
                self.slots.append(part)
        assert node.function is not None
        return node.function, where

    def _with_buffers(self) -> list[Any]:
        plan = self.graph.plan
        if plan is None:
            return self.calls
        memory = [np.empty(size, np.uint8) for size in plan.sizes]
        calls = []
        for number, function, where, options, dead in self.calls:
            if number in plan.buffer:
                node = self.graph.nodes[number]
                out = np.ndarray(node.shape, node.dtype, memory[plan.buffer[number]], 0, node.strides)
                options = {**options, "out": out}
            calls.append((number, function, where, options, dead))
        return calls

    def run(self, arrays: list[Array]) -> list[Array]:
        calls = self.spare.pop() if self.spare else self._with_buffers()
        slots = self.slots.copy()
        for number, array in zip(self.graph.inputs, arrays, strict=True):
            slots[number] = array
        for number, function, where, options, dead in calls:
            slots[number] = function(*[slots[k] for k in where], **options)
            for k in dead:
                slots[k] = None
        outputs = [
            np.asarray(slots[number]) if fresh else np.array(slots[number])
            for number, fresh in zip(self.graph.outputs, self.fresh, strict=True)
        ]
        if self.graph.plan is not None:
            self.spare.append(calls)
        return outputs


# Small things

_SIGNS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "/", "matmul": "@", "negative": "neg", "greater": ">",
    "less": "<", "equal": "=",
}  # fmt: skip


def _name(ufunc: np.ufunc, method: str) -> str:
    if method == "reduce":
        return {"add": "sum", "maximum": "max", "minimum": "min"}.get(ufunc.__name__, ufunc.__name__)
    return ufunc.__name__


def _row(shape: tuple[Any, ...]) -> Any:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape


def _plain(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def _refs(structure: Any) -> Iterator[Ref]:
    if isinstance(structure, Ref):
        yield structure
    elif isinstance(structure, tuple | list):
        for part in structure:
            yield from _refs(part)
    elif isinstance(structure, dict):
        yield from _refs(tuple(structure.values()))


def _replace(structure: Any, change: Callable[[Any], Any], kinds: Any = Ref) -> Any:
    """Change all leaves of some kinds in nested tuples, lists and dictionaries."""
    if isinstance(structure, kinds):
        return change(structure)
    if isinstance(structure, tuple | list):
        return type(structure)([_replace(part, change, kinds) for part in structure])
    if isinstance(structure, dict):
        return {key: _replace(part, change, kinds) for key, part in structure.items()}
    return structure
