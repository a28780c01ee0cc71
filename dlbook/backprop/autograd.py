"""Automatic differentiation over NumPy arrays, by reverse and by forward mode.

Near a point every operation is a linear map, its Jacobian.  The result of an operation keeps two functions for each
input: `push` multiplies a change of the input by the Jacobian (the Jacobian-vector product), `pull` multiplies a
gradient at the output by the Jacobian's transpose (the vector-Jacobian product).  Forward mode composes pushes while
the values are computed; reverse mode composes pulls afterwards, from the last operation to the first.

The engine is here: an `Edge`, `record`, a `Tensor` and its `backward`.  What each operation computes, with its
derivatives, stands in `operations`; what networks are made of in `layers`; forward mode and the check by differences in
`gradcheck`.

Sources: Linnainmaa (1976), "Taylor expansion of the accumulated rounding error", for reverse mode; Wengert (1964), "A
simple automatic derivative evaluation program", for forward mode; Griewank and Walther (2008), Evaluating Derivatives.
The conventions of names and of broadcasting are those of torch and NumPy.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop import operations
from dlbook.backprop.arrays import as_array
from dlbook.backprop.gradcheck import gradcheck, jvp

__all__ = ["Edge", "Tensor", "gradcheck", "jvp", "no_grad", "record", "topological_order"]

Array = NDArray[Any]
LinearMap = Callable[[Array], Array]

_recording: ContextVar[bool] = ContextVar("recording", default=True)


class Edge(NamedTuple):
    """One input of an operation: where it came from, and the derivative with respect to it."""

    parent: "Tensor"
    push: LinearMap  # Jacobian-vector product: a change of the input -> one of the output, or what broadcasts to it
    pull: LinearMap  # vector-Jacobian product: a gradient at the output -> one at the input


def record(op: str, value: ArrayLike, *edges: Edge) -> "Tensor":
    """Return the result of an operation, which remembers its inputs that require a gradient.

    An operation of your own is made by this function: it takes what the operation gives, and for each input the
    derivative as a linear map and its transpose.  :func:`gradcheck` tells if they are right.

    Parameters
    ----------
    op : str
        Its name, for pictures.
    value : array_like
        What it gives.
    *edges : Edge
        One an input.

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
        out.writes_before = sum([edge.parent.writes for edge in out.edges])
    for parent, push, _ in edges:
        if parent.tangent is not None:  # forward mode
            part = push(parent.tangent)
            out.tangent = np.broadcast_to(part, out.shape) if out.tangent is None else as_array(out.tangent + part)
    return out


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
        ``x.data -= step`` writes in place; a graph that was made from ``x`` before then refuses :meth:`backward`.  A
        write that goes past the tensor, ``x.data[:] = 0``, is not noticed, and gives a wrong gradient.
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
    writes, writes_before : int
        How often ``data`` was written into, and how often what it was computed from had been, at that time.

    Examples
    --------
    >>> x = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    array([2., 4., 6.])
    """

    __slots__ = ("_data", "edges", "grad", "op", "requires_grad", "tangent", "writes", "writes_before")
    __array_ufunc__ = None  # array + Tensor is left to Tensor.__radd__

    def __init__(self, data: ArrayLike, requires_grad: bool = False) -> None:
        if isinstance(data, Tensor):
            raise ValueError("found a Tensor where data was expected: detach() makes a new leaf of it")
        array = data if type(data) is np.ndarray else as_array(data)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"data is an array of real numbers, found dtype {array.dtype}")
        if requires_grad and array.dtype.kind != "f":
            raise ValueError(f"gradients need a floating dtype, found {array.dtype}: write 1.0 instead of 1")
        self._data: Array = array
        self.grad: Array | None = None
        self.requires_grad = requires_grad
        self.tangent: Array | None = None
        self.edges: tuple[Edge, ...] | None = ()
        self.op = "leaf"
        self.writes = self.writes_before = 0  # in place: into this array, and into its inputs' before it was computed

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
            If a part of the graph has been used up, or an array that it was computed from was written into since.

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
        seed = np.ones_like(self.data) if gradient is None else as_array(gradient, self.dtype)
        if seed.shape != self.shape:
            raise ValueError(f"gradient has the shape of the tensor, {self.shape}, found {seed.shape}")
        order = topological_order(self)
        for node in order:
            if node.edges is None:
                raise RuntimeError("a part of this graph was used up by a backward(): pass it retain_graph=True")
            if node.edges and node.writes + sum([edge.parent.writes for edge in node.edges]) != node.writes_before:
                raise RuntimeError(f"an array was written into after {node.op!r} had used it: call backward() before")
        gradients = {id(self): seed}
        for node in reversed(order):  # consumers first, so that the gradient of a node is complete when its turn comes
            g = gradients.pop(id(node))
            if node.edges == ():
                node.grad = as_array(g).astype(node.dtype) if node.grad is None else as_array(node.grad + g, node.dtype)
            for parent, _, pull in node.edges or ():
                part, key = pull(g), id(parent)
                gradients[key] = gradients[key] + part if key in gradients else part
            if node.edges and not retain_graph:
                node.edges = None

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None

    def detach(self) -> "Tensor":
        """Return a leaf with the same data, not a copy, that is constant for differentiation."""
        return Tensor(self.data)

    # What it is

    @property
    def data(self) -> Array:
        """The array."""
        return self._data

    @data.setter
    def data(self, array: Array) -> None:
        self.writes += array is self._data  # x.data -= step writes into the array, and then assigns that same array
        self._data = array

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """Number of entries."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the entries."""
        return self._data.dtype

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator["Tensor"]:
        return (self[row] for row in range(len(self)))

    def __repr__(self) -> str:
        numbers = np.array2string(self.data, separator=", ", prefix="Tensor(")
        if self.edges != ():
            return f"Tensor({numbers}, op={self.op})"
        return f"Tensor({numbers}, requires_grad=True)" if self.requires_grad else f"Tensor({numbers})"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise RuntimeError(
                "an array would forget how this tensor was computed, and it requires a gradient: detach()"
            )
        return np.array(self.data, dtype) if copy else np.asarray(self.data, dtype)

    def item(self) -> float:
        """Return the only entry as a Python number; ValueError from NumPy if there are several."""
        return cast(float, self.data.item())

    # What can be computed with it: operations.py has what each of these does, with its derivatives

    __add__ = __radd__ = operations.add
    __sub__, __rsub__ = operations.subtract, operations.subtract_from
    __mul__ = __rmul__ = operations.multiply
    __truediv__, __rtruediv__ = operations.divide, operations.divide_into
    __matmul__, __rmatmul__ = operations.matmul, operations.matmul_from_left
    __pow__, __rpow__ = operations.power, operations.power_of
    __neg__ = operations.negative
    __getitem__ = operations.index

    exp, log, sqrt = operations.exp, operations.log, operations.sqrt
    tanh, sigmoid, relu, abs = operations.tanh, operations.sigmoid, operations.relu, operations.absolute
    sum, mean, max = operations.reduce_sum, operations.reduce_mean, operations.reduce_max
    logsumexp = operations.logsumexp
    reshape, transpose = operations.reshape, operations.transpose
    T = property(operations.transpose)


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
