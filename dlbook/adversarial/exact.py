"""The exact distance to another class, for ReLU networks of two inputs, by their linear regions.

A ReLU network is affine on each of finitely many convex regions, so the points to which it gives a class are a union of
convex polygons, and the nearest of them lies on an edge.  In many dimensions there are too many regions: to decide
whether such a network has a given property on a set of inputs is NP-complete (Katz et al. (2017), arXiv:1702.01135).

Axes: n points, v corners of a polygon.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import nn

from dlbook._checks import axes
from dlbook.backprop.approximation import linear_regions

__all__ = ["Piece", "class_pieces", "nearest_other"]

Floats = NDArray[np.float64]
Box = tuple[tuple[float, float], tuple[float, float]]


class Piece(NamedTuple):
    """A convex polygon on which the network is affine and gives one class."""

    label: int
    corners: Floats  # (v, 2), in order


def class_pieces(model: nn.Sequential, box: Box) -> list[Piece]:
    """Cut ``box`` into polygons of one class each.

    Parameters
    ----------
    model : nn.Sequential
        ``Linear`` layers with ReLU between them, of two inputs and two or more outputs.
    box : ((low, high), (low, high))

    Examples
    --------
    >>> import torch
    >>> layer = nn.Linear(2, 2)
    >>> with torch.no_grad():
    ...     _ = layer.weight.copy_(torch.tensor([[0.0, 0.0], [1.0, 0.0]])), layer.bias.zero_()
    >>> for label, corners in class_pieces(nn.Sequential(layer), ((-1, 1), (0, 1))):
    ...     print(label, np.ptp(corners, axis=0), corners.mean(axis=0))
    0 [1. 1.] [-0.5  0.5]
    1 [1. 1.] [0.5 0.5]
    """
    pieces = []
    for region in linear_regions(model, box=box):
        for label, score in enumerate(region.scores):
            corners = region.corners
            for other in np.delete(region.scores, label, axis=0):
                corners = _keep(corners, score - other)
            if len(corners) >= 3:
                pieces.append(Piece(label, corners[:, :2]))
    return pieces


def nearest_other(pieces: list[Piece], x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Find for each point the nearest one that has another class.

    Parameters
    ----------
    pieces : list of Piece
    x : (n, 2)
        Inside the box that was cut.
    y : (n,) int
        The classes that the network gives them.

    Returns
    -------
    distance : (n,)
        Euclidean; infinite if the box holds no other class.
    point : (n, 2)
        It lies on the border, where two classes tie: an infimum.

    Examples
    --------
    >>> pieces = [Piece(0, np.array([[0.0, 0], [1, 0], [0, 1]])), Piece(1, np.array([[1.0, 0], [1, 1], [0, 1]]))]
    >>> distance, point = nearest_other(pieces, [[0.25, 0.25]], [0])
    >>> distance.round(4), point
    (array([0.3536]), array([[0.5, 0.5]]))
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y)
    (n, _) = axes("x", x, "n 2")
    axes("y", y, "n", n=n)
    distance, point = np.full(n, np.inf), np.full((n, 2), np.nan)
    for label, corners in pieces:
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            along = end - start
            share = ((x - start) @ along / max(along @ along, 1e-300)).clip(0, 1)
            foot = start + share[:, None] * along
            length = np.linalg.norm(foot - x, axis=1)
            closer = (y != label) & (length < distance)
            distance[closer], point[closer] = length[closer], foot[closer]
    return distance, point


def _keep(corners: Floats, line: Floats) -> Floats:
    """Keep the part of a convex polygon (v, 3) with ``corners @ line >= 0``."""
    kept: list[Floats] = []
    heights = corners @ line
    for here, there, h, k in zip(corners, np.roll(corners, -1, axis=0), heights, np.roll(heights, -1), strict=True):
        if h >= 0:
            kept.append(here)
        if h * k < 0:
            kept.append((h * there - k * here) / (h - k))
    return np.array(kept) if len(kept) >= 3 else np.empty((0, 3))
