"""Losses with their gradient against torch's, and against scikit-learn's where torch has none."""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from sklearn.metrics import hinge_loss
from torch import Generator, Tensor
from torch.nn import functional as F

from bench import Case
from dlbook.foundations import losses


def cases() -> Iterator[Case]:
    """Yield a million scores of two classes, and a batch and a data set's worth of ten."""
    generator = Generator().manual_seed(0)
    score, other = torch.randn(2, 1_000_000, generator=generator)
    sign = torch.randint(0, 2, score.shape, generator=generator) * 2 - 1
    real = sign.float()

    def slope(loss: Callable[..., Tensor], score: Tensor, target: Tensor) -> Callable[[], Tensor]:
        score = score.clone().requires_grad_()
        return lambda: torch.autograd.grad(loss(score, target), score)[0]

    size = "1,000,000 scores, with gradient"
    ones = (real + 1) / 2
    yield Case(
        "binary_nll", size, slope(partial(losses.binary_nll, coding="01"), score, ones),
        slope(F.binary_cross_entropy_with_logits, score, ones),
        "torch.nn.functional.binary_cross_entropy_with_logits",
    )  # fmt: skip
    for name, ours, theirs in (
        ("squared_error", losses.squared_error, F.mse_loss),
        ("absolute_error", losses.absolute_error, F.l1_loss),
    ):
        counterpart = f"torch.nn.functional.{theirs.__name__}"
        yield Case(name, size, slope(ours, score, other), slope(theirs, score, other), counterpart)
    for n in (100, 60_000):
        scores = torch.randn(n, 10, generator=generator)
        target = torch.randint(0, 10, (n,), generator=generator)
        yield Case(
            "cross_entropy",
            f"{n:,} x 10, with gradient",
            slope(losses.cross_entropy, scores, target),
            slope(F.cross_entropy, scores, target),
            "torch.nn.functional.cross_entropy",
        )
    scores64, target64 = scores.double().numpy(), target.numpy()
    yield Case(
        "multiclass_hinge",
        "60,000 x 10",
        lambda: losses.multiclass_hinge(scores, target),
        lambda: hinge_loss(target64, scores64),
        "sklearn.metrics.hinge_loss",
    )
    ours64 = score.double().numpy(), sign.numpy()
    yield Case(
        "hinge",
        "1,000,000 scores",
        lambda: losses.hinge(score, sign),
        lambda: hinge_loss(ours64[1], ours64[0]),
        "sklearn.metrics.hinge_loss",
    )
