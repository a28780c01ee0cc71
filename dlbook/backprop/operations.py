"""What can be computed with tensors: each operation with its value and its derivatives, most of them in one line.

There are three kinds, and the kind tells how to push and to pull.  An *entrywise* operation multiplies by a slope in
both directions (a diagonal Jacobian is its own transpose), and undoes broadcasting on the way back.  A *linear* map is
its own derivative, and brings its transpose.  A *reduction* adds up entries with weights on the way forward, and hands
them out with the same weights on the way back.

Most of these functions are the methods of `dlbook.backprop.autograd.Tensor`: ``a * b`` is ``multiply(a, b)``.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop.arrays import as_array, scatter, sum_to

if TYPE_CHECKING:
    from dlbook.backprop.autograd import Edge, Tensor

__all__ = [
    "absolute", "add", "concatenate", "divide", "divide_into", "entrywise", "exp", "index", "linear", "log",
    "logsumexp", "matmul", "matmul_from_left", "maximum", "multiply", "negative", "power", "power_of", "reduce_max",
    "reduce_mean", "reduce_sum", "reduction", "relu", "reshape", "sigmoid", "sqrt", "stack", "subtract",
    "subtract_from", "tanh", "transpose", "where",
]  # fmt: skip

Array = NDArray[Any]
LinearMap = Callable[[Array], Array]
Axis = int | tuple[int, ...] | None
_T = TypeVar("_T")
_LARGEST = {np.dtype(kind): np.finfo(kind).max for kind in (np.float16, np.float32, np.float64, np.longdouble)}


# Three kinds of operations


def entrywise(op: str, value: Array, *inputs: "tuple[Tensor, Array | float]") -> "Tensor":
    """Record an operation on entries, given the slope with respect to each input."""

    def edge(parent: "Tensor", slope: Array | float) -> "Edge":
        return autograd.Edge(parent, lambda t: t * slope, lambda g: sum_to(g * slope, parent.shape))

    return autograd.record(op, value, *[edge(parent, slope) for parent, slope in inputs])


def linear(op: str, x: "Tensor", push: LinearMap, pull: LinearMap) -> "Tensor":
    """Record a linear map, given the map and its transpose."""
    return autograd.record(op, push(x.data), autograd.Edge(x, push, pull))


def reduction(
    op: str, x: "Tensor", value: Array, weights: Callable[[], Array] | None, axis: Axis, keepdims: bool
) -> "Tensor":
    """Record a reduction, given the derivative with respect to each entry (1 if None), as a function.

    It is called when a derivative is asked for.  ``value`` has kept the axes that were reduced, with length 1.
    """
    shape = value.shape if keepdims else value.sum(axis).shape

    def push(t: Array) -> Array:
        return (t if weights is None else t * weights()).sum(axis, keepdims=keepdims)

    def pull(g: Array) -> Array:
        g = g.reshape(value.shape)
        return np.broadcast_to(g, x.shape) if weights is None else g * weights()

    return autograd.record(op, value.reshape(shape), autograd.Edge(x, push, pull))


# Arithmetic, with NumPy's broadcasting


def add(a: "Tensor", b: "Tensor | ArrayLike") -> "Tensor":
    """Return a + b."""
    b = _operand(b, a)
    return entrywise("+", a.data + b.data, (a, 1.0), (b, 1.0))


def subtract(a: "Tensor", b: "Tensor | ArrayLike") -> "Tensor":
    """Return a - b."""
    b = _operand(b, a)
    return entrywise("-", a.data - b.data, (a, 1.0), (b, -1.0))


def multiply(a: "Tensor", b: "Tensor | ArrayLike") -> "Tensor":
    """Return a * b."""
    b = _operand(b, a)
    return entrywise("*", a.data * b.data, (a, b.data), (b, a.data))


def divide(a: "Tensor", b: "Tensor | ArrayLike") -> "Tensor":
    """Return a / b."""
    b = _operand(b, a)
    value = a.data / b.data
    return entrywise("/", value, (a, 1 / b.data), (b, -value / b.data))


def subtract_from(a: "Tensor", b: ArrayLike) -> "Tensor":
    """Return b - a."""
    return subtract(_operand(b, a), a)


def divide_into(a: "Tensor", b: ArrayLike) -> "Tensor":
    """Return b / a."""
    return divide(_operand(b, a), a)


def power(x: "Tensor", exponent: float) -> "Tensor":
    """Return x ** exponent, for a number as exponent."""
    if isinstance(exponent, autograd.Tensor) or np.ndim(exponent) != 0:
        raise ValueError("the exponent is a number; x ** y with a tensor y is (y * x.log()).exp() for x > 0")
    slope = exponent * x.data ** (exponent - 1) if exponent else np.zeros_like(x.data)
    return entrywise(f"**{exponent}", x.data**exponent, (x, slope))


def power_of(x: "Tensor", base: float) -> "Tensor":
    """Return base ** x, for a positive number as base."""
    if np.ndim(base) != 0 or not base > 0:
        raise ValueError(f"the base of base ** tensor is a positive number, found {base!r}")
    value = _operand(base, x).data ** x.data
    return entrywise(f"{base}**", value, (x, value * float(np.log(base))))


def negative(x: "Tensor") -> "Tensor":
    """Return -x."""
    return entrywise("neg", -x.data, (x, -1.0))


# Functions of single entries


def exp(x: "Tensor") -> "Tensor":
    """Return e to the power of each entry."""
    value = np.exp(x.data)
    return entrywise("exp", value, (x, value))


def log(x: "Tensor") -> "Tensor":
    """Return the natural logarithm of each entry."""
    return entrywise("log", np.log(x.data), (x, 1 / x.data))


def sqrt(x: "Tensor") -> "Tensor":
    """Return the square root of each entry."""
    value = np.sqrt(x.data)
    return entrywise("sqrt", value, (x, 0.5 / value))


def tanh(x: "Tensor") -> "Tensor":
    """Return the hyperbolic tangent of each entry."""
    value = np.tanh(x.data)
    return entrywise("tanh", value, (x, 1 - value * value))


def sigmoid(x: "Tensor") -> "Tensor":
    """Return 1 / (1 + exp(-x)) of each entry, by way of tanh, which does not overflow."""
    value = 0.5 * np.tanh(0.5 * x.data) + 0.5
    return entrywise("sigmoid", value, (x, value * (1 - value)))


def relu(x: "Tensor") -> "Tensor":
    """Return max(0, x) of each entry; the slope at 0 is taken to be 0, as in torch."""
    return entrywise("relu", np.maximum(x.data, 0), (x, x.data > 0))


def absolute(x: "Tensor") -> "Tensor":
    """Return the absolute value of each entry; the slope at 0 is taken to be 0."""
    return entrywise("abs", np.abs(x.data), (x, np.sign(x.data)))


# Linear maps that move entries about


def reshape(x: "Tensor", *shape: int | Sequence[int]) -> "Tensor":
    """Return the same entries under another shape, ``reshape(2, 3)`` or ``reshape((2, 3))``; one length may be -1."""
    new = _unpacked(shape)
    return linear("reshape", x, lambda t: t.reshape(new), lambda g: g.reshape(x.shape))


def transpose(x: "Tensor", *axes: int | Sequence[int]) -> "Tensor":
    """Return the axes in another order, ``transpose(1, 0)`` or ``transpose((1, 0))``; reversed by default."""
    order = _unpacked(axes) or tuple(reversed(range(x.ndim)))
    back = tuple(np.argsort([axis % x.ndim for axis in order]).tolist())
    return linear("transpose", x, lambda t: t.transpose(order), lambda g: g.transpose(back))


def index(x: "Tensor", index: Any) -> "Tensor":
    """Return x[index]; entries that were taken several times add up their gradients."""
    parts = tuple(_plain(part) for part in (index if isinstance(index, tuple) else (index,)))
    key = parts if isinstance(index, tuple) else parts[0]
    once = all(isinstance(part, int | slice | None | type(...)) for part in parts)  # no entry can be taken twice
    return linear("index", x, lambda t: t[key], lambda g: scatter(g, x.shape, once, *parts))


# Reductions


def reduce_sum(x: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Return the sum over some axes (all by default)."""
    return reduction("sum", x, x.data.sum(axis, keepdims=True), None, axis, keepdims)


