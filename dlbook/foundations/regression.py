"""Curves through points: least squares, and what a prior adds to it.

The lecture's γ‖θ‖² + Σ (h(x_i) - y_i)² (S4:73-76), whose γ is σ²/τ² for noise of variance σ² and a prior N(0, τ²) on
each parameter.  Least squares is γ = 0.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook.checks import finite_table

Floats = NDArray[np.float64]


class Posterior(NamedTuple):
    """A normal distribution over parameters."""

    mean: Floats  # (d,)
    covariance: Floats  # (d, d)


def powers(x: ArrayLike, degree: int) -> Floats:
    """Return 1, x, x², ... of each number: (n,) → (n, degree + 1).

    Raises
    ------
    ValueError
        If x is no vector of finite numbers, or the degree is negative.

    Examples
    --------
    >>> powers([2.0, 3.0], 2)
    array([[1., 2., 4.],
           [1., 3., 9.]])
    """
    if not isinstance(degree, int | np.integer) or degree < 0:
        raise ValueError(f"the degree is an integer of at least 0, found {degree!r}")
    return np.vander(_column("x", x), degree + 1, increasing=True)


def fit_polynomial(x: ArrayLike, y: ArrayLike, degree: int) -> Floats:
    """Return the polynomial of least squares through points, lowest power first.

    Parameters
    ----------
    x, y : (n,)
    degree : int
        Less than n: with n coefficients the curve goes through all points, with more it is not determined.

    Returns
    -------
    coefficients : (degree + 1,)

    Raises
    ------
    ValueError
        If shapes differ, a number is not finite, or the x do not determine the curve.

    Examples
    --------
    >>> fit_polynomial([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(6)
    array([1., 2.])
    """
    table, y = powers(x, degree), _column("y", y)
    if len(table) != len(y):
        raise ValueError(f"x and y have one length, found {len(table)} and {len(y)}")
    different = len(np.unique(table[:, 1])) if degree else len(y)
    if degree >= max(different, 1):
        raise ValueError(f"{different} different x determine at most degree {different - 1}, found degree {degree}")
    # columns of very different lengths would cost digits
    scale = np.sqrt((table**2).sum(axis=0))
    coefficients: Floats = np.linalg.lstsq(table / scale, y, rcond=None)[0] / scale
    return coefficients


def ridge(x: ArrayLike, y: ArrayLike, penalty: float) -> Floats:
    """Return the weights with the least penalty·‖w‖² + ‖x w - y‖².

    Parameters
    ----------
    x : (n, d)
    y : (n,) or (n, k)
    penalty : float
        The lecture's γ, at least 0.  At 0 it is the solution of least squares, the shortest one if there are many.

    Returns
    -------
    weights : (d,) or (d, k)

    Raises
    ------
    ValueError
        If shapes do not fit, a number is not finite, or the penalty is negative.

    Examples
    --------
    >>> ridge([[1.0], [1.0]], [2.0, 4.0], 0.0), ridge([[1.0], [1.0]], [2.0, 4.0], 1.0)
    (array([3.]), array([2.]))
    """
    x, y = finite_table("x", x), np.asarray(y, dtype=np.float64)
    if y.ndim not in (1, 2) or len(y) != len(x) or not np.isfinite(y).all():
        raise ValueError(f"y is finite, ({len(x)},) or ({len(x)}, k), found shape {y.shape}")
    if not (np.isfinite(penalty) and penalty >= 0):
        raise ValueError(f"penalty is finite and at least 0, found {penalty}")
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    kept = sizes > sizes[0] * max(x.shape) * np.finfo(float).eps  # others are rounding, and would be divided by
    shrunk = np.zeros_like(sizes)
    shrunk[kept] = sizes[kept] / (sizes[kept] ** 2 + penalty)
    return right.T @ ((shrunk * (left.T @ y).T).T)


def posterior(x: ArrayLike, y: ArrayLike, *, noise: float, prior: float) -> Posterior:
    """Return what is known of the weights of y = x w + noise after seeing the data, if all is normal.

    Parameters
    ----------
    x : (n, d)
    y : (n,)
    noise : float
        Standard deviation σ of the noise.
    prior : float
        Standard deviation τ of each weight before.

    Returns
    -------
    Posterior
        Its mean is ``ridge(x, y, (noise / prior) ** 2)``, mode and mean in one.

    Raises
    ------
    ValueError
        As :func:`ridge`, or if a standard deviation is not positive.

    Examples
    --------
    >>> posterior([[1.0]], [2.0], noise=1.0, prior=1.0)  # halfway between 0 and 2
    Posterior(mean=array([1.]), covariance=array([[0.5]]))
    """
    for name, value in (("noise", noise), ("prior", prior)):
        if not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name} is a positive standard deviation, found {value}")
    x = finite_table("x", x)
    if np.ndim(y) != 1:
        raise ValueError(f"y is ({len(x)},), found shape {np.shape(y)}")
    mean = ridge(x, y, (noise / prior) ** 2)
    precision: NDArray[Any] = x.T @ x / noise**2 + np.eye(x.shape[1]) / prior**2
    return Posterior(mean, np.linalg.inv(precision))


def _column(name: str, values: ArrayLike) -> Floats:
    column = np.asarray(values)
    if column.ndim != 1 or not len(column) or column.dtype.kind not in "biuf" or not np.isfinite(column).all():
        raise ValueError(f"{name} is a vector of finite numbers (n,), found shape {column.shape} of {column.dtype}")
    return column.astype(np.float64)
