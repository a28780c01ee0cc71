"""Small planar problems drawn on the spot, as NumPy arrays with labels -1 and +1 (blobs: 0, 1, 2, ...)."""

import numpy as np
from numpy.typing import NDArray

from dlbook._checks import axes

__all__ = ["PROBLEMS", "blobs", "playground", "rings", "two_moons", "xor"]

Points = tuple[NDArray[np.float64], NDArray[np.int64]]
PROBLEMS = ("circle", "xor", "gauss", "spiral")  # of the Playground


def _check(n: int, noise: float) -> None:
    if n < 1:
        raise ValueError(f"n is the number of points, at least 1, found {n}")
    if not noise >= 0:
        raise ValueError(f"noise is a standard deviation, at least 0, found {noise}")


def xor(n: int = 4, *, noise: float = 0.0, rng: np.random.Generator | None = None) -> Points:
    """Return the exclusive or: corners of the unit square, +1 where the coordinates differ.

    Parameters
    ----------
    n : int
        Number of points; the corners (0,0), (0,1), (1,0), (1,1) take turns.
    noise : float
        Standard deviation of a Gaussian added to each coordinate; needs ``rng`` if positive.
    rng : numpy.random.Generator, optional

    Returns
    -------
    x : float64 (n, 2)
    y : int64 (n,)
        -1 or +1, by the corner and not by the noise.

    Examples
    --------
    >>> x, y = xor()
    >>> y
    array([-1,  1,  1, -1])
    """
    _check(n, noise)
    if noise > 0 and rng is None:
        raise ValueError(f"noise={noise} is drawn from a generator: pass rng=np.random.default_rng(seed)")
    corner = np.arange(n) % 4
    x = np.stack([corner // 2, corner % 2], axis=1).astype(float)
    y = np.where(corner // 2 == corner % 2, -1, 1)
    return (x if rng is None else x + noise * rng.standard_normal((n, 2))), y


def two_moons(n: int = 200, *, noise: float = 0.1, rng: np.random.Generator) -> Points:
    """Return two interleaved half circles of radius 1: +1 above, -1 below and shifted by (1, 0.5).

    Parameters
    ----------
    n : int
        Number of points, the classes alternating.
    noise : float
        Standard deviation of a Gaussian added to each coordinate.
    rng : numpy.random.Generator

    Returns
    -------
    x : float64 (n, 2)
    y : int64 (n,)
    """
    _check(n, noise)
    y = np.where(np.arange(n) % 2 == 0, 1, -1)
    angle = rng.uniform(0, np.pi, n)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.where(y[:, None] == 1, upper, [1.0, 0.5] - upper)
    return x + noise * rng.standard_normal((n, 2)), y


def rings(
    n: int = 200, *, radii: tuple[float, float] = (1.0, 2.0), noise: float = 0.1, rng: np.random.Generator
) -> Points:
    """Return two concentric rings: +1 on the inner, -1 on the outer.

    Parameters
    ----------
    n : int
        Number of points, the classes alternating.
    radii : (float, float)
        Of the ring of class +1 and of class -1.
    noise : float
        Standard deviation of a Gaussian added to each radius.
    rng : numpy.random.Generator

    Returns
    -------
    x : float64 (n, 2)
    y : int64 (n,)
    """
    _check(n, noise)
    if min(radii) <= 0:
        raise ValueError(f"radii are positive lengths, found {radii}")
    y = np.where(np.arange(n) % 2 == 0, 1, -1)
    radius = np.where(y == 1, *radii) + noise * rng.standard_normal(n)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1), y


def blobs(n: int = 200, *, centers: NDArray[np.float64], noise: float = 1.0, rng: np.random.Generator) -> Points:
    """Return isotropic Gaussian clouds.

    Parameters
    ----------
    n : int
        Number of points, the clouds taking turns.
    centers : float (k, d)
    noise : float
        Standard deviation of each coordinate about its center.
    rng : numpy.random.Generator

    Returns
    -------
    x : float64 (n, d)
    y : int64 (n,)
        Index of the center, 0 to k - 1. For two classes -1 and +1 take ``2 * y - 1``.

    Examples
    --------
    >>> x, y = blobs(6, centers=[[0, 0], [9, 9]], rng=np.random.default_rng(0))
    >>> y
    array([0, 1, 0, 1, 0, 1])
    """
    _check(n, noise)
    centers = np.asarray(centers, dtype=float)
    axes("centers", centers, "k d", least=1)
    y = np.arange(n) % len(centers)
    return centers[y] + noise * rng.standard_normal((n, centers.shape[1])), y


def playground(problem: str, n: int = 500, *, noise: float = 0.0, rng: np.random.Generator) -> Points:
    """Return one of the Playground's four sets, in the square from -6 to 6, after Smilkov et al. (2017).

    Every point takes four uniform numbers and nothing else, so that the page draws the same ones in its own language.

    Parameters
    ----------
    problem : {"circle", "xor", "gauss", "spiral"}
        +1 in a disk of radius 2.5 and -1 in the ring from 3.5 to 5; +1 where the signs of the coordinates agree; +1
        about (2, 2) and -1 about (-2, -2), with standard deviation 1; two arms that wind 1.75 times around each other.
    n : int
        Number of points, the classes alternating.
    noise : float
        Standard deviation of a Gaussian added to each coordinate after the label was given.
    rng : numpy.random.Generator

    Returns
    -------
    x : float64 (n, 2)
    y : int64 (n,)
        -1 or +1.

    Examples
    --------
    >>> x, y = playground("circle", 4, rng=np.random.default_rng(0))
    >>> y, np.hypot(*x.T) < 3
    (array([ 1, -1,  1, -1]), array([ True, False,  True, False]))
    """
    _check(n, noise)
    if problem not in PROBLEMS:
        raise ValueError(f"problem is one of {', '.join(PROBLEMS)}, found {problem!r}")
    y = np.where(np.arange(n) % 2 == 0, 1, -1)
    u, v, *displaced = rng.random((n, 4)).T
    if problem == "circle":
        inner, outer = np.where(y == 1, 0.0, 3.5), np.where(y == 1, 2.5, 5.0)
        x = _polar(np.sqrt(inner**2 + (outer**2 - inner**2) * u), 2 * np.pi * v)  # even over the area
    elif problem == "xor":
        side = np.where(np.arange(n) // 2 % 2 == 0, 1, -1)
        x = np.stack([side * (0.3 + 4.7 * u), side * y * (0.3 + 4.7 * v)], axis=1)
    elif problem == "gauss":
        x = 2 * y[:, None] + _gaussian(u, v)
    else:
        along = 0.04 + 0.96 * u  # the arms do not meet
        x = _polar(5 * along, 1.75 * 2 * np.pi * along + np.where(y == 1, 0, np.pi))
    return x + noise * _gaussian(*displaced), y


def _polar(radius: NDArray[np.float64], angle: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def _gaussian(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn pairs of uniform numbers into pairs of standard Gaussian ones: Box and Muller (1958)."""
    return _polar(np.sqrt(-2 * np.log(1 - u)), 2 * np.pi * v)
