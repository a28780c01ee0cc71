"""Passes over a computational graph: functions from graphs to graphs that compute the same.

`remove_dead`, `fold_constants`, `drop_identities` and `merge_common` make a graph smaller, `optimize` repeats them
until nothing changes, `freeze` makes constants of inputs, `reuse_buffers` plans its memory, and `batch_operations`
carries out operations of one kind together.

Sources: Bergstra et al. (2010), "Theano: a CPU and GPU math compiler in Python", for passes over graphs of array
operations; Neubig, Goldberg and Dyer (2017), "On-the-fly operation batching in dynamic computation graphs", section 3,
for the signatures and the agenda of `batch_operations`.
"""

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop.autograd import Tensor
from dlbook.backprop.graph import Graph, Node, Plan, Ref

Array = NDArray[Any]


def remove_dead(graph: Graph) -> Graph:
    """Keep only what an output or a guard is computed from.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> def f(x):
    ...     unused = x.exp()
    ...     return x + x
    >>> graph = trace(f, Tensor(1.0))
    >>> len(graph), len(remove_dead(graph))
    (2, 1)
    """
    live = {*graph.inputs, *graph.outputs}
    for number in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[number]
        if number in live or node.op == "guard":
            live |= {number, *node.inputs}
            if node.source is not None:
                live.add(node.source)
    return _rebuild(graph, lambda number, node, _: node if number in live else None)


def fold_constants(graph: Graph) -> Graph:
    """Compute now what is the same in every run: operations on nothing but constants become constants.

    So do ``ones_like`` and ``zeros_like``, which look at the shape alone.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> graph = trace(lambda x: x * (np.ones_like(x.data) / 3), Tensor([3.0, 6.0]))
    >>> len(remove_dead(graph)), len(fold_constants(graph))
    (3, 1)
    """
    known = {number: node.value for number, node in enumerate(graph.nodes) if node.value is not None}

    def fold(number: int, node: Node, _: Any) -> Node:
        by_shape = node.function in (np.ones_like, np.zeros_like)
        if not node.computes or (not by_shape and any(k not in known for k in node.inputs)):
            return node
        shaped = np.empty(node.shape, node.dtype)
        args, options = node.given(lambda ref: shaped if by_shape else known[ref.node])
        value = known[number] = np.asarray(node.function(*args, **options))  # type: ignore[misc]
        return Node.constant(value)

    return remove_dead(_rebuild(graph, fold))


def merge_common(graph: Graph) -> Graph:
    """Compute only once what is computed several times: same operation, same inputs.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> graph = remove_dead(trace(lambda x: x.tanh() * (1 - x.tanh() * x.tanh()), Tensor(0.5)))
    >>> len(graph), len(merge_common(graph))
    (6, 4)
    """
    first: dict[Any, int] = {}

    def merge(number: int, node: Node, new: Callable[[int], int]) -> Node | int:
        if node.value is not None:
            key: Any = (node.dtype, node.shape, node.strides, node.value.tobytes())
        elif node.computes:
            key = (node.function, repr(node.given(lambda ref: Ref(new(ref.node)))))
        else:
            return node
        return first.setdefault(key, number) if key in first else (first.update({key: number}) or node)

    return _rebuild(graph, merge)


def drop_identities(graph: Graph) -> Graph:
    """Skip operations that change nothing: times or by one, copies, reshaping to the same shape.

    Only where the result also lies in memory in the same way, so that all sums stay in the same order; adding zero
    stays, since it turns -0 into 0.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> len(drop_identities(trace(lambda x: (x / 1.0 - 1).reshape(2), Tensor([1.0, 2.0]))))
    1
    """

    def drop(number: int, node: Node, _: Any) -> Node | int:
        same = _unchanged(graph, node)
        if same is None:
            return node
        before = graph.nodes[same]
        alike = (before.shape, before.dtype) == (node.shape, node.dtype) and (
            before.strides == node.strides or (not _strided(before) and not _strided(node))
        )
        return same if alike else node

    return remove_dead(_rebuild(graph, drop))