def reduce_mean(x: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Return the mean over some axes (all by default)."""
    total = reduce_sum(x, axis, keepdims)
    if not x.size:
        raise ValueError(f"the mean of no entries is not defined, found shape {x.shape}")
    return total * (total.size / x.size)


def reduce_max(x: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Return the largest entry over some axes (all by default); those that tie share the gradient equally.

    So does ``torch.amax``; the maximum has no derivative there, and any split is a subgradient.
    """
    top = x.data.max(axis, keepdims=True)

    def shares() -> Array:
        ties = (x.data == top).astype(x.dtype)
        return ties / ties.sum(axis, keepdims=True)

    return reduction("max", x, top, shares, axis, keepdims)


def logsumexp(x: "Tensor", axis: Axis = None, keepdims: bool = False) -> "Tensor":
    """Return log(sum(exp(x))) over some axes (all by default), without overflow; its slopes are the softmax.

    Of nothing but -inf it is -inf, and there the slopes are taken to be 0: the softmax of such entries is 0/0.
    """
    top = x.data.max(axis, keepdims=True)
    largest = _LARGEST.get(x.dtype, _LARGEST[np.dtype(np.float64)])
    powers = np.exp(x.data - np.minimum(np.maximum(top, -largest), largest))  # inf - inf would be nan
    total = np.maximum(powers.sum(axis, keepdims=True), 1)  # the largest entry alone gives 1, unless it is -inf
    return reduction("logsumexp", x, top + np.log(total), lambda: powers / total, axis, keepdims)


# Products of matrices


def matmul(a: "Tensor", b: "Tensor | ArrayLike") -> "Tensor":
    """Return a @ b of vectors, matrices or stacks of matrices; the pulls are g @ b' and a' @ g."""
    b = _operand(b, a)
    if not (a.ndim and b.ndim):
        raise ValueError(f"@ multiplies vectors and matrices, found shapes {a.shape} and {b.shape}: use *")
    left, right = a.data, b.data
    rows = left[None, :] if a.ndim == 1 else left  # with both axes that the product is about
    columns = right[:, None] if b.ndim == 1 else right
    stacks = np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2])
    whole = (*stacks, rows.shape[-2], columns.shape[-1])

    def pull_left(g: Array) -> Array:
        return sum_to(g.reshape(whole) @ columns.swapaxes(-1, -2), rows.shape).reshape(a.shape)

    def pull_right(g: Array) -> Array:
        return sum_to(rows.swapaxes(-1, -2) @ g.reshape(whole), columns.shape).reshape(b.shape)

    by_left = autograd.Edge(a, lambda t: t @ right, pull_left)
    by_right = autograd.Edge(b, lambda t: left @ t, pull_right)
    return autograd.record("@", left @ right, by_left, by_right)


