"""Regression that is linear in its parameters: least squares, ridge, the posterior, and leaving one example out.

Least squares, Legendre (1805); as the most probable values under a Gaussian, Gauss (1809); ridge, Hoerl and Kennard
(1970).  The lecture's θ → ``weight``, h(x) → ``features @ weight``, σ → ``noise``, the standard deviation of
the prior, which the lecture sets to 1, → ``prior``, γ → ``strength`` = noise² / prior².

Axes: n examples, p features.  Coefficients of a polynomial are in ascending order: ``weight[k]`` belongs to x**k, as in
``numpy.polynomial`` and against the order of ``numpy.polyfit``.  Everything is computed in float64.
"""

import warnings
from collections.abc import Callable
from operator import index
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes

__all__ = [
    "Fields",
    "Posterior",
    "fit_polynomial",
    "grid_posterior",
    "leave_one_out",
    "posterior",
    "posterior_fields",
    "powers",
    "ridge",
    "ten_points",
]

Floats = NDArray[np.float64]

_X = (0.86, 0.09, -0.85, 0.87, -0.44, -0.43, -1.10, 0.40, -0.96, 0.17)
_Y = (2.49, 0.83, -0.25, 3.10, 0.87, 0.02, -0.12, 1.81, -0.83, 0.43)


class Posterior(NamedTuple):
    """A Gaussian over weights."""

    mean: Floats  # (p,) also its mode: the MAP estimate
    covariance: Floats  # (p, p)


class Fields(NamedTuple):
    """The two gradients that add up to that of the negative log-posterior."""

    likelihood: Floats  # (..., p) gradient of -log p(data | weight)
    prior: Floats  # (..., p) gradient of -log p(weight)


def ten_points() -> tuple[Floats, Floats]:
    """Return the ten points ``x`` (10,), ``y`` (10,) that the lecture fits, in new arrays.

    Examples
    --------
    >>> x, y = ten_points()
    >>> float(x[0]), float(y[0])
    (0.86, 2.49)
    """
    return np.array(_X), np.array(_Y)


def powers(x: ArrayLike, degree: int) -> Floats:
    """Return the features 1, x, x², ..., x**degree of numbers ``x`` (n,), as a table (n, degree + 1).

    Examples
    --------
    >>> powers([2.0, 3.0], 2)
    array([[1., 2., 4.],
           [1., 3., 9.]])
    """
    return np.vander(_vector("x", x), _degree(degree) + 1, increasing=True)


def fit_polynomial(x: ArrayLike, y: ArrayLike, degree: int) -> Floats:
    """Fit the polynomial of given degree with the least sum of squared errors: the most likely one under a Gaussian.

    Parameters
    ----------
    x, y : (n,)
    degree : int

    Returns
    -------
    weight : (degree + 1,)
        Ascending: ``powers(x, degree) @ weight`` predicts.

    Raises
    ------
    ValueError
        If ``x`` has fewer than ``degree + 1`` distinct values (many polynomials then fit equally well), or is empty,
        not finite, or of another length than ``y``.

    Notes
    -----
    Where the powers of ``x`` are alike up to rounding (years, say: 2000 to 2005), no weights in these powers can be
    right; a warning says so.

    The columns are scaled to length one before the singular value decomposition, as ``numpy.polyfit`` does: the powers
    of small numbers are tiny, and without it they would be taken for rounding.

    Examples
    --------
    >>> fit_polynomial([0.0, 1.0, 2.0], [1.0, 3.0, 5.0], 1).round(12)
    array([1., 2.])
    """
    features, y = _table(powers(x, degree), y)
    distinct = len(np.unique(features[:, 1])) if features.shape[1] > 1 else 1
    if distinct < features.shape[1]:
        raise ValueError(
            f"degree {features.shape[1] - 1} needs {features.shape[1]} distinct values of x, found {distinct}: "
            f"ridge(powers(x, {features.shape[1] - 1}), y, strength=...) chooses one of the many that fit"
        )
    length = np.linalg.norm(features, axis=0)
    weight, _, rank, _ = np.linalg.lstsq(features / length, y, rcond=None)
    if rank < features.shape[1]:
        warnings.warn(
            f"up to rounding the powers of these x are not independent (rank {rank} of {features.shape[1]}): fit in "
            f"(x - mean) / deviation instead",
            stacklevel=2,
        )
    return np.asarray(weight / length)


