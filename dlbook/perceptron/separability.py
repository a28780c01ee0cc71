"""When does a line exist?  Hulls, hyperplanes, and certificates either way.

Two finite clouds are strictly separable exactly if their convex hulls do not meet (the separating hyperplane theorem:
Boyd and Vandenberghe, *Convex Optimization*, Sec. 2.5.1).  Two algorithms answer independently: a linear program
(SciPy's HiGHS) looks for a point of both hulls and finds by how much it misses; Wolfe's algorithm (P. Wolfe, *Finding
the nearest point in a polytope*, Math. Programming 11, 1976) walks to the two nearest points, whose bisector is the
line of maximum margin.

The lecture's C, D → clouds ``c``, ``d``; a, b → ``a``, ``b``.  Axes: n points, d features; everything in float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog, nnls

from dlbook._checks import finite_table

__all__ = [
    "Hyperplane",
    "Nearest",
    "common_point",
    "in_hull",
    "is_separable",
    "nearest_hull_points",
    "separable_prefix",
    "separating_hyperplane",
]

Floats = NDArray[np.float64]

TOLERANCE = 1e-9  # of a cloud's extent: hulls that are nearer than that are taken to touch


class Hyperplane(NamedTuple):
    """The set of x with ``a @ x + b == 0``; ``a @ x + b`` is positive on cloud c."""

    a: Floats  # (d,)
    b: float


class Nearest(NamedTuple):
    """The two nearest points of two hulls, as points and as convex combinations."""

    p: Floats  # (d,) in the hull of c
    q: Floats  # (d,) in the hull of d
    p_weights: Floats  # (n,), at least 0, sum 1: p = p_weights @ c
    q_weights: Floats  # (m,)


def in_hull(points: ArrayLike, cloud: ArrayLike) -> NDArray[np.bool_]:
    """Say which points are convex combinations of a cloud: one linear program a point.

    A point is in the hull if weights of at least zero exist that sum to one and reproduce it.

    Parameters
    ----------
    points : (m, d)
    cloud : (n, d)

    Returns
    -------
    inside : bool (m,)
        The hull's border belongs to it, within a relative error of ``TOLERANCE``.

    Examples
    --------
    >>> in_hull([[0.5, 0.5], [1, 1]], [[0, 0], [1, 0], [0, 1]])
    array([ True, False])
    """
    points, cloud = _pair(points, cloud, ("points", "cloud"))
    center, extent = cloud.mean(axis=0), _extent(cloud)
    near = np.abs(points - center).max(axis=1) <= (1 + TOLERANCE) * extent  # the rest are outside the bounding cube
    inside = np.zeros(len(points), dtype=bool)
    for i in np.flatnonzero(near):
        inside[i] = _program(cloud - center, (points[i] - center)[None], extent)[0] <= TOLERANCE * extent
    return inside


def is_separable(c: ArrayLike, d: ArrayLike) -> bool:
    """Say whether some hyperplane has all of ``c`` strictly on one side and all of ``d`` strictly on the other.

    A linear program looks for a point of both hulls and finds how far it misses.

    Parameters
    ----------
    c : (n, d)
    d : (m, d)

    Returns
    -------
    bool
        False also if the hulls only touch, or are nearer than ``TOLERANCE`` of their extent.

    Examples
    --------
    >>> is_separable([[0, 1], [1, 0], [1, 1]], [[0, 0]]), is_separable([[0, 1], [1, 0]], [[0, 0], [1, 1]])  # OR, XOR
    (True, False)
    """
    c, d = _pair(c, d, ("c", "d"))
    center = np.vstack([c, d]).mean(axis=0)
    extent = _extent(np.vstack([c, d]))
    return _program(c - center, d - center, extent)[0] > TOLERANCE * extent


def separable_prefix(x: ArrayLike, positive: ArrayLike) -> int:
    """Return the largest n for which a hyperplane separates the first n examples by their labels.

    Once it cannot, it cannot with more examples either: n is doubled until that happens, and then found by bisection.

    Parameters
    ----------
    x : (n, d)
    positive : bool (n,)

    Examples
    --------
    >>> separable_prefix([[0, 0], [1, 1], [0, 1], [1, 0], [2, 2]], [False, False, True, True, True])  # four make XOR
    3
    """
    x, labels = finite_table("x", x), np.asarray(positive)
    if labels.shape != (len(x),) or labels.dtype != bool:
        raise ValueError(f"positive is bool ({len(x)},), found {labels.dtype} {labels.shape}")

    def separable(n: int) -> bool:
        c, d = x[:n][labels[:n]], x[:n][~labels[:n]]
        return not len(c) or not len(d) or is_separable(c, d)

    low, high = 1, 2  # the first ``low`` are separable
    while high < len(x) and separable(high):
        low, high = high, 2 * high
    if high >= len(x):
        if separable(len(x)):
            return len(x)
        high = len(x)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if separable(middle) else (low, middle)
    return low


def common_point(c: ArrayLike, d: ArrayLike) -> Nearest | None:
    """Return a point of both hulls with the weights that prove it, or None if a hyperplane separates the clouds.

    With :func:`separating_hyperplane` this is a certificate either way: whoever doubts the answer can check it with a
    few products. At most d + 2 weights are positive (Kirchberger's theorem says that so few points always suffice).

    Parameters
    ----------
    c : (n, d)
    d : (m, d)

    Examples
    --------
    >>> common_point([[0, 1], [1, 0]], [[0, 0], [1, 1]]).p
    array([0.5, 0.5])
    """
    c, d = _pair(c, d, ("c", "d"))
    center, extent = np.vstack([c, d]).mean(axis=0), _extent(np.vstack([c, d]))
    distance, p_weights, q_weights = _program(c - center, d - center, extent)
    if distance > TOLERANCE * extent:
        return None
    return Nearest(p_weights @ c, q_weights @ d, p_weights, q_weights)


def separating_hyperplane(c: ArrayLike, d: ArrayLike) -> Hyperplane | None:
    """Return the separating hyperplane of maximum margin, or None if there is none.

    With the nearest points p and q of the hulls, a = p - q and b = -(‖p‖² - ‖q‖²) / 2: the plane that halves the
    segment between them at a right angle (Boyd and Vandenberghe, Sec. 2.5.1). The margin, ‖p - q‖ / 2, is that of a
    hard-margin support vector machine, whose weight is a rescaled.

    Parameters
    ----------
    c : (n, d)
        Where ``a @ x + b`` is positive.
    d : (m, d)
        Where it is negative.

    Examples
    --------
    >>> separating_hyperplane([[2.0, 0.0]], [[0.0, 0.0]])  # 2 x - 2 = 0
    Hyperplane(a=array([2., 0.]), b=-2.0)
    """
    c, d = _pair(c, d, ("c", "d"))
    p, q, *_ = nearest_hull_points(c, d)
    a, b = p - q, float(-(p @ p - q @ q) / 2)
    strict = (c @ a + b).min() > 0 > (d @ a + b).max()
    apart = np.linalg.norm(a) > TOLERANCE * _extent(np.vstack([c, d]))
    return Hyperplane(a, b) if strict and apart else None


def nearest_hull_points(c: ArrayLike, d: ArrayLike) -> Nearest:
    """Return the nearest points of two convex hulls, by Wolfe's algorithm on their difference.

    The difference of the hulls is the polytope with corners c_i - d_j; its point nearest to zero is p - q. Wolfe keeps
    a few corners, the corral: he adds the corner that goes furthest against the current point (found without forming
    the n m differences), and drops those that the nearest point of the corral's hull does not need. It ends after
    finitely many steps, exact up to rounding.

    Parameters
    ----------
    c : (n, d)
    d : (m, d)

    Returns
    -------
    Nearest
        If the hulls meet, p and q agree up to rounding.

    Examples
    --------
    >>> p, q, *_ = nearest_hull_points([[0, 2], [2, 2]], [[1, 0], [1, -1]])
    >>> p, q
    (array([1., 2.]), array([1., 0.]))
    """
    c, d = _pair(c, d, ("c", "d"))
    center = np.vstack([c, d]).mean(axis=0)  # a cloud far from the origin would cost digits
    c, d = c - center, d - center
    extent = _extent(np.vstack([c, d]))
    rounding = 1e-14 * extent**2 * max(1, c.shape[1]) ** 0.5
    corral, weights = [(0, 0)], np.ones(1)  # any corner will do
    for _ in range(100 * (c.shape[1] + 2)):
        corners = np.array([c[i] - d[j] for i, j in corral])
        x = weights @ corners
        new = int((c @ x).argmin()), int((d @ x).argmax())
        # optimal if no corner lies nearer to zero along x; a corner that comes back shows that only rounding is left
        if x @ x - x @ (c[new[0]] - d[new[1]]) <= rounding or new in corral:
            break
        corral, weights = _shrink([*corral, new], c, d)
    p_weights, q_weights = np.zeros(len(c)), np.zeros(len(d))
    for (i, j), weight in zip(corral, weights, strict=True):
        p_weights[i] += weight
        q_weights[j] += weight
    return Nearest(p_weights @ c + center, q_weights @ d + center, p_weights, q_weights)


def _shrink(corral: list[tuple[int, int]], c: Floats, d: Floats) -> tuple[list[tuple[int, int]], Floats]:
    """Return the corners that carry the point of the corral's hull nearest to zero, and their weights.

    Non-negative least squares solves it: the point minimizes ‖weights @ corners‖² + (1 - sum of weights)² up to a
    factor (Lawson and Hanson, *Solving Least Squares Problems*, Ch. 23).
    """
    corners = np.array([c[i] - d[j] for i, j in corral])
    scale = max(float(np.abs(corners).max()), np.finfo(float).tiny)
    table = np.vstack([corners.T / scale, np.ones(len(corral))])
    solution, _ = nnls(table, np.append(np.zeros(corners.shape[1]), 1.0))
    keep = np.flatnonzero(solution > 0)
    return [corral[i] for i in keep], solution[keep] / solution[keep].sum()


def _program(c: Floats, d: Floats, extent: float) -> tuple[float, Floats, Floats]:
    """Return the least distance of two hulls in the maximum norm, and the weights (n,) and (m,) of the two points.

    The linear program: minimize t over weights u, v >= 0 that sum to one each, with every coordinate of u @ c - v @ d
    between -t and t. Its basic solution has at most d + 2 positive weights.
    """
    (n, width), m = c.shape, len(d)
    difference = np.hstack([c.T, -d.T]) / max(extent, np.finfo(float).tiny)
    slack = -np.ones((width, 1))
    within = np.vstack([np.hstack([difference, slack]), np.hstack([-difference, slack])])
    sums = np.zeros((2, n + m + 1))
    sums[0, :n] = sums[1, n : n + m] = 1
    cost = np.append(np.zeros(n + m), 1.0)
    tight = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    found = linprog(cost, within, np.zeros(2 * width), sums, np.ones(2), method="highs", options=tight)
    if not found.success:
        raise ArithmeticError(f"the linear program was not solved: {found.message}")
    u, v = np.clip(found.x[:n], 0, None), np.clip(found.x[n : n + m], 0, None)  # -1e-17 comes up
    return float(found.fun) * extent, u / u.sum(), v / v.sum()


def _extent(cloud: Floats) -> float:
    """Return the largest distance of a coordinate from the cloud's center."""
    return float(np.abs(cloud - cloud.mean(axis=0)).max())


def _pair(first: ArrayLike, second: ArrayLike, names: tuple[str, str]) -> tuple[Floats, Floats]:
    tables = [finite_table(name, values) for name, values in zip(names, (first, second), strict=True)]
    if tables[0].shape[1] != tables[1].shape[1]:
        widths = f"{tables[0].shape[1]} and {tables[1].shape[1]}"
        raise ValueError(f"{names[0]} and {names[1]} have the same number of features, found {widths}")
    return tables[0], tables[1]
