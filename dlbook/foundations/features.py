"""Histograms of oriented gradients: Dalal and Triggs (2005), CVPR, Section 6.

The paper's words → ours: cell → ``cell`` (its side in pixels), block → ``block`` (its side in cells), L2-Hys → the
norm of :func:`normalize_blocks`, 0-180 and 0-360 degrees → ``signed=False`` and ``signed=True``, ε → ``EPS``.
Axes: n images, c channels, h and w pixels, r and s cells down and across, o orientations.

A gradient votes with its length for its direction; the votes are averaged over cells, so position within a cell is
forgotten, and cells are normalized in overlapping blocks, so contrast is. The paper's Gaussian window over a block and
its square root of the pixels are left out, as in scikit-image's default.
"""

from operator import index
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes

__all__ = ["Gradient", "cell_histograms", "gradient", "hog", "normalize_blocks"]

Floats = NDArray[np.floating]

EPS = 1e-5  # ε of the norms, as scikit-image has it: a blank block stays zero
CLIP = 0.2  # the paper's, after Lowe
_IMAGES = 64  # at a time, so that the votes of o orientations stay in the cache


class Gradient(NamedTuple):
    """Length and direction of the steepest change at each pixel."""

    magnitude: Floats  # (n, h, w)
    angle: Floats  # (n, h, w), radians in [-π, π], from "brighter to the right" over "brighter below"


def gradient(images: ArrayLike) -> Gradient:
    """Central differences (-1, 0, 1), unsmoothed; in color, of the channel whose gradient is longest (Section 6.2).

    Parameters
    ----------
    images : (n, c, h, w)
        float32 stays float32; everything else is computed in float64.

    Returns
    -------
    Gradient
        The difference across the border of the image is zero.

    Examples
    --------
    >>> ramp = [[[[0, 1, 2], [0, 1, 2], [0, 1, 2]]]]  # brighter to the right
    >>> gradient(ramp).magnitude[0, 1], gradient(ramp).angle[0, 1, 1]
    (array([0., 2., 0.]), np.float64(0.0))
    """
    return _gradient(_images(images))


def cell_histograms(
    images: ArrayLike, *, cell: int = 8, orientations: int = 9, signed: bool = False, interpolate: bool = True
) -> Floats:
    """Let each pixel vote for its gradient's direction, with its length, in the histograms of the cells around it.

    Parameters
    ----------
    images : (n, c, h, w)
        ``h`` and ``w`` multiples of ``cell``.
    cell : int
        Side of a cell, in pixels.
    orientations : int
        Bins, over half a turn or, if ``signed``, a whole one.
    signed : bool
        Whether dark-to-bright and bright-to-dark are two directions. For people the paper found that they are not.
    interpolate : bool
        Share a vote between the two nearest bins and the four nearest cells, in proportion to how near their centers
        are (Section 6.3). Otherwise it goes to one bin and one cell, as in scikit-image.

    Returns
    -------
    (n, r, s, o)
        Votes per pixel of a cell: summed over everything, times ``cell`` squared, they are the sum of all magnitudes.

    Examples
    --------
    >>> ramp = np.tile(np.arange(4.0), (4, 1))[None, None]
    >>> cell_histograms(ramp, cell=4, orientations=2, interpolate=False)  # 8 of 16 pixels vote 2 for bin 0
    array([[[[1., 0.]]]])
    """
    images = _images(images)
    down, across = _pooling(images.shape, cell, orientations, interpolate)
    down, across = down.astype(images.dtype), across.astype(images.dtype)
    n, (rows, columns) = len(images), (len(down), len(across))
    out = np.empty((n, orientations, rows, columns), images.dtype)
    for start in range(0, n, _IMAGES):
        part = slice(start, start + _IMAGES)
        votes = _votes(_gradient(images[part]), orientations, signed, interpolate)  # (b, o, h, w)
        out[part] = down @ (votes @ across.T)
    return out.transpose(0, 2, 3, 1)


def normalize_blocks(cells: ArrayLike, *, block: int = 2, clip: float = CLIP) -> Floats:
    """Join every ``block`` by ``block`` cells to one vector v and normalize it by L2-Hys (Section 6.4).

    v / √(‖v‖² + ε²), then entries above ``clip`` are cut to it, then the same division once more.

    Parameters
    ----------
    cells : (n, r, s, o)
        At least zero.
    block : int
        Blocks start at every cell, so an inner cell is in ``block`` squared of them, each time divided by another norm.
    clip : float
        1 cuts nothing.

    Returns
    -------
    (n, r - block + 1, s - block + 1, block, block, o)

    Examples
    --------
    >>> normalize_blocks([[[[3.0, 4.0]]]], block=1, clip=1).round(3)
    array([[[[[[0.6, 0.8]]]]]])
    """
    cells = np.asarray(cells)
    axes("cells", cells, "n r s o", least=1)
    cells = cells if cells.dtype == np.float32 else cells.astype(np.float64)
    if not np.isfinite(cells).all() or cells.min() < 0:
        raise ValueError(f"cells are finite and at least zero, found {_first_bad(cells, cells < 0)}")
    block = _count("block", block)
    if block > min(cells.shape[1:3]):
        raise ValueError(f"a block of {block} x {block} cells does not fit into {cells.shape[1]} x {cells.shape[2]}")
    if not 0 < clip <= 1:
        raise ValueError(f"clip is in (0, 1], found {clip!r}")
    windows = np.lib.stride_tricks.sliding_window_view(cells, (block, block), axis=(1, 2))  # (n, r', s', o, b, b)
    blocks = np.array(windows.transpose(0, 1, 2, 4, 5, 3), order="C")
    blocks /= _norm(blocks)
    np.minimum(blocks, clip, out=blocks)
    blocks /= _norm(blocks)
    return blocks


