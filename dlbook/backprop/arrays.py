"""The transposes of copying and of picking, over arrays: what a gradient undergoes on its way back.

To copy an entry to many places is a linear map, and its transpose adds up what comes back from them; to pick entries is
one too, and its transpose lays them where they were picked, into zeros.  These functions write into an array, entry by
entry.  An array of another kind (that of `dlbook.backprop.tracing`) is offered each as one operation, by the protocol
of NEP 18, and need not look inside.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["add_patches", "as_array", "lay_out", "scatter", "sum_to"]

Array = NDArray[Any]


def as_array(value: Any, dtype: Any = None) -> Array:
    """Make an array; one of another kind that speaks NumPy's protocol is kept as it is."""
    if type(value) is np.ndarray and dtype is None:
        return cast(Array, value)
    if isinstance(value, np.ndarray | np.generic) or not hasattr(type(value), "__array_function__"):
        return np.asarray(value, dtype)
    return cast(Array, value if dtype is None else value.astype(dtype))


def sum_to(g: Array, shape: tuple[int, ...]) -> Array:
    """Transpose broadcasting: what was copied along an axis is summed along it.

    Examples
    --------
    >>> sum_to(np.ones((3, 5)), (5,))
    array([3., 3., 3., 3., 3.])
    """
    if g.shape == shape:
        return g
    new = g.ndim - len(shape)
    stretched = tuple(new + axis for axis, length in enumerate(shape) if length == 1 and g.shape[new + axis] != 1)
    return g.sum(tuple(range(new)) + stretched, keepdims=True).reshape(shape)


def _one_operation(function: Callable[..., Array]) -> Callable[..., Array]:
    @wraps(function)
    def offered(*arguments: Any) -> Array:
        for argument in arguments:
            if not isinstance(argument, np.ndarray) and hasattr(type(argument), "__array_function__"):
                return cast(Array, argument.__array_function__(offered, (type(argument),), arguments, {}))
        return function(*arguments)

    return offered


@_one_operation
def scatter(g: Array, shape: tuple[int, ...], once: bool, *index: Any) -> Array:
    """Transpose indexing: lay entries where they were taken from, and add them up, unless each was taken at most once.

    Examples
    --------
    >>> scatter(np.array([1.0, 10.0, 100.0]), (3,), False, [2, 0, 2])  # entry 2 was taken twice
    array([ 10.,   0., 101.])
    """
    full = np.zeros(shape, g.dtype)
    if once:
        full[index] = g
    else:
        np.add.at(full, index, g)
    return full


@_one_operation
def add_patches(windows: Array, shape: tuple[int, ...], stride: int) -> Array:
    """Transpose cutting out patches: lay patches (n, c, height, width, down, across) where they overlap, and add up."""
    height, width, down, across = windows.shape[2:]
    frame = np.zeros(shape, windows.dtype)
    for i in range(height):
        for j in range(width):  # each pixel adds up what all patches that hold it send back
            frame[:, :, i : i + stride * down : stride, j : j + stride * across : stride] += windows[:, :, i, j]
    return frame


@_one_operation
def lay_out(shape: tuple[int, ...], places: list[Any], *parts: Array) -> Array:
    """Lay each part in its place; the rest is zero."""
    full = np.zeros(shape, parts[0].dtype)
    for place, part in zip(places, parts, strict=True):
        full[place] = part
    return full
