"""How good are drawn examples, seen through features: Heusel et al. (2017) and Kynkäänniemi et al. (2019).

Fréchet distance: arXiv:1706.08500, eq. (6); m, C → ``mean, covariance``.  Precision and recall: arXiv:1904.06991,
eq. (1) and (2); Φ_r, Φ_g → ``real, fake``.  Both compare two tables of features (n, d), and know of the examples only
what the features say; values from two different feature makers cannot be compared.  Axes: n, m examples, d features.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = ["PrecisionRecall", "covered", "frechet_distance", "precision_recall", "symmetric_sqrt"]

ROWS = 1000  # of a table of distances that are held at a time


def symmetric_sqrt(a: Tensor) -> Tensor:
    """Return the symmetric square root of a symmetric positive semidefinite matrix (d, d).

    Eigenvalues below zero, which rounding makes of zeros, count as zero.

    Examples
    --------
    >>> symmetric_sqrt(torch.diag(torch.tensor([4.0, 9.0])))
    tensor([[2., 0.],
            [0., 3.]])
    """
    axes("a", a, "d d", least=1)
    values, vectors = torch.linalg.eigh(a)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.mT


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Return the squared Fréchet distance of the normal laws with the means and covariances of two tables.

    It is the squared distance of the means plus the trace of C_a + C_b - 2 (C_a C_b)^(1/2); on the features of
    Inception v3 it is called FID.  It falls with the number of examples: compare tables of equal sizes only.

    Parameters
    ----------
    a : (n, d)
    b : (m, d)
        Floats, at least two rows each; computed in float64 on the CPU.

    Examples
    --------
    >>> a = torch.tensor([[0.0], [2.0]])
    >>> frechet_distance(a, a + 3)  # the same spread, means 3 apart
    9.0
    """
    a, b = _features("a", a, 2), _features("b", b, 2)
    axes("b", b, "m d", d=a.shape[1])
    apart = a.mean(dim=0) - b.mean(dim=0)
    first, second = _covariance(a), _covariance(b)
    root = symmetric_sqrt(first)
    # C_a C_b and root C_b root have the same eigenvalues, and the second is symmetric
    shared = torch.linalg.eigvalsh(root @ second @ root).clamp(min=0).sqrt().sum()
    return max(0.0, (apart @ apart + first.trace() + second.trace() - 2 * shared).item())


class PrecisionRecall(NamedTuple):
    """Shares between 0 and 1."""

    precision: float  # of the generated examples that lie among the real ones
    recall: float  # of the real examples that lie among the generated ones


def precision_recall(real: Tensor, fake: Tensor, *, k: int = 3, keep: float = 1.0) -> PrecisionRecall:
    """Return how much of ``fake`` lies among ``real``, and the other way round, eq. (2).

    A set is thickened to the balls around its points that reach to their k-th nearest neighbor in the set.

    Parameters
    ----------
    real : (n, d)
    fake : (m, d)
        Floats, more than k rows each. Like the Fréchet distance, both shares depend on n and m.
    k : int
        The paper chooses 3.
    keep : float
        Share of balls that count, the smallest first. A lonely point has a ball so large that it may hold things that
        look like none of the set; the paper's realism score leaves out half of the balls, ``keep=0.5``.

    Examples
    --------
    >>> real = torch.arange(5.0)[:, None]
    >>> precision_recall(real, real[:3], k=1)  # the last real point lies outside
    PrecisionRecall(precision=1.0, recall=0.8)
    """
    real, fake = _features("real", real, k + 1), _features("fake", fake, k + 1)
    axes("fake", fake, "m d", d=real.shape[1])
    pairs = ((fake, real), (real, fake))
    return PrecisionRecall(*(covered(points, by, k=k, keep=keep).double().mean().item() for points, by in pairs))


def covered(points: Tensor, by: Tensor, *, k: int = 3, keep: float = 1.0) -> Tensor:
    """Tell which of ``points`` (n, d) lie in a ball around a point of ``by`` (m, d): bool (n,), eq. (1).

    ``k`` and ``keep`` are those of :func:`precision_recall`.

    Examples
    --------
    >>> covered(torch.tensor([[0.5], [9.0]]), by=torch.tensor([[0.0], [1.0]]), k=1)
    tensor([ True, False])
    """
    if k < 1 or not 0 < keep <= 1:
        raise ValueError(f"k counts neighbors, at least 1, and keep is a share in (0, 1], found {k} and {keep}")
    points, by = _features("points", points, 0), _features("by", by, k + 1)
    axes("points", points, "n d", d=by.shape[1])
    # the nearest point of a set to its own point is that point, at distance zero: the k-th neighbor comes k + 1st
    radius = torch.cat([_distances(rows, by).kthvalue(k + 1, dim=1).values for rows in by.split(ROWS)])
    radius = radius.where(radius <= radius.quantile(keep), -1.0)  # a ball that holds nothing
    return torch.cat([(_distances(rows, by) <= radius).any(dim=1) for rows in points.split(ROWS)])


def _distances(x: Tensor, y: Tensor) -> Tensor:
    """Return Euclidean distances (n, m) by differences: by products, a point would not be at distance 0 of itself."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _covariance(x: Tensor) -> Tensor:
    return torch.atleast_2d(torch.cov(x.mT))


def _features(name: str, x: Tensor, rows: int) -> Tensor:
    """Return a table of finite features in float64 on the CPU, without its history."""
    n, _ = axes(name, x, "n d")
    if n < rows or x.shape[1] < 1:
        raise ValueError(f"{name} is (n, d) with n >= {rows} and d >= 1, found shape {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{name} holds features, which are floats, found {x.dtype}")
    if not x.isfinite().all():
        raise ValueError(f"{name} is finite, found {int((~x.isfinite()).sum())} numbers that are not")
    return x.detach().to("cpu", torch.float64)
