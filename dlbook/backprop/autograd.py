"""Automatic differentiation over NumPy arrays, by reverse and by forward mode.

Near a point every operation is a linear map.  So a `Tensor` that came out of an operation keeps, for each input, that
linear map and its transpose: `push` turns a change of the input into a change of the output (the Jacobian times a
vector), `pull` turns a gradient at the output into one at the input (the Jacobian's transpose times a vector).  Forward
mode composes the first while the values are computed; reverse mode composes the second afterwards, from the last
operation to the first.

Sources: Linnainmaa (1976), "Taylor expansion of the accumulated rounding error", for reverse mode; Wengert (1964), "A
simple automatic derivative evaluation program", for forward mode; Griewank and Walther (2008), Evaluating Derivatives.
The conventions of names and of broadcasting are those of torch and NumPy.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import reduce, wraps
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[Any]
LinearMap = Callable[[Array], Array]
Axis = int | tuple[int, ...] | None
_T = TypeVar("_T")

_recording: ContextVar[bool] = ContextVar("recording", default=True)


class Edge(NamedTuple):
    """One input of an operation: where it came from, and the derivative with respect to it."""

    parent: "Tensor"
    push: LinearMap  # the Jacobian times a change of the input; may broadcast to the output's shape
    pull: LinearMap  # the transposed Jacobian times a gradient at the output


class Tensor:
    """An array that remembers how it was computed.

    Parameters
    ----------
    data : array_like
        Copied if it is a list or a number, kept if it is an array; keeps its dtype.
    requires_grad : bool
        Whether :meth:`backward` should leave a gradient here.

    Attributes
    ----------
    data : ndarray
    grad : ndarray or None
        Gradient of what :meth:`backward` was called on, added up over calls; same shape and dtype as ``data``.  Only
        tensors that were made with ``requires_grad=True`` get one.
    requires_grad : bool
        Also true for the results of operations on such tensors.
    tangent : ndarray or None
        Forward mode: the derivative along the direction that :func:`jvp` chose.
    edges : tuple of Edge, or None
        What it was computed from; empty for a leaf, None once :meth:`backward` has used it up.
    op : str
        The operation, for pictures of the graph.

    Raises
    ------
    ValueError
        If the data is no array of numbers, or is to have a gradient and is not of a floating dtype.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = ("data", "edges", "grad", "op", "requires_grad", "tangent")
    __array_ufunc__ = None  # array + Tensor is left to Tensor.__radd__

    def __init__(self, data: ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise ValueError("found a Tensor where data was expected: detach() makes a new leaf of it")
        array = data if type(data) is np.ndarray else _as_array(data)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"data is an array of real numbers, found dtype {array.dtype}")
        if requires_grad and array.dtype.kind != "f":
            raise ValueError(f"gradients need a floating dtype, found {array.dtype}: write 1.0 instead of 1")
        self.data: Array = array
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.tangent: Array | None = None
        self.edges: tuple[Edge, ...] | None = ()
        self.op = "leaf"

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.data.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self.data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self.data.dtype

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        tail = ", requires_grad=True)" if self.edges == () and self.requires_grad else f", op={self.op})"
        return f"Tensor({np.array2string(self.data, separator=', ', prefix='Tensor(')}" + (
            ")" if self.edges == () and not self.requires_grad else tail
        )

    def item(self) -> float:
        """Return the only entry as a Python number; ValueError from NumPy if there are several."""
        return cast(float, self.data.item())

    def detach(self) -> "Tensor":
        """Return a leaf with the same data, not a copy, that is constant for differentiation."""
        return Tensor(self.data)

    # Arithmetic, entry by entry, with NumPy's broadcasting

    def __add__(self, other: "Tensor | ArrayLike") -> "Tensor":
        a, b = self, _constant(other, self)
        return _entrywise("+", a.data + b.data, (a, 1.0), (b, 1.0))

    def __sub__(self, other: "Tensor | ArrayLike") -> "Tensor":
        a, b = self, _constant(other, self)
        return _entrywise("-", a.data - b.data, (a, 1.0), (b, -1.0))

    def __mul__(self, other: "Tensor | ArrayLike") -> "Tensor":
        a, b = self, _constant(other, self)
        return _entrywise("*", a.data * b.data, (a, b.data), (b, a.data))

    def __truediv__(self, other: "Tensor | ArrayLike") -> "Tensor":
        a, b = self, _constant(other, self)
        value = a.data / b.data
        return _entrywise("/", value, (a, 1 / b.data), (b, -value / b.data))

    def __pow__(self, exponent: float) -> "Tensor":
        if isinstance(exponent, Tensor) or np.ndim(exponent) != 0:
            raise ValueError("the exponent is a number; x ** y with a tensor y is (y * x.log()).exp() for x > 0")
        slope = exponent * self.data ** (exponent - 1) if exponent else np.zeros_like(self.data)
        return _entrywise(f"**{exponent}", self.data**exponent, (self, slope))

    def __neg__(self) -> "Tensor":
        return _entrywise("neg", -self.data, (self, -1.0))

    def __radd__(self, other: ArrayLike) -> "Tensor":
        return _constant(other, self) + self

    def __rsub__(self, other: ArrayLike) -> "Tensor":
        return _constant(other, self) - self

    def __rmul__(self, other: ArrayLike) -> "Tensor":
        return _constant(other, self) * self

    def __rtruediv__(self, other: ArrayLike) -> "Tensor":
        return _constant(other, self) / self

    def exp(self) -> "Tensor":
        """Return e to the power of each entry."""
        value = np.exp(self.data)
        return _entrywise("exp", value, (self, value))

    def log(self) -> "Tensor":
        """Return the natural logarithm of each entry."""
        return _entrywise("log", np.log(self.data), (self, 1 / self.data))

    def sqrt(self) -> "Tensor":
        """Return the square root of each entry."""
        value = np.sqrt(self.data)
        return _entrywise("sqrt", value, (self, 0.5 / value))

    def tanh(self) -> "Tensor":
        """Return the hyperbolic tangent of each entry."""
        value = np.tanh(self.data)
        return _entrywise("tanh", value, (self, 1 - value * value))

    def sigmoid(self) -> "Tensor":
        """Return 1 / (1 + exp(-x)) of each entry, by way of tanh, which does not overflow."""
        value = 0.5 * np.tanh(0.5 * self.data) + 0.5
        return _entrywise("sigmoid", value, (self, value * (1 - value)))

    def relu(self) -> "Tensor":
        """Return max(0, x) of each entry; the slope at 0 is taken to be 0, as in torch."""
        return _entrywise("relu", np.maximum(self.data, 0), (self, self.data > 0))

    def abs(self) -> "Tensor":
        """Return the absolute value of each entry; the slope at 0 is taken to be 0."""
        return _entrywise("abs", np.abs(self.data), (self, np.sign(self.data)))

    # Reductions: each passes on a weighted sum of the changes of its entries

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Return the sum over some axes (all by default)."""
        return _reduction("sum", self, self.data.sum(axis, keepdims=True), None, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Return the mean over some axes (all by default)."""
        total = self.sum(axis, keepdims)
        if not self.size:
            raise ValueError(f"the mean of no entries is not defined, found shape {self.shape}")
        return total * (total.size / self.size)

    def max(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Return the largest entry over some axes (all by default); those that tie share the gradient equally.

        So does ``torch.amax``; the maximum has no derivative there, and any split is a subgradient.
        """
        top = self.data.max(axis, keepdims=True)

        def shares() -> Array:
            ties = (self.data == top).astype(self.dtype)
            return cast(Array, ties / ties.sum(axis, keepdims=True))

        return _reduction("max", self, top, shares, axis, keepdims)

    def logsumexp(self, axis: Axis = None, keepdims: bool = False) -> "Tensor":
        """Return log(sum(exp(x))) over some axes (all by default), without overflow; its slopes are the softmax."""
        top = self.data.max(axis, keepdims=True)
        powers = np.exp(self.data - top)
        total = powers.sum(axis, keepdims=True)
        return _reduction("logsumexp", self, top + np.log(total), lambda: powers / total, axis, keepdims)

    # Linear maps that move entries about: the derivative is the map itself

    def reshape(self, *shape: int) -> "Tensor":
        """Return the same entries under another shape; one length may be -1."""
        return _linear("reshape", self, lambda t: t.reshape(shape), lambda g: g.reshape(self.shape))

    def transpose(self, *axes: int) -> "Tensor":
        """Return the axes in another order (reversed by default)."""
        order = axes or tuple(reversed(range(self.ndim)))
        back = tuple(np.argsort([axis % self.ndim for axis in order]).tolist())
        return _linear("transpose", self, lambda t: t.transpose(order), lambda g: g.transpose(back))

    @property
    def T(self) -> "Tensor":  # noqa: N802 - NumPy's and torch's name
        """The transpose."""
        return self.transpose()

    def __getitem__(self, index: Any) -> "Tensor":
        index = tuple(_array(part) for part in index) if isinstance(index, tuple) else _array(index)
        parts = index if isinstance(index, tuple) else (index,)
        once = all(isinstance(part, int | slice | None | type(...)) for part in parts)  # no entry can be taken twice

        return _linear("index", self, lambda t: t[index], lambda g: scatter(g, self.shape, once, *parts))

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[row] for row in range(len(self)))

    # Products of matrices

    def __matmul__(self, other: "Tensor | ArrayLike") -> "Tensor":
        a, b = self, _constant(other, self)
        if not (a.ndim and b.ndim):
            raise ValueError(f"@ multiplies vectors and matrices, found shapes {a.shape} and {b.shape}: use *")
        value = a.data @ b.data
        rows, columns = a.data, b.data  # with both axes that the product is about
        if a.ndim == 1:
            rows = rows[None, :]
        if b.ndim == 1:
            columns = columns[:, None]
        whole = (*np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2]), rows.shape[-2], columns.shape[-1])

        def pull_left(g: Array) -> Array:
            return _sum_to(g.reshape(whole) @ columns.swapaxes(-1, -2), rows.shape).reshape(a.shape)

        def pull_right(g: Array) -> Array:
            return _sum_to(rows.swapaxes(-1, -2) @ g.reshape(whole), columns.shape).reshape(b.shape)

        left = Edge(a, lambda t: t @ b.data, pull_left)
        right = Edge(b, lambda t: a.data @ t, pull_right)
        return record("@", value, left, right)

    def __rmatmul__(self, other: ArrayLike) -> "Tensor":
        return _constant(other, self) @ self

    # Reverse mode

    def backward(self, gradient: ArrayLike | None = None, *, retain_graph: bool = False) -> None:
        """Add to ``grad`` of every leaf the gradient of this tensor with respect to it.

        The graph is used up on the way, which frees the arrays that it kept.  A second call is refused, unless the
        first one was told to ``retain_graph``; then it adds the same gradients once more.

        Parameters
        ----------
        gradient : array_like of this tensor's shape
            Weight of each entry, 1 by default for a single entry: the leaves get the gradient of the weighted sum.
        retain_graph : bool
            Keep the graph for another call.

        Raises
        ------
        ValueError
            If nothing here requires a gradient, or ``gradient`` is missing or misshapen.
        RuntimeError
            If a part of the graph has been used up.

        Examples
        --------
        >>> x = Tensor(3.0, requires_grad=True)
        >>> y = x * x + x  # x is used three times, and each use adds its part
        >>> y.backward()
        >>> x.grad
        array(7.)
        """
        if not self.requires_grad:
            raise ValueError("nothing that this tensor was computed from requires a gradient")
        if gradient is None and self.size != 1:
            raise ValueError(f"only a single entry needs no weights, found shape {self.shape}: pass gradient, or sum()")
        seed = np.ones_like(self.data) if gradient is None else _as_array(gradient, self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"gradient has the shape of the tensor, {self.shape}, found {seed.shape}")
        order = topological_order(self)
        if any(node.edges is None for node in order):
            raise RuntimeError("a part of this graph was used up by a backward(): pass retain_graph=True to that one")
        gradients = {id(self): seed}
        for node in reversed(order):
            g = gradients.pop(id(node))
            if node.edges == ():
                node.grad = _as_array(g).astype(node.dtype) if node.grad is None else _as_array(node.grad + g)
                continue
            for parent, _, pull in node.edges or ():
                part, key = pull(g), id(parent)
                gradients[key] = gradients[key] + part if key in gradients else part
            if not retain_graph:
                node.edges = None

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None


def topological_order(root: Tensor) -> list[Tensor]:
    """Return ``root`` and all that it was computed from and that requires a gradient, inputs before results.

    By a stack of its own, so that depth is limited by memory and not by Python's recursion.

    Examples
    --------
    >>> x = Tensor(1.0, requires_grad=True)
    >>> [node.op for node in topological_order((x + 1).exp() * x)]
    ['leaf', '+', 'exp', '*']
    """
    order, seen = [], set()
    stack = [(root, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            stack.append((node, True))
            stack.extend((edge.parent, False) for edge in reversed(node.edges or ()))
    return order


@contextmanager
def no_grad() -> Iterator[None]:
    """Within the block operations record nothing, so results require no gradient and keep no arrays alive.

    Examples
    --------
    >>> x = Tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     print((x * x).requires_grad)
    False
    """
    token = _recording.set(False)
    try:
        yield
    finally:
        _recording.reset(token)


def record(op: str, value: ArrayLike, *edges: Edge) -> Tensor:
    """Return the result of an operation that you bring yourself.

    Parameters
    ----------
    op : str
        Its name, for pictures.
    value : array_like
        What it gives.
    *edges : Edge
        For each input the derivative, as a linear map and its transpose; :func:`gradcheck` tells if they are right.

    Returns
    -------
    tensor : Tensor
        Keeps the edges whose input requires a gradient, unless within :func:`no_grad`.

    Examples
    --------
    >>> def sine(x):
    ...     slope = np.cos(x.data)
    ...     return record("sin", np.sin(x.data), Edge(x, lambda t: slope * t, lambda g: slope * g))
    >>> gradcheck(sine, np.array([0.1, 2.0]))
    True
    """
    out = Tensor(value)
    out.op = op
    if _recording.get():
        out.edges = tuple(edge for edge in edges if edge.parent.requires_grad)
        out.requires_grad = bool(out.edges)
    for parent, push, _ in edges:
        if parent.tangent is not None:
            part = push(parent.tangent)
            out.tangent = np.broadcast_to(part, out.shape) if out.tangent is None else _as_array(out.tangent + part)
    return out


# Functions of several tensors


def maximum(a: Tensor, b: Tensor | ArrayLike) -> Tensor:
    """Return the larger of two entries, with broadcasting; if they tie each gets half of the gradient, as in torch."""
    a, b = _tensor(a), _constant(b, _tensor(a))
    share = (a.data > b.data) + 0.5 * (a.data == b.data)
    share = share.astype(np.result_type(a.dtype, b.dtype))
    return _entrywise("maximum", np.maximum(a.data, b.data), (a, share), (b, 1 - share))


def where(condition: ArrayLike, a: Tensor | ArrayLike, b: Tensor | ArrayLike) -> Tensor:
    """Return the entries of ``a`` where ``condition`` holds, and those of ``b`` elsewhere, with broadcasting."""
    chosen = _as_array(condition)
    if chosen.dtype != bool:
        raise ValueError(f"condition is a boolean array, found {chosen.dtype}")
    like = a if isinstance(a, Tensor) else _tensor(b)
    a, b = _constant(a, like), _constant(b, like)
    return _entrywise("where", np.where(chosen, a.data, b.data), (a, chosen), (b, ~chosen))


def concatenate(tensors: Sequence[Tensor | ArrayLike], axis: int = 0) -> Tensor:
    """Join tensors along an axis that exists; their other lengths are equal."""
    if not len(tensors):
        raise ValueError("concatenate needs at least one tensor, found none")
    parts = [_tensor(part) for part in tensors]
    value = np.concatenate([part.data for part in parts], axis)
    ends = np.cumsum([part.shape[axis] for part in parts])
    edges = []
    for part, end in zip(parts, ends.tolist(), strict=True):
        place = [slice(None)] * value.ndim
        place[axis] = slice(end - part.shape[axis], end)
        edges.append(_placed(part, tuple(place), value.shape))
    return record("concatenate", value, *edges)


def stack(tensors: Sequence[Tensor | ArrayLike], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = [_tensor(part) for part in tensors]
    if len({part.shape for part in parts}) != 1:
        raise ValueError(f"stack joins tensors of one shape, found {[part.shape for part in parts]}")
    axis = axis % (parts[0].ndim + 1)
    return concatenate([part.reshape(*part.shape[:axis], 1, *part.shape[axis:]) for part in parts], axis)


def unfold(x: Tensor, size: int | tuple[int, int], *, stride: int = 1, padding: int = 0) -> Tensor:
    """Lay out the patches of images as columns, as ``torch.nn.functional.unfold`` does.

    Parameters
    ----------
    x : (n, c, h, w)
    size : int or (int, int)
        Height and width of a patch.
    stride : int
        From one patch to the next, in both directions.
    padding : int
        Zeros added on every side.

    Returns
    -------
    columns : (n, c · height · width, places)

    Raises
    ------
    ValueError
        If x has not four axes, a number is out of range, or no patch fits.

    Examples
    --------
    >>> unfold(Tensor(np.arange(9.0).reshape(1, 1, 3, 3)), 2).data[0, :, 0]  # the first patch
    array([0., 1., 3., 4.])
    """
    height, width = size if isinstance(size, tuple) else (size, size)
    if x.ndim != 4:
        raise ValueError(f"x has shape (n, c, h, w), found {x.shape}")
    if min(height, width, stride) < 1 or padding < 0:
        raise ValueError(f"size and stride are at least 1, padding 0, found {size}, {stride} and {padding}")
    n, c, h, w = x.shape
    tall, wide = h + 2 * padding, w + 2 * padding
    if tall < height or wide < width:
        raise ValueError(f"a patch of {height} x {width} does not fit into {tall} x {wide}")
    down, across = (tall - height) // stride + 1, (wide - width) // stride + 1

    def push(t: Array) -> Array:
        frame = np.pad(t, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        windows = np.lib.stride_tricks.sliding_window_view(frame, (height, width), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]  # (n, c, down, across, height, width)
        return windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * height * width, down * across)

    def pull(g: Array) -> Array:
        windows = g.reshape(n, c, height, width, down, across)
        frame = add_patches(windows, (n, c, tall, wide), stride)
        return frame[:, :, padding : padding + h, padding : padding + w]

    return _linear("unfold", x, push, pull)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Cross-correlate images with kernels, as ``torch.nn.functional.conv2d`` does: one product with the patches.

    Parameters
    ----------
    x : (n, c, h, w)
    weight : (k, c, height, width)
    bias : (k,), optional
    stride, padding : int
        As in :func:`unfold`.

    Returns
    -------
    maps : (n, k, down, across)

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if weight.ndim != 4 or x.ndim != 4 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"x is (n, c, h, w) and weight (k, c, height, width), found {x.shape} and {weight.shape}")
    k, _, height, width = weight.shape
    if bias is not None and bias.shape != (k,):
        raise ValueError(f"one bias for each of the {k} kernels, found shape {bias.shape}")
    columns = unfold(x, (height, width), stride=stride, padding=padding)
    maps = weight.reshape(k, -1) @ columns
    down = (x.shape[2] + 2 * padding - height) // stride + 1
    maps = maps.reshape(len(x), k, down, -1)
    return maps if bias is None else maps + bias.reshape(k, 1, 1)


def max_pool2d(x: Tensor, size: int) -> Tensor:
    """Return the largest entry of each size x size tile (n, c, h, w) -> (n, c, h // size, w // size).

    Rows and columns that fill no tile are left out, as in torch; entries that tie share the gradient.

    Raises
    ------
    ValueError
        If x has not four axes or no tile fits.
    """
    if x.ndim != 4 or size < 1 or min(x.shape[2:]) < size:
        raise ValueError(f"x is (n, c, h, w) with h, w >= size >= 1, found {x.shape} and size {size}")
    down, across = x.shape[2] // size, x.shape[3] // size
    # All first entries of the tiles, all second ones, ...: whole arrays to compare, and no short axis to walk along.
    spans = [[slice(k, k + size * (n - 1) + 1, size) for k in range(size)] for n in (down, across)]
    places = [(..., rows, columns) for rows in spans[0] for columns in spans[1]]
    top = reduce(np.maximum, (x.data[place] for place in places))

    def shares() -> list[Array]:
        ties = [(x.data[place] == top).astype(x.dtype) for place in places]
        count = sum(ties)
        return [tie / count for tie in ties]

    def push(t: Array) -> Array:
        return cast(Array, sum(t[place] * share for place, share in zip(places, shares(), strict=True)))

    def pull(g: Array) -> Array:
        return lay_out(x.shape, places, *(g * share for share in shares()))

    return record("max_pool2d", top, Edge(x, push, pull))


def cross_entropy(logits: Tensor, labels: ArrayLike) -> Tensor:
    """Return the mean over examples of -log softmax(logits)[label], from (n, k) and integer (n,).

    Raises
    ------
    ValueError
        If shapes do not fit, there is no example, or a label is no class.

    Examples
    --------
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), [1]).item(), 6)  # log 2
    0.693147
    """
    names = _as_array(labels)
    if logits.ndim != 2 or not len(logits) or names.shape != logits.shape[:1] or names.dtype.kind not in "iu":
        raise ValueError(
            f"logits are (n, k) with n >= 1 and labels integers (n,), found {logits.shape} and {names.dtype} "
            f"{names.shape}"
        )
    if names.min() < 0 or names.max() >= logits.shape[1]:
        raise ValueError(f"labels lie in 0 ... {logits.shape[1] - 1}, found {names.min()} ... {names.max()}")
    return (logits.logsumexp(axis=1) - logits[np.arange(len(names)), names]).mean()


# Forward mode, and checks


def jvp(
    function: Callable[..., Tensor], inputs: Sequence[ArrayLike], tangents: Sequence[ArrayLike]
) -> tuple[Array, Array]:
    """Return the value of a function and its derivative along a direction, in one sweep and without a graph.

    Parameters
    ----------
    function : callable
        Takes as many tensors as there are inputs, returns one.
    inputs : sequence of array_like
        Where.
    tangents : sequence of array_like
        In which direction; shapes as the inputs.

    Returns
    -------
    value : ndarray
    derivative : ndarray
        The Jacobian times the direction (of the value's shape).

    Raises
    ------
    ValueError
        If the numbers or shapes of inputs and tangents differ, or an input is not of a floating dtype.

    Examples
    --------
    >>> jvp(lambda x: x * x, [3.0], [1.0])
    (array(9.), array(6.))
    """
    leaves = [Tensor(value) for value in inputs]
    directions = [_as_array(tangent) for tangent in tangents]
    if [leaf.shape for leaf in leaves] != [direction.shape for direction in directions]:
        raise ValueError(
            f"each input has a tangent of its shape, found inputs {[leaf.shape for leaf in leaves]} and tangents "
            f"{[direction.shape for direction in directions]}"
        )
    for leaf, direction in zip(leaves, directions, strict=True):
        if leaf.dtype.kind != "f":
            raise ValueError(f"derivatives need a floating dtype, found {leaf.dtype}: write 1.0 instead of 1")
        leaf.tangent = direction.astype(leaf.dtype)
    with no_grad():
        result = function(*leaves)
    return result.data, np.zeros_like(result.data) if result.tangent is None else result.tangent


def gradcheck(
    function: Callable[..., Tensor], *inputs: ArrayLike, step: float = 1e-6, atol: float = 1e-6, rtol: float = 1e-4
) -> bool:
    """Compare both modes with central differences, entry by entry; return True or say where they differ.

    Parameters
    ----------
    function : callable
        Takes as many tensors as there are inputs, returns one of any shape.
    inputs : array_like
        float64, and away from kinks by more than ``step``.
    step : float
        Half the distance of the two points of a difference.
    atol, rtol : float
        Each derivative may deviate by ``atol + rtol * |difference quotient|``.

    Raises
    ------
    ValueError
        If an input is not float64: in float32 the difference itself is off by about 1e-3.
    AssertionError
        With the input, the entry, and both numbers, if a derivative is wrong.

    Examples
    --------
    >>> gradcheck(lambda a, b: (a * b).tanh(), np.ones((2, 3)), np.arange(3.0))
    True
    """
    arrays = [np.array(value) for value in inputs]
    for place, array in enumerate(arrays):
        if array.dtype != np.float64:
            raise ValueError(f"differences need float64, found {array.dtype} in input {place}")
    weights = np.random.default_rng(0).normal(size=function(*map(Tensor, arrays)).shape)  # of the outputs' entries

    def value(changed: Sequence[Array]) -> float:
        with no_grad():
            return float((function(*map(Tensor, changed)).data * weights).sum())

    leaves = [Tensor(array, requires_grad=True) for array in arrays]
    result = function(*leaves)
    if result.requires_grad:
        result.backward(weights)
    for place, (array, leaf) in enumerate(zip(arrays, leaves, strict=True)):
        reverse = np.zeros_like(array) if leaf.grad is None else leaf.grad
        for entry in np.ndindex(array.shape):
            direction = [np.zeros_like(other) for other in arrays]
            direction[place][entry] = 1
            ahead, behind = (
                value([other + sign * step * d for other, d in zip(arrays, direction, strict=True)]) for sign in (1, -1)
            )
            expected = (ahead - behind) / (2 * step)
            forward = (jvp(function, arrays, direction)[1] * weights).sum()
            for mode, found in (("reverse", reverse[entry]), ("forward", forward)):
                if not abs(found - expected) <= atol + rtol * abs(expected):
                    raise AssertionError(
                        f"{mode} mode gives {found:.9g} for entry {entry} of input {place}, differences {expected:.9g}"
                    )
    return True


# Kinds of operations


def _entrywise(op: str, value: Array, *inputs: tuple[Tensor, Array | float]) -> Tensor:
    """Record an operation on entries: the derivative with respect to each input is a product with its slope."""

    def edge(parent: Tensor, slope: Array | float) -> Edge:
        return Edge(parent, lambda t: t * slope, lambda g: _sum_to(g * slope, parent.shape))

    return record(op, value, *(edge(parent, slope) for parent, slope in inputs))


def _reduction(
    op: str, x: Tensor, value: Array, slopes: Callable[[], Array] | None, axis: Axis, keepdims: bool
) -> Tensor:
    """Record a reduction: changes are summed with slopes (1 if None) that are computed when a derivative is asked for.

    ``value`` has kept the axes that were reduced, with length 1.
    """
    shape = value.shape if keepdims else value.sum(axis).shape

    def push(t: Array) -> Array:
        return (t if slopes is None else t * slopes()).sum(axis, keepdims=keepdims)

    def pull(g: Array) -> Array:
        g = g.reshape(value.shape)
        return np.broadcast_to(g, x.shape) if slopes is None else g * slopes()

    return record(op, value.reshape(shape), Edge(x, push, pull))


def _linear(op: str, x: Tensor, push: LinearMap, pull: LinearMap) -> Tensor:
    """Record a linear map, which is its own derivative."""
    return record(op, push(x.data), Edge(x, push, pull))


def _placed(part: Tensor, place: tuple[slice, ...], shape: tuple[int, ...]) -> Edge:
    """Return the edge of one part of a larger array."""

    def push(t: Array) -> Array:
        return scatter(t, shape, True, *place)

    return Edge(part, push, lambda g: g[place])


def _sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """Transpose broadcasting: what was copied along an axis is summed along it."""
    if g.shape == shape:
        return g
    new = g.ndim - len(shape)
    stretched = tuple(new + axis for axis, length in enumerate(shape) if length == 1 and g.shape[new + axis] != 1)
    return g.sum(tuple(range(new)) + stretched, keepdims=True).reshape(shape)


# The three functions that write into an array, each of them one operation for whoever watches


def _whole(function: Callable[..., Array]) -> Callable[..., Array]:
    """Offer the function to arrays of other kinds, by NumPy's protocol: they need not look inside."""

    @wraps(function)
    def offered(*arguments: Any) -> Array:
        for argument in arguments:
            if not isinstance(argument, np.ndarray) and hasattr(type(argument), "__array_function__"):
                return cast(Array, argument.__array_function__(offered, (type(argument),), arguments, {}))
        return function(*arguments)

    return offered


@_whole
def scatter(g: Array, shape: tuple[int, ...], once: bool, *index: Any) -> Array:
    """Lay entries where an index took them from; add them up, unless no entry was taken more than once."""
    full = np.zeros(shape, g.dtype)
    if once:
        full[index] = g
    else:
        np.add.at(full, index, g)
    return full


@_whole
def add_patches(windows: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Lay patches (n, c, height, width, down, across) where they overlap, and add them up."""
    height, width, down, across = windows.shape[2:]
    frame = np.zeros(shape, windows.dtype)
    for i in range(height):
        for j in range(width):  # each pixel adds up what all patches that hold it send back
            frame[:, :, i : i + stride * down : stride, j : j + stride * across : stride] += windows[:, :, i, j]
    return frame


@_whole
def lay_out(shape: tuple[int, ...], places: list[Any], *parts: Array) -> Array:
    """Lay each part in its place; the rest is zero."""
    full = np.zeros(shape, parts[0].dtype)
    for place, part in zip(places, parts, strict=True):
        full[place] = part
    return full


def _as_array(value: Any, dtype: Any = None) -> Array:
    """Make an array; one of another kind that speaks NumPy's protocol, as a trace's, is kept as it is."""
    if type(value) is np.ndarray and dtype is None:
        return cast(Array, value)
    if isinstance(value, np.ndarray | np.generic) or not hasattr(type(value), "__array_function__"):
        return np.asarray(value, dtype)
    return cast(Array, value if dtype is None else value.astype(dtype))


def _tensor(value: Tensor | ArrayLike) -> Tensor:
    return value if isinstance(value, Tensor) else Tensor(value)


def _constant(value: "Tensor | ArrayLike", like: Tensor) -> Tensor:
    """Make a tensor of an operand; a Python number takes the dtype of its partner and does not widen it."""
    if isinstance(value, Tensor):
        return value
    dtype = like.dtype if isinstance(value, int | float) and like.dtype.kind == "f" else None
    return Tensor(_as_array(value, dtype))


def _array(part: _T) -> _T | Array:
    return part.data if isinstance(part, Tensor) else part