def freeze(graph: Graph, values: dict[int, Tensor | ArrayLike]) -> Graph:
    """Make constants of some inputs, given by place: weights that will change no more, say.

    Raises
    ------
    ValueError
        If there is no such input, or its shape or dtype is another.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> f = trace(lambda x, w: x * w.exp(), Tensor(1.0), Tensor(0.0))
    >>> g = fold_constants(freeze(f, {1: 0.0}))
    >>> g(3.0), len(f), len(g)
    (array(3.), 2, 1)
    """
    constants = {}
    for place, value in values.items():
        if not 0 <= place < len(graph.inputs):
            raise ValueError(f"the graph has {len(graph.inputs)} inputs, found place {place}")
        array, node = np.array(value.data if isinstance(value, Tensor) else value), graph.nodes[graph.inputs[place]]
        if (array.shape, array.dtype) != (node.shape, node.dtype):
            raise ValueError(f"input {place} is {node.dtype} {node.shape}, found {array.dtype} {array.shape}")
        constants[graph.inputs[place]] = Node.constant(array)
    inputs = tuple(number for number in graph.inputs if number not in constants)
    nodes = tuple(constants.get(number, node) for number, node in enumerate(graph.nodes))
    return Graph(nodes, inputs, graph.outputs, graph.single)


def optimize(graph: Graph) -> Graph:
    """Apply the passes until none finds anything, then plan the buffers.  Results stay the same, bit for bit.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> len(optimize(trace(lambda x: x.tanh() * x.tanh() * 1.0, Tensor(0.5))))
    2
    """
    before = None
    while before is None or len(graph.nodes) < len(before.nodes):
        before = graph
        for rewrite in (remove_dead, fold_constants, drop_identities, merge_common):
            graph = rewrite(graph)
    return reuse_buffers(graph)


def reuse_buffers(graph: Graph) -> Graph:
    """Give results memory that is there before the first run, and is used again as soon as it is free.

    An operation on entries may write into the memory of an input that nothing else needs.  Outputs get new memory in
    each run; operations that are no ufuncs ask NumPy for theirs.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> def chain(x):
    ...     for _ in range(100):
    ...         x = x.tanh()
    ...     return x
    >>> graph = remove_dead(trace(chain, Tensor(np.zeros(1000))))
    >>> graph.nbytes, reuse_buffers(graph).peak_bytes  # one buffer, and the output
    (800000, 16000)
    """
    graph = replace(graph, plan=None)
    dying = graph.deaths()
    homes = graph.homes
    lasting = {homes[number] for number in graph.outputs}
    sizes: list[int] = []
    buffer: dict[int, int] = {}
    free: list[int] = []
    for number, node in enumerate(graph.nodes):
        dead = [k for k in dying.get(number, ()) if k in buffer]
        if _may_write(node) and number not in lasting and node.nbytes:
            heirs = [
                k
                for k in dead
                if isinstance(node.function, np.ufunc)
                and node.function is not np.matmul
                and Ref(k) in node.args
                and sizes[buffer[k]] >= node.nbytes
                and graph.nodes[k].nbytes == node.nbytes
            ]
            fitting = [b for b in free if sizes[b] >= node.nbytes]
            if heirs:
                buffer[number] = buffer[heirs[0]]
                dead.remove(heirs[0])
            elif fitting:
                buffer[number] = min(fitting, key=sizes.__getitem__)
                free.remove(buffer[number])
            elif free:  # the largest grows
                buffer[number] = max(free, key=sizes.__getitem__)
                free.remove(buffer[number])
                sizes[buffer[number]] = node.nbytes
            else:
                buffer[number] = len(sizes)
                sizes.append(node.nbytes)
        free += [buffer[k] for k in dead]
        if number in buffer and number in dying.get(number, ()):
            free.append(buffer[number])  # nobody reads it
    return replace(graph, plan=Plan(tuple(sizes), buffer))


