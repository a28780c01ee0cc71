"""Elastic deformations: Simard, Steinkraus and Platt (2003), doi:10.1109/ICDAR.2003.1227801.

Every pixel is sent somewhere at random; blurred, neighbors go together, as if the digit were drawn on rubber.

Paper → code: α → ``alpha``, σ → ``sigma``, both in pixels.  Axes: b images, c channels, h and w pixels.
"""

import math

import torch
from torch import Generator, Tensor

from dlbook._checks import axes
from dlbook.regularization.geometric import centers, sample

__all__ = ["displace", "elastic", "gaussian_band", "random_field", "rms_displacement"]


def gaussian_band(n: int, sigma: float) -> Tensor:
    """Return the matrix that blurs ``n + 2r`` numbers to the ``n`` in their middle, r = ⌈3 sigma⌉.

    Parameters
    ----------
    n : int
    sigma : float
        Standard deviation of the Gaussian, in pixels.

    Returns
    -------
    (n, n + 2r)
        Float64; each row is the same bell, one place further right, and sums to one.

    Examples
    --------
    >>> gaussian_band(1, 1 / 3).round(decimals=3).tolist()
    [[0.011, 0.978, 0.011]]
    """
    if not 0 < sigma < math.inf:
        raise ValueError(f"sigma is above 0 and finite, found {sigma}")
    radius = math.ceil(3 * sigma)
    distance = (
        torch.arange(n + 2 * radius, dtype=torch.float64) - torch.arange(n, dtype=torch.float64)[:, None] - radius
    )
    bell = torch.exp(-(distance**2) / (2 * sigma**2)) * (distance.abs() <= radius)
    return bell / bell.sum(dim=1, keepdim=True)


def random_field(b: int, h: int, w: int, *, alpha: float, sigma: float, generator: Generator) -> Tensor:
    """Draw displacements for the pixels of ``b`` images: uniform noise in [-1, 1], blurred, times ``alpha``.

    The noise extends beyond the image, so that pixels at the edge move as far as others.

    Parameters
    ----------
    b, h, w : int
    alpha : float
        Strength, in pixels.
    sigma : float
        Standard deviation of the blur, in pixels: the distance over which pixels move together.
    generator : torch.Generator

    Returns
    -------
    (b, 2, h, w)
        To the right and down, in pixels, on the device of the generator.
    """
    if not (0 <= alpha < math.inf and 0 < sigma < math.inf):
        raise ValueError(f"alpha is at least 0 and sigma above 0, both finite, found {alpha} and {sigma}")
    margin = 2 * math.ceil(3 * sigma)
    noise = torch.rand(b, 2, h + margin, w + margin, generator=generator, device=generator.device) * 2 - 1
    down, across = gaussian_band(h, sigma).to(noise), gaussian_band(w, sigma).to(noise)
    return alpha * (down @ noise @ across.T)


def rms_displacement(alpha: float, sigma: float) -> float:
    """Return the root mean square of either coordinate of a field, for a ``sigma`` of a pixel or more.

    The noise has the variance 1/3, and the squares of the weights of a Gaussian in the plane add up to 1/(4πσ²).

    Examples
    --------
    >>> round(rms_displacement(34, 4), 3)
    1.384
    """
    return alpha / (sigma * math.sqrt(12 * math.pi))


def displace(images: Tensor, field: Tensor) -> Tensor:
    """Fill each pixel from the place that lies ``field`` away from it, by bilinear interpolation; outside is 0.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    field : (b, 2, h, w)
        To the right and down, in pixels.

    Examples
    --------
    >>> from_the_right = torch.tensor([1.0, 0.0])[None, :, None, None].expand(1, 2, 1, 3)
    >>> displace(torch.tensor([[[[1.0, 2.0, 3.0]]]]), from_the_right).flatten().tolist()
    [2.0, 3.0, 0.0]
    """
    b, _, h, w = axes("images", images, "b c h w")
    axes("field", field, "b 2 h w", b=b, h=h, w=w)
    return sample(images, centers(h, w, like=field) + field.movedim(1, -1))


def elastic(images: Tensor, *, alpha: float = 34.0, sigma: float = 4.0, generator: Generator) -> Tensor:
    """Bend each image by a random field of its own.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    alpha : float
        Strength; the default moves a pixel by 1.4 in either direction (root mean square).
    sigma : float
        Smoothness, in pixels.
    generator : torch.Generator

    Examples
    --------
    >>> elastic(torch.rand(5, 1, 28, 28), generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 1, 28, 28])
    """
    b, _, h, w = axes("images", images, "b c h w")
    field = random_field(b, h, w, alpha=alpha, sigma=sigma, generator=generator)
    return displace(images, field.to(images.device))
