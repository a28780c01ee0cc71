"""Nearest points of two hulls against a support vector machine with a hard margin, whose street they hold."""

from collections.abc import Iterator

import numpy as np
from sklearn.svm import SVC

from bench import Case
from dlbook.perceptron.separability import nearest_hull_points


def cases() -> Iterator[Case]:
    """Yield separable clouds in the plane and in many dimensions."""
    rng = np.random.default_rng(0)
    for n, d in ((1000, 2), (500, 50)):
        c, e = rng.normal(size=(n, d)), rng.normal(size=(n, d))
        e[:, 0] += 12
        x, y = np.vstack([c, e]), np.repeat([-1, 1], n)
        yield Case(
            "nearest_hull_points",
            f"two clouds of {n:,} points in {d} dimensions",
            lambda c=c, e=e: nearest_hull_points(c, e),  # type: ignore[misc]
            lambda x=x, y=y: SVC(kernel="linear", C=1e6).fit(x, y),  # type: ignore[misc]
            "sklearn.svm.SVC with C = 1,000,000",
            "buys an exact end after finitely many steps, in NumPy, where the other stops within a tolerance, in C++",
        )
