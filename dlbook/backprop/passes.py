"""Passes over a computational graph: functions from graphs to smaller graphs that compute the same.

`remove_dead`, `fold_constants`, `drop_identities` and `merge_common` make a graph smaller, `optimize` repeats them
until nothing changes, and `freeze` makes constants of inputs.

Source: Bergstra et al. (2010), "Theano: a CPU and GPU math compiler in Python".
"""

import operator
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlbook.backprop.autograd import Tensor
from dlbook.backprop.buffers import reuse_buffers
from dlbook.backprop.graph import Graph
from dlbook.backprop.nodes import Node, Ref

__all__ = ["drop_identities", "fold_constants", "freeze", "merge_common", "optimize", "remove_dead"]


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
        if node.value is not None:  # strides, too: sums over another layout are taken in another order
            key: Any = (node.dtype, node.shape, node.strides, node.value.tobytes())
        elif node.computes:
            key = (node.function, repr(node.given(lambda ref: Ref(new(ref.node)))))
        else:
            return node
        if key in first:
            return first[key]
        first[key] = number
        return node

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
