"""Dynamic time warping: recordings compared at whatever speeds they were spoken, before there was anything to train.

The distance is that of Sakoe and Chiba (1978), IEEE Trans. ASSP 26, in the symmetric form without a limit on the slope:
a step through both sequences counts its pair of frames twice, a step through one counts it once. Strings of words are
recognized in one pass (Bridle, Brown and Chamberlain, 1982; Ney, 1984, IEEE Trans. ASSP 32): a path leads through the
frames of the templates, and at the end of one may go on at the beginning of any.
Axes: t frames of the recording, r frames of a template, m features.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dlbook._checks import axes

__all__ = ["match_templates", "warping_distance"]

Array = NDArray[np.floating]


def warping_distance(a: Array, b: Array) -> float:
    """Return the least sum of distances over all ways to walk through both sequences, over the sum of their lengths.

    Parameters
    ----------
    a : (t, m)
    b : (r, m)

    Examples
    --------
    >>> slow, fast = np.array([[0.0], [0], [1], [1]]), np.array([[0.0], [1]])
    >>> warping_distance(slow, fast)
    0.0
    >>> round(warping_distance(slow, fast + 1), 3)  # (2 + 1 + 0 + 0 + 1) / (4 + 2): the ones go with the 1, 2 costs 1
    0.667
    """
    t, m = axes("a", a, "t m", least=1)
    r, _ = axes("b", b, "r m", m=m, least=1)
    apart = _distances(a, b)
    total = np.full((t + 1, r + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(t):
        for j in range(r):
            d = apart[i, j]
            total[i + 1, j + 1] = min(total[i, j] + 2 * d, total[i, j + 1] + d, total[i + 1, j] + d)
    return float(total[t, r]) / (t + r)


def match_templates(recording: Array, templates: Sequence[Array], *, change: float = 0.0) -> list[int]:
    """Return which templates, one after the other, explain a recording best: their numbers, in order.

    From one frame of the recording to the next, a path stays at its frame of the template, goes on to the next one or
    skips one; behind the last two frames of a template any template may begin. The last one is walked to its end.

    Parameters
    ----------
    recording : (t, m)
    templates : sequence of (r, m)
    change : float
        What beginning a template costs, in units of a frame's distance.

    Examples
    --------
    >>> rise, fall = np.array([[0.0], [1], [2]]), np.array([[2.0], [1], [0]])
    >>> match_templates(np.array([[0.0], [0], [1], [2], [2], [1], [1], [0]]), [rise, fall])
    [0, 1]
    """
    _, m = axes("recording", recording, "t m", least=1)
    if len(templates) == 0:
        raise ValueError("there is no template to match with")
    for template in templates:
        axes("template", template, "r m", m=m, least=2)
    if not (change >= 0 and all(np.isfinite(sound).all() for sound in (recording, *templates))):
        raise ValueError(f"recording and templates are finite, and change is at least 0, found change {change}")
    # two frames that nothing resembles stand before every template, so that no step leads into it from the one before
    sizes = np.array([len(template) for template in templates])
    ends = np.cumsum(sizes + 2) - 1
    starts = ends - sizes + 1
    exits = np.stack([ends, ends - 1]).T.ravel()
    within = np.concatenate([np.arange(start, end + 1) for start, end in zip(starts, ends, strict=True)])
    apart = np.full((len(recording), ends[-1] + 1), np.inf)
    apart[:, within] = _distances(recording, np.concatenate(templates))
    total = np.full(apart.shape[1], np.inf)
    total[starts] = apart[0, starts]
    one, two = (np.zeros(apart.shape, dtype=bool) for _ in range(2))  # whether the path came from one or two before
    left = np.zeros(len(recording), dtype=np.int64)  # behind which frame of a template the best path may leave it
    began = np.ones((len(recording), len(templates)), dtype=bool)
    best = total.copy()
    for i, now in enumerate(apart[1:], 1):
        left[i] = exits[np.argmin(total[exits])]
        np.less(total[1:-1], total[2:], out=one[i, 2:])
        np.minimum(total[1:-1], total[2:], out=best[2:])
        np.less(total[:-2], best[2:], out=two[i, 2:])
        np.minimum(total[:-2], best[2:], out=best[2:])
        stayed = best[starts]
        began[i] = total[left[i]] + change < stayed
        best[starts] = np.minimum(total[left[i]] + change, stayed)
        np.add(best, now, out=total)
    if not np.isfinite(total[ends]).any():
        raise ValueError(f"no template ends in a recording of {len(recording)} frames, found sizes {sizes.tolist()}")
    at, found = int(ends[np.argmin(total[ends])]), []
    for i in range(len(recording) - 1, -1, -1):
        template_number = int(np.searchsorted(ends, at))
        if at == starts[template_number] and began[i, template_number]:
            found.append(template_number)
            at = int(left[i])
        else:
            at -= 2 if two[i, at] else int(one[i, at])
    return found[::-1]


def _distances(a: Array, b: Array) -> Array:
    """Return the Euclidean distances (t, r) of all pairs of frames."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))  # bytes wrap around, and squares of float32 cancel
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    return np.sqrt(np.maximum(squares, 0.0))
