"""Likelihood and ancestral sampling of images whose pixels are predicted one after the other, in raster order.

The chain rule p(x) = ∏ p(xᵢ | x₁, …, xᵢ₋₁) is eq. (1) of van den Oord, Kalchbrenner and Kavukcuoglu (2016),
arXiv:1601.06759. A model gives all factors of a known image at once, as logits; a new image is drawn pixel by pixel.
Axes: b images, one channel, h rows, w columns.
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dlbook._checks import axes

__all__ = ["Autoregressive", "Predict", "check_images", "complete", "log_likelihood", "sample", "whole_image"]

Predict = Callable[[Tensor, int, int], Tensor]  # images (b, 1, h, w), row, column → logits (b,) of that pixel


class Autoregressive(Protocol):
    """What can be drawn from: a model that predicts a pixel from those before it."""

    def predictor(self) -> Predict:
        """Return a function that is called for the pixels of a row from left to right, row after row."""


def log_likelihood(logits: Tensor, x: Tensor) -> Tensor:
    """Return log p(x) (b,) in nats: the sum of the log probabilities of all pixels, each given those before it.

    Parameters
    ----------
    logits : (b, 1, h, w)
        Of the probability that a pixel is 1. Half precision is summed in single.
    x : (b, 1, h, w)
        Pixels, 0 or 1.

    Examples
    --------
    >>> two_coins = log_likelihood(torch.zeros(1, 1, 1, 2), torch.tensor([[[[0.0, 1.0]]]]))
    >>> round(two_coins.exp().item(), 4)
    0.25
    """
    b, h, w = check_images(x)
    axes("logits", logits, "b 1 h w", b=b, h=h, w=w)
    wide = torch.promote_types(logits.dtype, torch.float32)
    nats = F.binary_cross_entropy_with_logits(logits.to(wide), x.to(wide), reduction="none")
    return -nats.sum(dim=(1, 2, 3))


def check_images(x: Tensor, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
    """Return (b, h, w) of images of one channel, and of ``size`` if given, or say what is wrong with them."""
    b, _, h, w = axes("x", x, "b 1 h w") if size is None else axes("x", x, "b 1 h w", h=size[0], w=size[1])
    if not x.is_floating_point():
        raise ValueError(f"x holds pixels 0 or 1 as floating numbers, found {x.dtype}: (x >= 128).float() for bytes")
    return b, h, w


def whole_image(model: Callable[[Tensor], Tensor]) -> Predict:
    """Return the slow predictor of any ``model`` from images to logits: it computes all pixels and uses one.

    Examples
    --------
    >>> predict = whole_image(lambda x: 2 * x)
    >>> predict(torch.ones(1, 1, 3, 3), 0, 2)
    tensor([2.])
    """
    return lambda x, i, j: model(x)[:, 0, i, j]


@torch.no_grad()
def complete(
    model: Autoregressive | Predict, x: Tensor, known: Tensor, *, generator: Generator | None = None
) -> Tensor:
    """Draw the pixels that are not known, in raster order, each from its probability given all pixels before it.

    Where all that is known comes before all that is not, as with the upper half of an image, this is a draw from the
    model's p(rest | known). A known pixel further down has no say in what is drawn before it.

    Parameters
    ----------
    model : has ``predictor()``, as all models of this part's first chapter, or is such a predictor
    x : (b, 1, h, w)
        Floating, on the model's device, and of its ``size`` if it has one; what is not known may hold anything.
    known : bool, broadcasts to (b, 1, h, w)
    generator : torch.Generator, optional
        One uniform number is drawn for each pixel of ``x``, where the generator lives.

    Returns
    -------
    (b, 1, h, w)
        A new tensor: as ``x`` where ``known``, else 0 or 1.

    Examples
    --------
    >>> copy_left = lambda x, i, j: 200 * (x[:, 0, i, j - 1] - 0.5)  # surely like the pixel before
    >>> x = torch.tensor([[[[1.0, 0, 0], [0, 1, 1]]]])
    >>> complete(copy_left, x, torch.tensor([True, False, False]))
    tensor([[[[1., 1., 1.],
              [0., 0., 0.]]]])
    """
    _, h, w = check_images(x, getattr(model, "size", None))
    if known.dtype != torch.bool:
        raise ValueError(f"known is True where a pixel is kept, a tensor of bool, found {known.dtype}")
    try:
        known = known.to(x.device).broadcast_to(x.shape)
    except RuntimeError as error:
        raise ValueError(f"known broadcasts to {tuple(x.shape)}, found shape {tuple(known.shape)}") from error
    place = x.device if generator is None else generator.device
    u = torch.rand(x.shape, generator=generator, device=place).to(x.device)
    x = x.masked_fill(~known, 0)
    predict = model if not hasattr(model, "predictor") else model.predictor()
    for i in range(h):
        if known[:, :, i].all():
            continue
        for j in range(w):
            drawn = (u[:, 0, i, j] < predict(x, i, j).sigmoid()).to(x.dtype)
            x[:, 0, i, j] = torch.where(known[:, 0, i, j], x[:, 0, i, j], drawn)
    return x


def sample(
    model: Autoregressive | Predict, n: int, size: tuple[int, int], *, like: Tensor, generator: Generator | None = None
) -> Tensor:
    """Draw ``n`` images (n, 1, h, w) of a size (h, w), of the device and dtype of ``like``.

    Examples
    --------
    >>> white = lambda x, i, j: -100 - x[:, 0, i, j]
    >>> sample(white, 2, (3, 3), like=torch.zeros(1)).sum().item()
    0.0
    """
    if n < 0:
        raise ValueError(f"n counts images, at least 0, found {n}")
    return complete(model, like.new_zeros(n, 1, *size), torch.zeros((), dtype=torch.bool), generator=generator)
