"""Carrying out operations of one kind together: the on-the-fly batching of Neubig et al. (2017).

Neubig, Goldberg and Dyer (2017), "On-the-fly operation batching in dynamic computation graphs", section 3.
"""

import operator
from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbook.backprop.graph import Graph
from dlbook.backprop.nodes import Node, Ref
from dlbook.backprop.passes import merge_common

__all__ = ["batch_operations"]

Array = NDArray[Any]


def batch_operations(graph: Graph) -> Graph:
    """Carry out operations of one kind together.

    Operations are compatible if they have the same signature: the same function, on arguments of the same shapes, and
    for products of a matrix and a vector the same matrix.  An agenda holds the operations whose inputs are there; of
    their signatures the one with the smallest average depth comes next, and all its operations on the agenda are
    carried out as one, on stacked arguments.

    Operations on entries whose arguments have the shape of the result, and products of a matrix and vectors, are
    batched.  Products of matrices add up in another order than products with vectors: expect the last digits to differ.

    Examples
    --------
    >>> from dlbook.backprop.autograd import Tensor
    >>> from dlbook.backprop.graph import trace
    >>> graph = trace(lambda W, a, b: (W @ a).tanh() + (W @ b).tanh(), *map(Tensor, (np.eye(2), [1.0, 2], [3.0, 4])))
    >>> batched = batch_operations(graph)
    >>> graph.operations["tanh"], batched.operations["tanh"], batched.operations["matmul"]
    (2, 1, 1)
    """
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
    for batch in _batches(graph):
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


def _batches(graph: Graph) -> list[list[int]]:
    """Return the operations in an order in which they can be carried out, those together that are one batch."""
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
    return batches


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
