"""The game of generative adversarial networks: Goodfellow et al. (2014), arXiv:1406.2661, eq. (1), Prop. 1 and Thm. 1.

Paper → code: p_data and p_g → ``p, q``; V(D, G) → :func:`value`; the discriminator D is given by its *logit*, the
logarithm of D / (1 - D), so that nothing overflows; positive means "real".  A generator has no likelihood, so nothing
here has: what these functions compare are answers of a discriminator.  Axes: b examples, k outcomes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes

__all__ = [
    "discriminator_loss",
    "jensen_shannon",
    "minimax_loss",
    "non_saturating_loss",
    "optimal_discriminator",
    "value",
]


def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """Return the best probability of "real" for each outcome, p / (p + q), Prop. 1.

    Parameters
    ----------
    p, q : (...)
        Probabilities, or densities, of the same outcomes among the real and among the generated examples. Where both
        are zero no answer is better than another, and 1/2 is given.

    Examples
    --------
    >>> optimal_discriminator(torch.tensor([0.75, 0.25, 0.0]), torch.tensor([0.25, 0.75, 0.0]))
    tensor([0.7500, 0.2500, 0.5000])
    """
    _same("q", q, p)
    total = p + q
    never = total == 0
    return torch.where(never, 0.5, p / torch.where(never, 1.0, total))


def jensen_shannon(p: Tensor, q: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence in nats, between 0 and log 2, Thm. 1.

    It is the mean of the Kullback-Leibler divergences of p and of q from their average.

    Parameters
    ----------
    p, q : (..., k)
        Probabilities; the last axis sums to one.

    Examples
    --------
    >>> jensen_shannon(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))  # nothing in common: log 2
    tensor(0.6931)
    """
    _same("q", q, p)
    axes("p", p, "... k", least=1)
    average = (p + q) / 2
    halves = (torch.xlogy(one, one) - torch.xlogy(one, average) for one in (p, q))
    return sum(halves, torch.zeros_like(p)).sum(dim=-1) / 2


def value(real: Tensor, fake: Tensor) -> Tensor:
    """Return the value of the game, eq. (1): the mean of log D on real examples plus that of log(1 - D) on generated.

    The discriminator wants it large, the generator small; both answers being 1/2 throughout makes it -log 4.

    Parameters
    ----------
    real, fake : (..., b)
        Logits of the discriminator; the two may have different numbers of examples.

    Returns
    -------
    value : (...)
        In nats, at most 0.

    Examples
    --------
    >>> value(torch.zeros(3), torch.zeros(5))
    tensor(-1.3863)
    """
    _logits("real", real)
    _logits("fake", fake)
    return F.logsigmoid(real).mean(dim=-1) + F.logsigmoid(-fake).mean(dim=-1)


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return what the discriminator minimizes, minus :func:`value`: logits (..., b) and (..., b) to (...).

    Examples
    --------
    >>> discriminator_loss(torch.zeros(3), torch.zeros(5))
    tensor(1.3863)
    """
    return -value(real, fake)


def minimax_loss(fake: Tensor) -> Tensor:
    """Return the generator's share of :func:`value`, the mean of log(1 - D): logits (..., b) to (...).

    Its slope in a logit is -D / b, which vanishes where the discriminator is sure: the loss saturates.

    Examples
    --------
    >>> minimax_loss(torch.zeros(3))
    tensor(-0.6931)
    """
    _logits("fake", fake)
    return F.logsigmoid(-fake).mean(dim=-1)


def non_saturating_loss(fake: Tensor) -> Tensor:
    """Return the mean of -log D, which Sec. 3 has the generator minimize instead: logits (..., b) to (...).

    Its slope in a logit is -(1 - D) / b, which is largest where the discriminator is sure.

    Examples
    --------
    >>> non_saturating_loss(torch.zeros(3))
    tensor(0.6931)
    """
    _logits("fake", fake)
    return -F.logsigmoid(fake).mean(dim=-1)


def _logits(name: str, x: Tensor) -> None:
    axes(name, x, "... b", least=1)
    if not x.is_floating_point():
        raise ValueError(f"{name} holds logits, which are floats, found {x.dtype}")


def _same(name: str, x: Tensor, other: Tensor) -> None:
    if x.shape != other.shape:
        raise ValueError(f"{name} has the shape of p, {tuple(other.shape)}, found {tuple(x.shape)}")
    for one in (x, other):
        if not one.is_floating_point():
            raise ValueError(f"p and q are floats, found {one.dtype}")
