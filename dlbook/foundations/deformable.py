"""Deformable part models: a root, parts on springs, and the transform that places a part everywhere at once.

Felzenszwalb, McAllester and Ramanan (2008), CVPR; Felzenszwalb, Girshick, McAllester and Ramanan (2010), PAMI 32,
Section 3; the transform is that of Felzenszwalb and Huttenlocher (2012), Theory of Computing 8, Section 2.

The papers' symbols → ours: R_i (response of part i) → ``parts[i]``, v_i (anchor) → ``anchors[i]``, d_i (deformation) →
``stiffness`` (of dx², dy²) and ``linear`` (of dx, dy), D_i (transformed response) → ``value``, P_i (the best place) →
``source``.  Felzenszwalb and Huttenlocher minimize a cost; we maximize a score, its negative, as the 2010 paper does.
Axes: p parts, h and w places of a map.  Root and parts have one resolution here; in the papers parts have twice the
root's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes

__all__ = ["Placement", "Transform", "distance_transform", "dpm_score", "place_part"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Transform(NamedTuple):
    """The best score within reach of every place, and where it came from."""

    value: Floats  # (..., n)
    source: Integers  # (..., n), the q that attains the maximum


class Placement(NamedTuple):
    """A model at every place of its root."""

    score: Floats  # (h, w)
    rows: Integers  # (p, h, w), where each part went
    columns: Integers  # (p, h, w)


def distance_transform(score: ArrayLike, *, stiffness: float, linear: float = 0.0, shift: int = 0) -> Transform:
    """Maximize ``score[q] - stiffness * d**2 - linear * d`` with ``d = q - (p + shift)`` over q, for every p, in O(n).

    Seen as functions of p these are n parabolas of one shape, and the answer is their upper envelope. Two of them cross
    once, so one sweep finds which of them are seen from above and where each begins, and a second reads them off.

    Parameters
    ----------
    score : (..., n)
        Each row along the last axis is transformed alone.
    stiffness : float
        Cost of one squared step, above zero. Large: the value is the score itself. Small: the row's maximum.
    linear : float
        Cost of one step to the right: where the spring would rest is off by ``-linear / (2 * stiffness)``.
    shift : int
        Read the envelope at ``p + shift``, which may be beyond the ends of the row.

    Returns
    -------
    Transform
        ``value`` and ``source`` (..., n).

    Examples
    --------
    >>> distance_transform([0.0, 0.0, 9.0, 0.0, 0.0], stiffness=2)
    Transform(value=array([1., 7., 9., 7., 1.]), source=array([2, 2, 2, 2, 2]))
    >>> distance_transform([0.0, 0.0, 9.0, 0.0, 0.0], stiffness=5).value
    array([0., 4., 9., 4., 0.])
    """
    score = np.asarray(score, dtype=np.float64)
    axes("score", score, "... n", least=1)
    if not np.isfinite(score).all():
        raise ValueError(f"score is finite, found {score[~np.isfinite(score)][0]}")
    if not (stiffness > 0 and np.isfinite(stiffness) and np.isfinite(linear)):
        raise ValueError(f"stiffness is above zero and linear finite, found {stiffness!r} and {linear!r}")
    n = score.shape[-1]
    f = score.reshape(-1, n)
    top, begins = _envelope(f, stiffness, linear)
    source = np.empty(f.shape, np.int64)
    seen, every = np.zeros(len(f), np.int64), np.arange(len(f))
    for p in range(n):
        while (late := begins[every, seen + 1] < p + shift).any():
            seen += late
        source[:, p] = top[every, seen]
    step = source - (np.arange(n) + shift)
    value = np.take_along_axis(f, source, axis=1) - stiffness * step**2 - linear * step
    return Transform(value.reshape(score.shape), source.reshape(score.shape))


def _envelope(f: Floats, stiffness: float, linear: float) -> tuple[Integers, Floats]:
    """Return, for each row of ``f`` (m, n), the parabolas of its upper envelope and where each begins (m, n + 1)."""
    m, n = f.shape
    top, begins = np.zeros((m, n), np.int64), np.full((m, n + 1), np.inf)
    last, every = np.zeros(m, np.int64), np.arange(m)  # index of the rightmost parabola so far: q = 0
    begins[:, 0] = -np.inf
    # f(q) - a (q - p)² - b (q - p) and the same for r < q are equal where
    # p = (q + r) / 2 - ((f(q) - f(r)) / (q - r) - b) / (2 a)
    for q in range(1, n):
        rows = every  # those where q's parabola is still looking for its place
        while len(rows):
            r = top[rows, last[rows]]
            crossing = (q + r) / 2 - ((f[rows, q] - f[rows, r]) / (q - r) - linear) / (2 * stiffness)
            hides = crossing <= begins[rows, last[rows]]  # q's is above r's wherever r's was on top
            done, at = rows[~hides], crossing[~hides]
            last[done] += 1
            top[done, last[done]] = q
            begins[done, last[done]] = at
            begins[done, last[done] + 1] = np.inf
            rows = rows[hides]
            last[rows] -= 1
    return top, begins


def place_part(
    response: ArrayLike, *, anchor: tuple[int, int], stiffness: float, linear: tuple[float, float] = (0.0, 0.0)
) -> tuple[Floats, Integers, Integers]:
    """Let one part find its best place for every place of the root, along rows and then columns.

    Parameters
    ----------
    response : (h, w)
        How well the part's filter fits at each place.
    anchor : (int, int)
        Rows and columns from the root's place to where the part rests.
    stiffness : float
        Cost of a squared step, in both directions.
    linear : (float, float)
        Cost of a step down and of a step to the right.

    Returns
    -------
    value : (h, w)
        ``response`` at the best place minus the cost of going there.
    rows, columns : (h, w)
        That place.

    Examples
    --------
    >>> response = np.zeros((5, 5))
    >>> response[3, 4] = 9.0
    >>> value, rows, columns = place_part(response, anchor=(1, 1), stiffness=1.0)
    >>> value[2, 2], rows[2, 2], columns[2, 2]  # rests at (3, 3), goes one to the right
    (np.float64(8.0), np.int64(3), np.int64(4))
    """
    response = np.asarray(response, dtype=np.float64)
    axes("response", response, "h w")
    across = distance_transform(response, stiffness=stiffness, linear=linear[1], shift=anchor[1])
    down = distance_transform(across.value.T, stiffness=stiffness, linear=linear[0], shift=anchor[0])
    rows = down.source.T
    columns = np.take_along_axis(across.source, rows, axis=0)  # the column chosen in the row that was chosen
    return down.value.T, rows, columns


def dpm_score(
    root: ArrayLike, parts: ArrayLike, anchors: ArrayLike, *, stiffness: float, bias: float = 0.0
) -> Placement:
    """Score a model of a root and parts with its root at every place.

    score(z) = root(z) + Σ_i max_d (parts[i](z + anchors[i] + d) - stiffness ‖d‖²) + bias

    Parameters
    ----------
    root : (h, w)
        Response of the root's filter.
    parts : (p, h, w)
        Responses of the parts' filters.
    anchors : (p, 2)
        Integers: where each part rests, in rows and columns from the root's place.
    stiffness : float
    bias : float

    Returns
    -------
    Placement
        ``score`` (h, w), and ``rows`` and ``columns`` (p, h, w) of the parts.

    Examples
    --------
    >>> root, parts = np.zeros((4, 4)), np.zeros((1, 4, 4))
    >>> parts[0, 0, 3] = 5.0
    >>> placed = dpm_score(root, parts, [(0, 1)], stiffness=1.0)
    >>> placed.score[0], placed.columns[0, 0]
    (array([1., 4., 5., 4.]), array([3, 3, 3, 3]))
    """
    root, parts, anchors = np.asarray(root, np.float64), np.asarray(parts, np.float64), np.asarray(anchors)
    h, w = axes("root", root, "h w")
    p, _, _ = axes("parts", parts, "p h w", h=h, w=w)
    axes("anchors", anchors, "p 2", p=p)
    if not np.isfinite(root).all() or not np.isfinite(bias):
        raise ValueError("root and bias are finite")
    if not np.equal(anchors, np.round(anchors)).all():
        raise ValueError(f"anchors are whole numbers of places, found {anchors.tolist()}")
    placed = [
        place_part(response, anchor=(int(down), int(across)), stiffness=stiffness)
        for response, (down, across) in zip(parts, anchors, strict=True)
    ]
    score = root + sum((value for value, _, _ in placed), np.zeros_like(root)) + bias
    rows, columns = (np.array([part[k] for part in placed], np.int64).reshape(parts.shape) for k in (1, 2))
    return Placement(score, rows, columns)
