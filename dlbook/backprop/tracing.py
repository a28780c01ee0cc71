"""Tracing: arrays that have their values, and write down what NumPy is asked to do with them.

NumPy asks every operand whether it wants to do an operation itself: by NEP 13 (`__array_ufunc__`) for functions of
entries, by NEP 18 (`__array_function__`) for the others.  A `Traced` array says yes, carries the operation out on its
values, and adds a node to its `Tape`.  Where Python asks for a number, as ``if`` and ``range`` do, what it was told
becomes a guard.

Source: Frostig, Johnson and Leary (2018), "Compiling machine learning programs via high-level tracing".
"""

# ruff: noqa: D102 - the methods of a traced array do what those of NumPy do

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

from dlbook.backprop.autograd import Tensor
from dlbook.backprop.nodes import Node, Ref, replace_leaves

__all__ = ["Tape", "Traced"]

Array = NDArray[Any]


class Tape:
    """The operations that were carried out so far, with their values."""

    def __init__(self, guards: bool = True) -> None:
        self.nodes: list[Node] = []
        self.values: list[Array] = []  # all are kept, so that no memory is used twice
        self.constants: dict[int, tuple[int, Any]] = {}  # by id, with the object, so that nothing else gets this id
        self.guards = guards
        self.open = True

    def add(self, node: Node, value: Array) -> "Traced":
        """Append a node with its value."""
        self.nodes.append(node)
        self.values.append(value)
        return Traced(self, len(self.nodes) - 1, value)

    def input(self, value: Array) -> "Traced":
        """Return a traced array that stands for an argument."""
        return self.add(Node("input", None, (), {}, value.shape, value.dtype, value.strides), value)

    def number(self, value: Any) -> int:
        """Return the node of a traced array, or a new constant."""
        if isinstance(value, Traced):
            if value.tape is not self or not self.open:
                raise ValueError("this array belongs to another trace, or to one that has ended")
            return value.number
        if id(value) not in self.constants:
            frozen = np.array(value)
            self.constants[id(value)] = self.add(Node.constant(frozen), frozen).number, value
        return self.constants[id(value)][0]

    def call(self, op: str, function: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> "Traced":
        """Carry out an operation on the values, and record it."""
        args, options = replace_leaves(
            (args, options), lambda leaf: Ref(self.number(leaf)), (Traced, np.ndarray, np.generic)
        )
        plain, plain_options = replace_leaves((args, options), lambda ref: self.values[ref.node])
        value = np.asarray(function(*plain, **plain_options))
        node = Node(op, function, args, options, value.shape, value.dtype, value.strides)
        for k in node.inputs:
            if np.may_share_memory(value, self.values[k]):
                node = replace(node, source=k)
        return self.add(node, value)


class Traced(NDArrayOperatorsMixin):
    """An array that has its values and writes down what is done with it."""

    __slots__ = ("number", "tape", "value")

    def __init__(self, tape: Tape, number: int, value: Array) -> None:
        self.tape, self.number, self.value = tape, number, value

    shape = property(lambda self: self.value.shape)
    ndim = property(lambda self: self.value.ndim)
    size = property(lambda self: self.value.size)
    dtype = property(lambda self: self.value.dtype)
    T = property(lambda self: self.transpose())

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator["Traced"]:
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

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, options: Any) -> "Traced":
        return self.tape.call(function.__name__, function, tuple(args), dict(options))

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise ValueError("this needs the numbers of a traced array, which would be frozen: use NumPy's own operations")

    def __pow__(self, exponent: Any) -> Any:
        return self.tape.call("power", _power, (self, exponent), {})  # squares without calling pow

    def __getitem__(self, index: Any) -> "Traced":
        parts = index if isinstance(index, tuple) else (index,)
        return self.tape.call("index", _index, (self, *parts), {})

    def __setitem__(self, index: Any, value: Any) -> None:
        raise ValueError("a traced array cannot be written into: use where or concatenate")

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Traced":
        return self.tape.call("sum", np.add.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def max(self, axis: Any = None, keepdims: bool = False) -> "Traced":
        return self.tape.call("max", np.maximum.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def min(self, axis: Any = None, keepdims: bool = False) -> "Traced":
        return self.tape.call("min", np.minimum.reduce, (self,), {"axis": axis, "keepdims": keepdims})

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Traced":
        return self.tape.call("mean", np.mean, (self,), {"axis": axis, "keepdims": keepdims})

    def argmax(self, axis: Any = None) -> "Traced":
        return self.tape.call("argmax", np.argmax, (self,), {"axis": axis})

    def any(self, axis: Any = None) -> "Traced":
        return self.tape.call("any", np.any, (self,), {"axis": axis})

    def all(self, axis: Any = None) -> "Traced":
        return self.tape.call("all", np.all, (self,), {"axis": axis})

    def reshape(self, *shape: Any) -> "Traced":
        return self.tape.call("reshape", np.reshape, (self, _row(shape)), {})

    def transpose(self, *axes: Any) -> "Traced":
        return self.tape.call("transpose", np.transpose, (self, _row(axes) or None), {})

    def swapaxes(self, first: int, second: int) -> "Traced":
        return self.tape.call("transpose", np.swapaxes, (self, first, second), {})

    def astype(self, dtype: Any) -> "Traced":
        return self.tape.call("astype", _astype, (self, np.dtype(dtype)), {})

    def copy(self) -> "Traced":
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


# Operations that NumPy has under no name


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


def _name(ufunc: np.ufunc, method: str) -> str:
    if method == "reduce":
        return {"add": "sum", "maximum": "max", "minimum": "min"}.get(ufunc.__name__, ufunc.__name__)
    return ufunc.__name__


def _row(shape: tuple[Any, ...]) -> Any:
    return tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
