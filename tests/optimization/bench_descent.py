"""`gradient_descent` against a loop around `torch.optim.SGD`, `numerical_gradient` against SciPy's differences."""

from collections.abc import Iterator

import numpy as np
import torch
from scipy.differentiate import jacobian
from torch import Tensor

from bench import Case
from dlbook.optimization.descent import gradient_descent, numerical_gradient


def cases() -> Iterator[Case]:
    """Yield a long walk in few and in many dimensions, and the partial derivatives of a function of a hundred."""
    for d, steps in ((2, 1000), (784, 1000)):
        diagonal, start = torch.linspace(0.01, 1, d), torch.ones(d)

        def bowl(x: Tensor, diagonal: Tensor = diagonal) -> Tensor:
            return (diagonal * x * x).sum() / 2

        def theirs(start: Tensor = start, bowl=bowl, steps: int = steps) -> Tensor:  # type: ignore[no-untyped-def]
            x = start.clone().requires_grad_()
            optimizer, path = torch.optim.SGD([x], lr=1.0), [start]
            for _ in range(steps):
                optimizer.zero_grad()
                bowl(x).backward()
                optimizer.step()
                path.append(x.detach().clone())
            return torch.stack(path)

        yield Case(
            "gradient_descent",
            f"{d} parameters, {steps:,} steps",
            lambda s=start, f=bowl, n=steps: gradient_descent(f, s, lr=1.0, steps=n),  # type: ignore[misc]
            theirs,
            "torch.optim.SGD in a loop that keeps the path",
        )
    x = torch.linspace(-1, 1, 100, dtype=torch.float64)
    yield Case(
        "numerical_gradient",
        "100 parameters",
        lambda: numerical_gradient(lambda x: torch.sin(x).sum(), x),
        lambda: jacobian(lambda x: np.sin(x).sum(axis=0), x.numpy()),
        "scipy.differentiate.jacobian, whose order adapts",
        "takes a function of one point, as a loss is, and calls it twice a parameter; SciPy's is called with all points "
        "at once",
    )
