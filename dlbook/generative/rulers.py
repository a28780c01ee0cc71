"""Models of binary images that nobody would want, to hold beside those that somebody does; all have exact likelihoods.

After Theis, van den Oord and Bethge (2016), arXiv:1511.01844, Sec. 3.2: a model that stores the data, and one that
draws from another model 99 times in a hundred.  Sums are taken in single precision at least.
Axes: b images, c channels, h rows, w columns; m stored images.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes

__all__ = ["Density", "IndependentPixels", "Mixture", "StoredImages"]


class Density(Protocol):
    """What has a likelihood and can be drawn from."""

    def log_prob(self, x: Tensor) -> Tensor:
        """Return nats (b,)."""

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw n examples."""


class IndependentPixels(nn.Module):
    """Draw every pixel by itself, black as often as in ``x`` with one black and one white image added.

    Parameters
    ----------
    x : (b, c, h, w)
        In {0, 1}.

    Examples
    --------
    >>> model = IndependentPixels(torch.ones(2, 1, 1, 1))  # 3 of 4 are black, with the two that were added
    >>> round(model.log_prob(torch.zeros(1, 1, 1, 1)).exp().item(), 4)
    0.25
    """

    probability: Tensor

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        _pixels(x)
        wide = torch.promote_types(x.dtype, torch.float32)  # half precision cannot count to 60,000
        self.register_buffer("probability", (x.detach().sum(dim=0, dtype=wide) + 1) / (len(x) + 2))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats of images x (b, c, h, w)."""
        _floats("x", x, self.probability)
        x, p = (t.to(torch.promote_types(t.dtype, torch.float32)) for t in (x, self.probability))
        return (torch.xlogy(x, p) + torch.xlogy(1 - x, 1 - p)).sum(dim=(1, 2, 3))

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, c, h, w) of zeros and ones."""
        return (_uniform(n, self.probability, generator) < self.probability).to(self.probability.dtype)


class StoredImages(nn.Module):
    """Take one of m stored images and flip each of its pixels with probability ε: a kernel density of binary images.

    Parameters
    ----------
    x : (m, c, h, w)
        In {0, 1}, at least one image; copied.
    flip : float
        ε, strictly between 0 and 1.

    Examples
    --------
    >>> model = StoredImages(torch.tensor([[[[0.0, 0.0]]], [[[1.0, 1.0]]]]), flip=0.1)
    >>> round(model.log_prob(torch.zeros(1, 1, 1, 2)).exp().item(), 4)  # (0.9 ** 2 + 0.1 ** 2) / 2
    0.41
    """

    stored: Tensor

    def __init__(self, x: Tensor, *, flip: float) -> None:
        super().__init__()
        _pixels(x)
        if len(x) == 0 or not 0 < flip < 1:
            raise ValueError(f"at least one image and a flip between 0 and 1, found {len(x)} and {flip}")
        self.flip = flip
        self.register_buffer("stored", x.detach().clone())

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats of images x (b, c, h, w)."""
        _floats("x", x, self.stored[0])
        wide = torch.promote_types(torch.promote_types(x.dtype, self.stored.dtype), torch.float32)
        a, b = x.flatten(1).to(wide), self.stored.flatten(1).to(wide)
        differ = a.sum(dim=1)[:, None] + b.sum(dim=1) - 2 * a @ b.T  # how many pixels, (b, m)
        nats = differ * math.log(self.flip) + (a.shape[1] - differ) * math.log1p(-self.flip)
        return nats.logsumexp(dim=1) - math.log(len(b))

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, c, h, w) of zeros and ones, each from a stored image that is drawn anew."""
        which = (_uniform(n, self.stored.new_zeros(()), generator) * len(self.stored)).long()
        x = self.stored[which.clamp(max=len(self.stored) - 1)]  # a share just below 1 may round up
        flipped = _uniform(n, self.stored[0], generator) < self.flip
        return torch.where(flipped, 1 - x, x)


class Mixture(nn.Module):
    """Throw a die whose sides are models, and draw from the one that comes up.

    Parameters
    ----------
    models : sequence
        Each has ``log_prob`` and ``sample``, for examples of one shape.
    weights : sequence of float
        Positive, of sum one.

    Examples
    --------
    >>> white, black = (IndependentPixels(torch.full((2, 1, 1, 1), float(k))) for k in (0, 1))  # 3/4 and 1/4 white
    >>> mixture = Mixture([white, black], [0.5, 0.5])
    >>> round(mixture.log_prob(torch.zeros(1, 1, 1, 1)).exp().item(), 4)
    0.5
    """

    def __init__(self, models: Sequence[Density], weights: Sequence[float]) -> None:
        super().__init__()
        weights = tuple(float(weight) for weight in weights)  # of a list, an array or a tensor
        if len(models) != len(weights) or not weights or min(weights) <= 0 or not abs(sum(weights) - 1) <= 1e-6:
            raise ValueError(f"one positive weight for each of {len(models)} models, of sum 1, found {weights}")
        self.models, self.weights = tuple(models), weights
        for k, model in enumerate(models):
            if isinstance(model, nn.Module):
                self.add_module(f"model{k}", model)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats of examples x (b, ...): the log of the weighted sum of all probabilities."""
        each = zip(self.models, self.weights, strict=True)
        nats = torch.stack([math.log(weight) + model.log_prob(x) for model, weight in each])
        return nats.logsumexp(dim=0)

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` examples, in an order in which the models alternate at random."""
        if n < 1:
            return self.models[0].sample(n, generator=generator)
        device = None if generator is None else generator.device
        share = torch.tensor(self.weights, device=device, dtype=torch.float64)
        which = torch.multinomial(share, n, replacement=True, generator=generator)
        counts = torch.bincount(which, minlength=len(share)).tolist()
        drawn = [model.sample(k, generator=generator) for model, k in zip(self.models, counts, strict=True) if k]
        place = which.argsort(stable=True).argsort().to(drawn[0].device)  # of each draw among those sorted by model
        return torch.cat(drawn)[place]


def _uniform(n: int, like: Tensor, generator: Generator | None) -> Tensor:
    """Draw uniform numbers (n, ...) where the generator lives, in single precision at least."""
    if n < 0:
        raise ValueError(f"n counts images, at least 0, found {n}")
    device = like.device if generator is None else generator.device
    dtype = torch.promote_types(like.dtype, torch.float32)
    return torch.rand((n, *like.shape), generator=generator, device=device, dtype=dtype).to(like.device)


def _floats(name: str, x: Tensor, like: Tensor | None = None) -> None:
    """Refuse what is no batch of floats, of images like ``like`` (c, h, w)."""
    _, c, h, w = axes(name, x, "b c h w")
    if like is not None and like.shape != (c, h, w):
        raise ValueError(f"{name} is (b, {', '.join(map(str, like.shape))}), found shape {tuple(x.shape)}")
    if not x.is_floating_point():
        raise ValueError(f"{name} holds pixels 0 or 1 as floats, found {x.dtype}: (x >= 128).float() for bytes")


def _pixels(x: Tensor) -> None:
    """Refuse what a model of binary images cannot be made of."""
    _floats("x", x)
    if not x.is_meta and (wrong := (x != 0) & (x != 1)).any():
        raise ValueError(f"x holds pixels 0 or 1, found {x[wrong][0].item()}: (x >= 0.5).float() for gray ones")
