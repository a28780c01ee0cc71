"""The likelihood of stored images, by products, against counting differences with `torch.cdist`."""

import math
from collections.abc import Iterator

import torch

from bench import Case
from dlbook.generative.rulers import StoredImages


def counted(x: torch.Tensor, stored: torch.Tensor, flip: float) -> torch.Tensor:
    """Return log p(x) (b,) from a count of the pixels in which images differ."""
    differ = torch.cdist(x.flatten(1), stored.flatten(1), p=0)
    same = x[0].numel() - differ
    return (differ * math.log(flip) + same * math.log1p(-flip)).logsumexp(dim=1) - math.log(len(stored))


def cases() -> Iterator[Case]:
    """Yield a hundred images against as many as the chapter stores."""
    generator = torch.Generator().manual_seed(0)
    for stored in (1_000, 20_000):
        x, y = ((torch.rand(n, 1, 28, 28, generator=generator) < 0.1).float() for n in (100, stored))
        model = StoredImages(y, flip=0.05)
        yield Case(
            "StoredImages.log_prob",
            f"100 images of 28 x 28, {stored:,} stored",
            lambda model=model, x=x: model.log_prob(x),
            lambda x=x, y=y: counted(x, y, 0.05),
            "torch.cdist, p = 0",
        )