def ridge(features: ArrayLike, y: ArrayLike, *, strength: float) -> Floats:
    """Minimize ``‖features @ weight - y‖² + strength * ‖weight‖²``: Hoerl and Kennard (1970).

    The MAP estimate under Gaussian noise of standard deviation σ and the prior N(0, τ²) on every weight, if
    ``strength`` is σ²/τ². All weights are penalized, that of a constant column too.

    Parameters
    ----------
    features : (n, p)
    y : (n,) or (n, k)
        A column of weights for each of its ``k`` columns.
    strength : float
        At least 0. At 0 the limit is returned: of all weights that fit best, the shortest.

    Returns
    -------
    weight : (p,) or (p, k)

    Notes
    -----
    With the singular value decomposition U S Vᵀ of the features the solution is V diag(s / (s² + strength)) Uᵀ y. The
    features are never squared, so half the digits are not lost as they are with the normal equations.

    Examples
    --------
    >>> ridge([[2.0]], [3.0], strength=2.0)  # 2 * 3 / (2² + 2)
    array([1.])
    >>> ridge([[3.0, 4.0]], [25.0], strength=0.0).round(12)  # one equation, two weights: the shortest solution
    array([3., 4.])
    """
    features, y = _table(features, y, columns=True)
    u, s, vt = np.linalg.svd(features, full_matrices=False)
    kept = s > max(features.shape) * np.finfo(np.float64).eps * s.max(initial=0)
    gain = np.zeros_like(s)
    gain[kept] = 1 / (s[kept] + _at_least_zero("strength", strength) / s[kept])  # s / (s² + strength), not overflowing
    return np.asarray(vt.T @ ((u.T @ y).T * gain).T)


def leave_one_out(features: ArrayLike, y: ArrayLike, *, strength: float = 0.0) -> Floats:
    """Return the error (n,) on each example of the fit to all the others, from one fit: residual / (1 - leverage).

    The leverage is the diagonal of the matrix that makes predictions out of ``y``. The sum of squares of these errors
    is Allen's PRESS, which Golub, Heath and Wahba (1979) start from.

    Parameters
    ----------
    features : (n, p)
    y : (n,)
    strength : float
        As in :func:`ridge`.

    Raises
    ------
    ValueError
        If a leverage is 1, so that without its example the fit is not decided; and as :func:`ridge`.

    Examples
    --------
    >>> leave_one_out([[1.0], [1.0]], [0.0, 2.0])  # the mean of the other one
    array([-2.,  2.])
    """
    features, y = _table(features, y)
    strength = _at_least_zero("strength", strength)
    u, s, _ = np.linalg.svd(features, full_matrices=False)
    kept = s > max(features.shape) * np.finfo(np.float64).eps * s.max(initial=0)
    shrink = np.where(kept, s**2, 0) / np.where(kept, s**2 + strength, 1)
    left = 1 - np.einsum("np,p,np->n", u, shrink, u)
    if left.min() < 1e-9:
        raise ValueError(f"leverage 1 in row {int(left.argmin())}: without it the other rows do not decide the fit")
    return (y - u @ (shrink * (u.T @ y))) / left


def posterior(features: ArrayLike, y: ArrayLike, *, noise: float, prior: float) -> Posterior:
    """Return the posterior of the weights in closed form, by Bayes' rule for two Gaussians.

    Parameters
    ----------
    features : (n, p)
    y : (n,)
        ``features @ weight`` plus Gaussian noise.
    noise : float
        Its standard deviation σ, in the units of ``y``.
    prior : float
        Standard deviation τ of every weight before any example was seen; the mean is 0.

    Examples
    --------
    >>> posterior([[1.0]], [2.0], noise=1.0, prior=1.0)
    Posterior(mean=array([1.]), covariance=array([[0.5]]))
    """
    features, y = _table(features, y)
    noise, prior = _positive("noise", noise), _positive("prior", prior)
    precision = features.T @ features / noise**2 + np.eye(features.shape[1]) / prior**2
    covariance = np.linalg.inv(precision)
    covariance = (covariance + covariance.T) / 2
    return Posterior(ridge(features, y, strength=(noise / prior) ** 2), covariance)