def matmul_from_left(b: "Tensor", a: ArrayLike) -> "Tensor":
    """Return a @ b."""
    return matmul(_operand(a, b), b)


# Functions of several tensors


def maximum(a: "Tensor | ArrayLike", b: "Tensor | ArrayLike") -> "Tensor":
    """Return the larger of two entries, with broadcasting; if they tie each gets half of the gradient, as in torch."""
    a = _operand(a, b if isinstance(b, autograd.Tensor) else None)
    b = _operand(b, a)
    share = ((a.data > b.data) + 0.5 * (a.data == b.data)).astype(np.result_type(a.dtype, b.dtype))
    return entrywise("maximum", np.maximum(a.data, b.data), (a, share), (b, 1 - share))


def where(condition: ArrayLike, a: "Tensor | ArrayLike", b: "Tensor | ArrayLike") -> "Tensor":
    """Return the entries of ``a`` where ``condition`` holds, and those of ``b`` elsewhere, with broadcasting."""
    chosen = as_array(condition)
    if chosen.dtype != bool:
        raise ValueError(f"condition is a boolean array, found {chosen.dtype}")
    a = _operand(a, b if isinstance(b, autograd.Tensor) else None)
    b = _operand(b, a)
    return entrywise("where", np.where(chosen, a.data, b.data), (a, chosen), (b, ~chosen))


def concatenate(tensors: "Sequence[Tensor | ArrayLike]", axis: int = 0) -> "Tensor":
    """Join tensors along an axis that exists; their other lengths are equal."""
    if not len(tensors):
        raise ValueError("concatenate needs at least one tensor, found none")
    parts = [_operand(part) for part in tensors]
    value = np.concatenate([part.data for part in parts], axis)
    ends = np.cumsum([part.shape[axis] for part in parts]).tolist()

    def edge(part: "Tensor", end: int) -> "Edge":
        place = [slice(None)] * value.ndim
        place[axis] = slice(end - part.shape[axis], end)
        there = tuple(place)
        return autograd.Edge(part, lambda t: scatter(t, value.shape, True, *there), lambda g: g[there])

    return autograd.record("concatenate", value, *map(edge, parts, ends))


def stack(tensors: "Sequence[Tensor | ArrayLike]", axis: int = 0) -> "Tensor":
    """Join tensors of one shape along a new axis."""
    parts = [_operand(part) for part in tensors]
    if len({part.shape for part in parts}) != 1:
        raise ValueError(f"stack joins tensors of one shape, found {[part.shape for part in parts]}")
    axis = axis % (parts[0].ndim + 1)
    return concatenate([reshape(part, *part.shape[:axis], 1, *part.shape[axis:]) for part in parts], axis)


# Operands


def _operand(value: "Tensor | ArrayLike", partner: "Tensor | None" = None) -> "Tensor":
    """Make a tensor of an operand; a Python number takes the dtype of its partner and does not widen it."""
    if isinstance(value, autograd.Tensor):
        return value
    follows = partner is not None and isinstance(value, int | float) and partner.dtype.kind == "f"
    return autograd.Tensor(as_array(value, partner.dtype if partner is not None and follows else None))


def _plain(part: "_T | Tensor") -> "_T | Array":
    return part.data if isinstance(part, autograd.Tensor) else part


def _unpacked(numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Return the numbers, whether they came one by one or as one tuple or list."""
    return tuple(numbers[0]) if len(numbers) == 1 and isinstance(numbers[0], tuple | list) else numbers


from dlbook.backprop import autograd  # noqa: E402 - last, because a Tensor is made of the functions above
