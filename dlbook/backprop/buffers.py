"""Planning the memory of a graph: results take turns in a few buffers, which are there before the first run.

A result needs its buffer from the operation that computes it to the last one that reads it, or a view of it.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from dlbook.backprop.graph import Graph, Plan
from dlbook.backprop.nodes import Node, Ref

__all__ = ["reuse_buffers"]

_REDUCTIONS: Iterable[Any] = (np.add.reduce, np.maximum.reduce, np.minimum.reduce)


def reuse_buffers(graph: Graph) -> Graph:
    """Give results memory that is there before the first run, and is used again as soon as it is free.

    An operation on entries may write into the memory of an input that nothing else needs.  Outputs get new memory in
    each run; operations that are no ufuncs ask NumPy for theirs.

    Examples
    --------
    >>> from dlbook.backprop.autograd import Tensor
    >>> from dlbook.backprop.graph import trace
    >>> from dlbook.backprop.passes import remove_dead
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


def _may_write(node: Node) -> bool:
    """Whether an operation takes ``out`` and its result has memory of its own, without holes."""
    holes = any(length > 1 and step <= 0 for length, step in zip(node.shape, node.strides, strict=True))
    if node.source is not None or holes:
        return False
    ufunc = isinstance(node.function, np.ufunc) and node.function.nout == 1
    return ufunc or node.function in _REDUCTIONS