def posterior_fields(weight: ArrayLike, features: ArrayLike, y: ArrayLike, *, noise: float, prior: float) -> Fields:
    """Return the gradients, at ``weight`` (..., p), of the negative log-likelihood and the negative log-prior.

    Their sum is the gradient of the negative log-posterior; it is zero at ``posterior(...).mean``.

    Examples
    --------
    >>> posterior_fields([3.0], [[1.0]], [2.0], noise=1.0, prior=1.0)
    Fields(likelihood=array([1.]), prior=array([3.]))
    """
    features, y = _table(features, y)
    noise, prior = _positive("noise", noise), _positive("prior", prior)
    weight = np.asarray(weight, dtype=np.float64)
    if weight.ndim == 0 or weight.shape[-1] != features.shape[1] or not np.isfinite(weight).all():
        raise ValueError(f"weight is finite, (..., {features.shape[1]}) as the features are, found {weight.shape}")
    error = weight @ features.T - y
    return Fields(error @ features / noise**2, weight / prior**2)


def grid_posterior(log_joint: Callable[[Floats], ArrayLike], *axes: ArrayLike) -> Floats:
    """Return a density on a grid, from the logarithm of prior times likelihood: Bayes' rule by brute force.

    Parameters
    ----------
    log_joint : callable
        Takes points (..., p), returns (...), up to a constant; ``-inf`` where the density is zero.
    *axes : (m_1,), ..., (m_p,)
        Evenly spaced, ascending values of each parameter.

    Returns
    -------
    density : (m_1, ..., m_p)
        Its sum times the area of a cell is one. It knows nothing of what lies outside of the grid.

    Examples
    --------
    >>> bias = np.linspace(0, 1, 101)[1:-1]
    >>> density = grid_posterior(lambda t: 7 * np.log(t[..., 0]) + 3 * np.log(1 - t[..., 0]), bias)
    >>> float(bias[density.argmax()].round(2))  # seven heads, three tails, flat prior
    0.7
    """
    values = [_vector("an axis", axis) for axis in axes]
    for axis in values:
        gaps = np.diff(axis)
        if len(gaps) == 0 or gaps.min() <= 0 or not np.allclose(gaps, gaps[0], rtol=1e-6, atol=0):
            raise ValueError(f"an axis is evenly spaced and ascending, at least two values, found {axis}")
    if not values:
        raise ValueError("a grid has at least one axis, found none")
    grid = np.stack(np.meshgrid(*values, indexing="ij"), axis=-1)
    log = np.asarray(log_joint(grid), dtype=np.float64)
    if log.shape != grid.shape[:-1]:
        raise ValueError(f"log_joint of points {grid.shape} has shape {grid.shape[:-1]}, found {log.shape}")
    if np.isnan(log).any() or not np.isfinite(log.max()):
        raise ValueError(f"log_joint is finite or -inf, and finite somewhere, found a maximum of {log.max()}")
    density = np.exp(log - log.max())  # the largest is 1: a product of a thousand likelihoods would be 0
    cell = np.prod([axis[1] - axis[0] for axis in values])
    return np.asarray(density / (density.sum() * cell))


def _vector(name: str, x: ArrayLike) -> Floats:
    x = np.asarray(x, dtype=np.float64)
    if x.ndim != 1 or len(x) == 0 or not np.isfinite(x).all():
        raise ValueError(f"{name} is a list of finite numbers (n,), found shape {x.shape}")
    return x


def _table(features: ArrayLike, y: ArrayLike, *, columns: bool = False) -> tuple[Floats, Floats]:
    features, y = np.asarray(features, dtype=np.float64), np.asarray(y, dtype=np.float64)
    axes("features", features, "n p", least=1)
    if y.ndim not in ((1, 2) if columns else (1,)) or len(y) != len(features):
        raise ValueError(f"y has one entry for each of {len(features)} rows, found shape {y.shape}")
    for name, array in (("features", features), ("y", y)):
        if not np.isfinite(array).all():
            raise ValueError(f"{name} is finite, found {array[~np.isfinite(array)][0]}")
    return features, y


def _degree(degree: int) -> int:
    try:
        value = index(degree)
    except TypeError:
        value = -1
    if value < 0:
        raise ValueError(f"degree is an integer of at least 0, found {degree!r}")
    return value


def _at_least_zero(name: str, value: float) -> float:
    if not 0 <= value < np.inf:
        raise ValueError(f"{name} is a finite number of at least 0, found {value!r}")
    return float(value)


def _positive(name: str, value: float) -> float:
    if not 0 < value < np.inf:
        raise ValueError(f"{name} is a standard deviation, finite and greater than 0, found {value!r}")
    return float(value)
