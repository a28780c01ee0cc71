"""Nodes of a computational graph: inputs, constants, and operations on earlier nodes.

An operation keeps the function and its arguments, in which a `Ref` stands for the result of an earlier node.  Arguments
may be nested, as in ``np.concatenate([a, b])``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Node", "Ref", "references", "replace_leaves"]

Array = NDArray[Any]


_SIGNS = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "/", "matmul": "@", "negative": "neg", "greater": ">",
    "less": "<", "equal": "=",
}  # fmt: skip


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
        return tuple(ref.node for ref in references((self.args, self.options)))

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
        return replace_leaves((self.args, self.options), change)


def references(structure: Any) -> Iterator[Ref]:
    """Yield all references in nested tuples, lists and dictionaries."""
    if isinstance(structure, Ref):
        yield structure
    elif isinstance(structure, tuple | list):
        for part in structure:
            yield from references(part)
    elif isinstance(structure, dict):
        yield from references(tuple(structure.values()))


def replace_leaves(structure: Any, change: Callable[[Any], Any], kinds: Any = Ref) -> Any:
    """Change all leaves of some kinds (references by default) in nested tuples, lists and dictionaries."""
    if isinstance(structure, kinds):
        return change(structure)
    if isinstance(structure, tuple | list):
        return type(structure)([replace_leaves(part, change, kinds) for part in structure])
    if isinstance(structure, dict):
        return {key: replace_leaves(part, change, kinds) for key, part in structure.items()}
    return structure
