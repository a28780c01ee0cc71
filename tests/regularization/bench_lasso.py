"""The lasso against coordinate descent of scikit-learn, at the same tolerance of the objective."""

from collections.abc import Iterator

import torch
from sklearn.linear_model import Lasso
from sklearn.linear_model import lasso_path as sklearn_path

from bench import Case
from dlbook.regularization.lasso import largest_strength, lasso, lasso_path


def cases() -> Iterator[Case]:
    """Yield one strength and a path of eleven, for more examples than features and the other way round."""
    stream = torch.Generator().manual_seed(0)
    why = "a step moves all weights at once, at a rate that suits the steepest direction; a coordinate has its own"
    for n, p in ((1000, 196), (200, 1000)):
        x = torch.randn(n, p, generator=stream, dtype=torch.float64)
        y = x[:, :10].sum(1) + torch.randn(n, generator=stream, dtype=torch.float64)
        top = largest_strength(x, y).item()
        model = Lasso(alpha=top / 10, fit_intercept=False, tol=1e-6)
        path = [top * 10 ** (-k / 5) for k in range(11)]
        size = f"{n:,} examples, {p:,} features"
        yield Case(
            "lasso",
            size,
            lambda x=x, y=y, top=top: lasso(x, y, strength=top / 10, tolerance=1e-4),
            lambda x=x, y=y, model=model: model.fit(x.numpy(), y.numpy()),
            "sklearn.linear_model.Lasso, by coordinates",
            why,
        )
        yield Case(
            "lasso_path",
            f"{size}, 11 strengths",
            lambda x=x, y=y, path=path: lasso_path(x, y, strengths=path, tolerance=1e-4),
            lambda x=x, y=y, path=path: sklearn_path(x.numpy(), y.numpy(), alphas=path, tol=1e-6),
            "sklearn.linear_model.lasso_path, by coordinates",
            why,
        )
