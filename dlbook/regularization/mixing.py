"""Examples that nobody drew: mixup and cutout.

Sources: Zhang, Cisse, Dauphin and Lopez-Paz (2017), arXiv:1710.09412; DeVries and Taylor (2017), arXiv:1708.04552.

Paper → code: λ → ``shares``, α → ``alpha``.  Axes: b images, c channels, h and w pixels, k classes.
"""

import math

import torch
from torch import Generator, Tensor

from dlbook._checks import axes

__all__ = ["cutout", "mix", "mixup", "symmetric_beta"]


def symmetric_beta(alpha: float, n: int, *, generator: Generator) -> Tensor:
    """Draw ``n`` shares from Beta(alpha, alpha), without rejecting any.

    If T follows Student's law with 2α degrees of freedom, then (1 + T / √(2α + T²)) / 2 follows Beta(α, α), and
    Bailey (1994) makes T of two uniform numbers: T² = 2α (U^(-1/α) - 1) cos²(2πV).  The two together, in
    a form that does not overflow.

    Parameters
    ----------
    alpha : float
        Small: nearly all shares are close to 0 or 1.  1: uniform.  Large: close to one half.
    n : int
    generator : torch.Generator

    Returns
    -------
    (n,)
        In [0, 1], on the device of the generator.

    Examples
    --------
    >>> shares = symmetric_beta(0.2, 10_000, generator=torch.Generator().manual_seed(0))
    >>> ((shares < 0.1) | (shares > 0.9)).float().mean() > 0.6
    tensor(True)
    """
    if not (alpha > 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha is above 0 and finite, found {alpha}")
    u, v = torch.rand(2, n, generator=generator, device=generator.device)
    power, cosine = u ** (1 / alpha), torch.cos(2 * math.pi * v)
    squared = (1 - power) * cosine**2  # times 1 / power it is T² / 2α
    return (1 + cosine.sign() * torch.sqrt(squared / (power + squared))) / 2


def mix(a: Tensor, b: Tensor, shares: Tensor) -> Tensor:
    """Return ``shares`` of ``a`` and the rest of ``b``, row by row.

    Parameters
    ----------
    a, b : (n, ...)
    shares : (n,)

    Examples
    --------
    >>> mix(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.tensor([0.75])).tolist()
    [[0.75, 0.25]]
    """
    axes("shares", shares, "n", n=len(a))
    if not shares.is_floating_point():
        raise ValueError(f"shares are floats, found {shares.dtype}")
    if a.shape != b.shape:
        raise ValueError(f"a and b have one shape, found {tuple(a.shape)} and {tuple(b.shape)}")
    weights = shares.to(a.dtype if a.is_floating_point() else shares.dtype).reshape(-1, *[1] * (a.ndim - 1))
    return weights * a + (1 - weights) * b


def mixup(images: Tensor, targets: Tensor, *, alpha: float = 1.0, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mix each example with one of its batch, itself included, pixels and targets in the same shares.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    targets : (b, k)
        Floats, as from ``F.one_hot(labels, k).float()``; ``F.cross_entropy`` takes what comes back.
    alpha : float
        The law of the shares is Beta(alpha, alpha).
    generator : torch.Generator

    Returns
    -------
    images : (b, c, h, w)
    targets : (b, k)
        Rows that summed to one still do.

    Examples
    --------
    >>> x, y = mixup(torch.rand(5, 1, 4, 4), torch.eye(5), generator=torch.Generator().manual_seed(0))
    >>> y.sum(dim=1)
    tensor([1., 1., 1., 1., 1.])
    """
    b = axes("images", images, "b c h w")[0]
    axes("targets", targets, "b k", b=b)
    if not (images.is_floating_point() and targets.is_floating_point()):
        raise ValueError(
            f"images and targets are floats, found {images.dtype} and {targets.dtype}: shares are fractions"
        )
    shares = symmetric_beta(alpha, b, generator=generator)
    partners = torch.randperm(b, generator=generator, device=generator.device).to(images.device)
    return (
        mix(images, images[partners], shares.to(images)),
        mix(targets, targets[partners], shares.to(targets)),
    )


def cutout(images: Tensor, size: int, *, generator: Generator) -> Tensor:
    """Set a square of each image to 0, centered at a pixel drawn evenly; it may hang over the edge.

    Parameters
    ----------
    images : (b, c, h, w)
    size : int
        Side of the square, in pixels.
    generator : torch.Generator

    Examples
    --------
    >>> cutout(torch.ones(1, 1, 3, 3), 1, generator=torch.Generator().manual_seed(0)).sum()
    tensor(8.)
    """
    b, _, h, w = axes("images", images, "b c h w")
    if size < 0 or size != int(size):
        raise ValueError(f"size is a whole number of pixels, at least 0, found {size}")

    def covered(n: int) -> Tensor:
        centers = torch.randint(n, (b, 1), generator=generator, device=generator.device).to(images.device)
        offset = torch.arange(n, device=images.device) - centers + size // 2
        return (offset >= 0) & (offset < size)

    rows, columns = covered(h), covered(w)
    return images.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0)