def hog(
    images: ArrayLike,
    *,
    cell: int = 8,
    block: int = 2,
    orientations: int = 9,
    signed: bool = False,
    interpolate: bool = True,
    clip: float = CLIP,
) -> Floats:
    """Histograms of oriented gradients: :func:`cell_histograms`, then :func:`normalize_blocks`.

    Parameters
    ----------
    images : (n, c, h, w)
        Pixels in [0, 1]; another scale changes the result by no more than ``EPS`` does.
    cell, block, orientations, signed, interpolate, clip
        Of the two functions. The defaults are the paper's for people: 9 bins of 20 degrees, cells of 8 pixels in
        blocks of 2 x 2.

    Returns
    -------
    (n, r - block + 1, s - block + 1, block, block, o)
        ``.reshape(n, -1)`` makes the vector that a classifier reads.

    Examples
    --------
    >>> image = np.random.default_rng(0).random((1, 3, 128, 64))
    >>> hog(image).shape, hog(image).size  # the paper's window: 15 x 7 blocks of 36 numbers
    ((1, 15, 7, 2, 2, 9), 3780)
    >>> np.allclose(hog(image), hog(0.5 * image + 0.3), atol=1e-6)  # contrast and brightness are forgotten
    True
    """
    images = _images(images)
    _pooling(images.shape, cell, orientations, interpolate)  # refuse before the work is done
    block = _count("block", block)
    histograms = cell_histograms(images, cell=cell, orientations=orientations, signed=signed, interpolate=interpolate)
    return normalize_blocks(histograms, block=block, clip=clip)


def _gradient(images: Floats) -> Gradient:
    down, across = np.zeros_like(images), np.zeros_like(images)
    down[:, :, 1:-1] = images[:, :, 2:] - images[:, :, :-2]
    across[..., 1:-1] = images[..., 2:] - images[..., :-2]
    if images.shape[1] > 1:
        longest = (down**2 + across**2).argmax(axis=1)[:, None]
        down, across = np.take_along_axis(down, longest, 1), np.take_along_axis(across, longest, 1)
    down, across = down[:, 0], across[:, 0]
    return Gradient(np.hypot(down, across), np.arctan2(down, across))


def _votes(of: Gradient, orientations: int, signed: bool, interpolate: bool) -> Floats:
    """Spread the votes (n, h, w) over bins: (n, o, h, w)."""
    turn = 2 * np.pi if signed else np.pi
    place = of.angle / (turn / orientations)  # in bins; bin k covers [k, k + 1), its center is k + 1/2
    if interpolate:
        place = place - 0.5
    lower = np.floor(place + 1e-9)  # what rounding put just below an edge belongs above it
    first = lower.astype(np.intp) % orientations
    votes = np.zeros((len(lower), orientations, *lower.shape[1:]), of.magnitude.dtype)
    if not interpolate:
        np.put_along_axis(votes, first[:, None], of.magnitude[:, None], axis=1)
        return votes
    share = of.magnitude * np.clip(place - lower, 0, 1)
    if orientations == 1:
        return of.magnitude[:, None]
    np.put_along_axis(votes, first[:, None], (of.magnitude - share)[:, None], axis=1)
    np.put_along_axis(votes, (first[:, None] + 1) % orientations, share[:, None], axis=1)
    return votes


def _pooling(shape: tuple[int, ...], cell: int, orientations: int, interpolate: bool) -> tuple[Floats, Floats]:
    """Return the matrices (r, h) and (s, w) that average votes over cells."""
    cell, _ = _count("cell", cell), _count("orientations", orientations)
    if shape[2] % cell or shape[3] % cell:
        raise ValueError(f"cells of {cell} pixels do not divide an image of {shape[2]} x {shape[3]}: crop it first")
    return _weights(shape[2], cell, interpolate), _weights(shape[3], cell, interpolate)


def _weights(pixels: int, cell: int, interpolate: bool) -> Floats:
    centers = np.arange(pixels // cell)[:, None]
    place = (np.arange(pixels) + 0.5) / cell - 0.5  # of each pixel, in cells
    if not interpolate:
        return (np.round(place) == centers) / cell if cell > 1 else np.eye(pixels)
    place = np.clip(place, 0, centers[-1])  # beyond the last center a vote has one cell to go to, and keeps its weight
    return np.clip(1 - np.abs(place - centers), 0, None) / cell


def _norm(blocks: Floats) -> Floats:
    return np.sqrt((blocks**2).sum(axis=(3, 4, 5), keepdims=True) + EPS**2)


def _images(images: ArrayLike) -> Floats:
    images = np.asarray(images)
    if images.ndim != 4 or images.size == 0 or np.iscomplexobj(images):
        raise ValueError(f"images are real, (n, c, h, w), found shape {images.shape} of {images.dtype}")
    if min(images.shape[2:]) < 3:
        raise ValueError(f"a gradient needs 3 x 3 pixels, found {images.shape[2]} x {images.shape[3]}")
    images = images if images.dtype == np.float32 else images.astype(np.float64)
    if not np.isfinite(images).all():
        raise ValueError(f"images are finite, found {_first_bad(images, ~np.isfinite(images))}")
    return images


def _first_bad(values: Floats, bad: NDArray[np.bool_]) -> str:
    place = tuple(int(i) for i in np.argwhere(bad | ~np.isfinite(values))[0])
    return f"{values[place]} at {place}"


def _count(name: str, value: int) -> int:
    try:
        count = index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name} is an integer of at least 1, found {value!r}")
    return count
