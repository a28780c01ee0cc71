"""The memorizer against least squares on its hidden units, margins against two largest scores."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.regularization.memorization import margins, memorize, spectral_complexity


def by_lstsq(x: torch.Tensor, y: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Find the output weights without a look at the triangle."""
    places = x @ direction
    threshold = torch.cat([places.min()[None] - 1, places.sort().values[:-1]])
    return torch.linalg.lstsq(torch.relu(places[:, None] - threshold), y[:, None]).solution


def by_topk(score: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Subtract the largest score, or the second where the target is the largest."""
    values, places = score.topk(2, dim=1)
    other = torch.where(places[:, 0] == target, values[:, 1], values[:, 0])
    return score.gather(1, target[:, None])[:, 0] - other


def cases() -> Iterator[Case]:
    """Yield the sizes of the chapter, and margins of a thousand classes."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(1000, 2352, generator=generator).double(), torch.randn(1000, generator=generator).double()
    direction = torch.randn(2352, generator=generator).double()
    yield Case(
        "memorize",
        "1,000 examples, 2,352 features",
        lambda: memorize(x, y, direction),
        lambda: by_lstsq(x, y, direction),
        "torch.linalg.lstsq",
    )
    for n, k in ((1000, 10), (1000, 1000)):
        score, target = torch.randn(n, k, generator=generator), torch.randint(k, (n,), generator=generator)
        yield Case(
            "margins",
            f"{n:,} examples, {k:,} classes",
            lambda score=score, target=target: margins(score, target),
            lambda score=score, target=target: by_topk(score, target),
            "torch.topk",
        )
    weights = [torch.randn(512, 784, generator=generator), torch.randn(10, 512, generator=generator)]
    zeros = [torch.zeros_like(weight) for weight in weights]
    yield Case(
        "spectral_complexity",
        "784 - 512 - 10",
        lambda: spectral_complexity(weights, zeros),
        lambda: [torch.linalg.svdvals(weight).max() for weight in weights],
        "torch.linalg.svdvals, the norms alone",
    )
