"""Fréchet distance against SciPy's matrix root, precision and recall against scikit-learn's neighbors."""

from collections.abc import Iterator

import numpy as np
import scipy.linalg
import torch
from sklearn.neighbors import NearestNeighbors

from bench import Case
from dlbook.generative.sample_quality import frechet_distance, precision_recall


def by_scipy(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the Fréchet distance as the program of its authors does."""
    first, second = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * np.real(root)))


def by_sklearn(real: np.ndarray, fake: np.ndarray) -> tuple[float, float]:
    """Compute precision and recall from neighbors and distances of scikit-learn and NumPy."""
    shares = []
    for points, by in ((fake, real), (real, fake)):
        radius = NearestNeighbors(n_neighbors=4).fit(by).kneighbors(by)[0][:, 3]
        nearest = NearestNeighbors(radius=float(radius.max())).fit(by).radius_neighbors(points)
        inside = [bool((d <= radius[i]).any()) for d, i in zip(*nearest, strict=True)]
        shares.append(float(np.mean(inside)))
    return shares[0], shares[1]


def cases() -> Iterator[Case]:
    """Yield both measures for a thousand images with the features of LeNet."""
    a, b = (
        torch.randn(1000, 84, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) for seed in (0, 1)
    )
    yield Case(
        "Fréchet distance",
        "1,000 against 1,000, 84 features",
        lambda: frechet_distance(a, b),
        lambda: by_scipy(a.numpy(), b.numpy()),
        "scipy.linalg.sqrtm",
    )
    yield Case(
        "precision and recall",
        "1,000 against 1,000, 84 features",
        lambda: precision_recall(a, b),
        lambda: by_sklearn(a.numpy(), b.numpy()),
        "sklearn.neighbors",
        note="distances by differences and not by products: a copy must be at distance zero of its original",
    )
