"""Forward mode, and the check of both modes by differences.

Forward mode is Wengert (1964): every value carries its derivative along one direction, which each operation pushes on.
A derivative that a program claims is compared with (f(x + h) - f(x - h)) / 2h, which knows nothing of the program.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.backprop.arrays import as_array

if TYPE_CHECKING:
    from dlbook.backprop.autograd import Tensor

__all__ = ["gradcheck", "jvp"]

Array = NDArray[Any]


def jvp(
    function: "Callable[..., Tensor]", inputs: Sequence[ArrayLike], tangents: Sequence[ArrayLike]
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

    Examples
    --------
    >>> jvp(lambda x: x * x, [3.0], [1.0])
    (array(9.), array(6.))
    """
    leaves = [autograd.Tensor(value) for value in inputs]
    directions = [as_array(tangent) for tangent in tangents]
    if [leaf.shape for leaf in leaves] != [direction.shape for direction in directions]:
        raise ValueError(
            f"each input has a tangent of its shape, found inputs {[leaf.shape for leaf in leaves]} and tangents "
            f"{[direction.shape for direction in directions]}"
        )
    for leaf, direction in zip(leaves, directions, strict=True):
        if leaf.dtype.kind != "f":
            raise ValueError(f"derivatives need a floating dtype, found {leaf.dtype}: write 1.0 instead of 1")
        leaf.tangent = direction.astype(leaf.dtype)
    with autograd.no_grad():
        result = function(*leaves)
    return result.data, np.zeros_like(result.data) if result.tangent is None else result.tangent


def gradcheck(
    function: "Callable[..., Tensor]", *inputs: ArrayLike, step: float = 1e-6, atol: float = 1e-6, rtol: float = 1e-4
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
    shape = function(*map(autograd.Tensor, arrays)).shape
    weights = np.random.default_rng(0).normal(size=shape)  # of the outputs' entries, to make one number of them

    def value(changed: Sequence[Array]) -> float:
        with autograd.no_grad():
            return float((function(*map(autograd.Tensor, changed)).data * weights).sum())

    leaves = [autograd.Tensor(array, requires_grad=True) for array in arrays]
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


from dlbook.backprop import autograd  # noqa: E402 - last, because autograd offers the functions above as its own