def batch_operations(graph: Graph) -> Graph:
    """Carry out operations of one kind together: the on-the-fly batching of Neubig et al. (2017).

    Operations are compatible if they have the same signature: the same function, on arguments of the same shapes, and
    for products of a matrix and a vector the same matrix.  An agenda holds the operations whose inputs are there; of
    their signatures the one with the smallest average depth comes next, and all its operations on the agenda are
    carried out as one, on stacked arguments.

    Operations on entries whose arguments have the shape of the result, and products of a matrix and vectors, are
    batched.  Products of matrices add up in another order than products with vectors: expect the last digits to differ.

    Examples
    --------
    >>> from dlbook.backprop.graph import trace
    >>> graph = trace(lambda W, a, b: (W @ a).tanh() + (W @ b).tanh(), *map(Tensor, (np.eye(2), [1.0, 2], [3.0, 4])))
    >>> batched = batch_operations(graph)
    >>> graph.operations["tanh"], batched.operations["tanh"], batched.operations["matmul"]
    (2, 1, 1)
    """
    depth = graph.depths
    waiting = [len(set(node.inputs)) for node in graph.nodes]
    readers: dict[int, list[int]] = defaultdict(list)
    for number, node in enumerate(graph.nodes):
        for k in set(node.inputs):
            readers[k].append(number)
    signatures = [_signature(graph, node) for node in graph.nodes]
    totals: dict[Any, list[int]] = defaultdict(list)
    for signature, d in zip(signatures, depth, strict=True):
        totals[signature].append(d)
    average = {signature: sum(ds) / len(ds) for signature, ds in totals.items()}
    agenda: dict[Any, list[int]] = {}
    batches: list[list[int]] = []

    def done(number: int) -> None:
        for reader in readers[number]:
            waiting[reader] -= 1
            if not waiting[reader]:
                agenda.setdefault(signatures[reader] or reader, []).append(reader)

    for number, node in enumerate(graph.nodes):
        if not node.computes:
            done(number)
    while agenda:
        key = min(agenda, key=lambda key: average[key] if isinstance(key, tuple) else depth[key])
        batch = agenda.pop(key)
        batches.append(batch)
        for number in batch:
            done(number)

    nodes: list[Node] = []
    where: dict[int, int] = {}

    def add(op: str, function: Any, args: tuple[Any, ...], example: Array, source: int | None = None) -> int:
        nodes.append(Node(op, function, args, {}, example.shape, example.dtype, example.strides, source))
        return len(nodes) - 1

    def stacked(members: list[int]) -> Ref:
        first = graph.nodes[members[0]]
        rows = tuple(Ref(where[k]) for k in members)
        return Ref(add("stack", _stack, rows, np.empty((len(rows), *first.shape), first.dtype)))

    for number, node in enumerate(graph.nodes):
        if not node.computes:
            where[number] = len(nodes)
            nodes.append(node)
    for batch in batches:
        leader = graph.nodes[batch[0]]
        if len(batch) == 1:
            where[batch[0]] = len(nodes)
            renamed = leader.given(lambda ref: Ref(where[ref.node]))
            source = None if leader.source is None else where[leader.source]
            nodes.append(replace(leader, args=renamed[0], options=renamed[1], source=source))
            continue
        if leader.function is np.matmul:  # W h for many h: the rows of H W'
            matrix, at = graph.nodes[leader.args[0].node], where[leader.args[0].node]
            turned = add("transpose", np.transpose, (Ref(at),), np.empty(matrix.shape, matrix.dtype).T, at)
            args: tuple[Any, ...] = (stacked([graph.nodes[k].args[1].node for k in batch]), Ref(turned))
        else:
            args = tuple(
                stacked([graph.nodes[k].args[place].node for k in batch]) if isinstance(part, Ref) else part
                for place, part in enumerate(leader.args)
            )
        whole = add(leader.op, leader.function, args, np.empty((len(batch), *leader.shape), leader.dtype))
        for row, number in enumerate(batch):
            where[number] = add("row", operator.getitem, (Ref(whole), row), np.empty(leader.shape, leader.dtype), whole)
    outputs = tuple(where[k] for k in graph.outputs)
    return merge_common(Graph(tuple(nodes), tuple(where[k] for k in graph.inputs), outputs, graph.single))


