"""Polynomials against `numpy.polyfit`, ridge against scikit-learn's, one target and ten."""

from collections.abc import Iterator

import numpy as np
from sklearn.linear_model import Ridge

from bench import Case
from dlbook.data import mnist
from dlbook.foundations.regression import fit_polynomial, ridge


def cases() -> Iterator[Case]:
    """Yield a small and a realistic size of each."""
    rng = np.random.default_rng(0)
    for n, degree in ((100, 5), (100_000, 9)):
        x = rng.uniform(-1, 1, n)
        y = np.sin(3 * x) + rng.normal(size=n)
        yield Case(
            "fit_polynomial",
            f"{n:,} points, degree {degree}",
            lambda x=x, y=y, k=degree: fit_polynomial(x, y, k),  # type: ignore[misc]
            lambda x=x, y=y, k=degree: np.polyfit(x, y, k),  # type: ignore[misc]
            "numpy.polyfit",
        )
    digits = mnist()
    images = digits.x_train[:3000].flatten(1).double().numpy() / 256
    for name, y in (
        ("1 target", digits.y_train[:3000].double().numpy()),
        ("10 targets", np.eye(10)[digits.y_train[:3000]]),
    ):
        yield Case(
            "ridge",
            f"3,000 x 784, {name}",
            lambda x=images, y=y: ridge(x, y, strength=1.0),  # type: ignore[misc]
            lambda x=images, y=y: Ridge(alpha=1.0, fit_intercept=False, solver="svd").fit(x, y),  # type: ignore[misc]
            "sklearn.linear_model.Ridge, solver svd",
        )
