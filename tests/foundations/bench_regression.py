"""Ridge regression against scikit-learn, and polynomials against NumPy."""

from collections.abc import Iterator

import numpy as np
from bench import Case
from sklearn.linear_model import Ridge

from dlbook.foundations.regression import fit_polynomial, ridge


def cases() -> Iterator[Case]:
    """Yield small and realistic sizes."""
    rng = np.random.default_rng(0)
    for n, d in ((100, 10), (2000, 300)):
        x, y = rng.normal(size=(n, d)), rng.normal(size=n)
        yield Case(
            "ridge",
            f"{n:,} x {d}",
            lambda x=x, y=y: ridge(x, y, 1.0),  # type: ignore[misc]
            lambda x=x, y=y: Ridge(alpha=1.0, fit_intercept=False, solver="svd").fit(x, y),  # type: ignore[misc]
            'sklearn.linear_model.Ridge(solver="svd")',
        )
    x, y = rng.normal(size=1000), rng.normal(size=1000)
    yield Case(
        "fit_polynomial",
        "1,000 points, degree 5",
        lambda: fit_polynomial(x, y, 5),
        lambda: np.polyfit(x, y, 5),
        "numpy.polyfit",
    )