def _signature(graph: Graph, node: Node) -> Any:
    """Return what operations must have in common to be batched; None if this one never is."""
    if not isinstance(node.function, np.ufunc) or node.options or not node.shape:
        return None
    if node.function is np.matmul:
        matrix, vector = (graph.nodes[part.node] for part in node.args)
        if (len(matrix.shape), len(vector.shape)) != (2, 1):
            return None
        return "matmul", node.args[0], vector.shape, vector.dtype
    parts = [graph.nodes[part.node] if isinstance(part, Ref) else part for part in node.args]
    if any(isinstance(part, Node) and part.shape != node.shape for part in parts):
        return None
    return node.op, *(part.dtype if isinstance(part, Node) else repr(part) for part in parts), node.shape


def _stack(*rows: Array) -> Array:
    return np.stack(rows)


def _rebuild(graph: Graph, change: Callable[[int, Node, Callable[[int], int]], Node | int | None]) -> Graph:
    """Make a graph of changed nodes: another node, the number of an earlier one to use instead, or None to drop it."""
    nodes: list[Node] = []
    where: dict[int, int] = {}  # old number -> new number

    alias: dict[int, int] = {}

    def canonical(number: int) -> int:
        return alias.get(number, number)

    for number, node in enumerate(graph.nodes):
        changed = change(number, node, canonical)
        if isinstance(changed, int) and changed != number:
            alias[number] = canonical(changed)
            where[number] = where[alias[number]]
        elif isinstance(changed, Node):
            args, options = changed.given(lambda ref: Ref(where[ref.node]))
            source = None if changed.source is None else where[changed.source]
            where[number] = len(nodes)
            nodes.append(replace(changed, args=args, options=options, source=source))
    inputs, outputs = (tuple(where[k] for k in numbers) for numbers in (graph.inputs, graph.outputs))
    return Graph(tuple(nodes), inputs, outputs, graph.single)


def _unchanged(graph: Graph, node: Node) -> int | None:
    """Return the input of a node that its result is equal to, if there is one."""

    def is_one(part: Any) -> bool:
        value = graph.nodes[part.node].value if isinstance(part, Ref) else part
        return value is not None and not isinstance(value, tuple | bool) and bool(np.all(np.equal(value, 1)))

    if node.function in (np.multiply, np.divide, np.true_divide) and not node.options:
        left, right = node.args
        if is_one(right) and isinstance(left, Ref):
            return left.node
        if node.function is np.multiply and is_one(left) and isinstance(right, Ref):
            return right.node
    if node.op in ("reshape", "astype", "broadcast_to", "transpose") and isinstance(node.args[0], Ref):
        turned = node.function is np.transpose and len(node.shape) > 1
        return None if turned else node.args[0].node
    return None


def _strided(node: Node) -> bool:
    """Whether the entries do not simply follow each other, row by row."""
    steps = accumulate((node.dtype.itemsize, *node.shape[:0:-1]), operator.mul)
    rows = tuple(steps)[::-1]
    return any(length > 1 and step != row for length, step, row in zip(node.shape, node.strides, rows, strict=False))


def _may_write(node: Node) -> bool:
    """Whether an operation takes ``out`` and its result has memory of its own, without holes."""
    holes = any(length > 1 and step <= 0 for length, step in zip(node.shape, node.strides, strict=True))
    if node.source is not None or holes:
        return False
    ufunc = isinstance(node.function, np.ufunc) and node.function.nout == 1
    return ufunc or node.function in _REDUCTIONS


_REDUCTIONS: Iterable[Any] = (np.add.reduce, np.maximum.reduce, np.minimum.reduce)
