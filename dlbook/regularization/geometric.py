"""Images moved, turned and scaled, each by its own draw: LeCun, Bottou, Bengio and Haffner (1998).

A warped image is made backward: for each place of the new image an affine map says where in the old one to look, and
bilinear interpolation says what is there.  Outside of an image is 0.

Axes: b images, c channels, h and w pixels.  Places are (x, y) in pixels from the center, x to the right, y down.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dlbook._checks import axes

__all__ = ["affine", "centers", "inverse_map", "random_affine", "random_shift", "rotate", "sample"]


def random_shift(images: Tensor, pixels: int, *, generator: Generator) -> Tensor:
    """Move each image by whole pixels, down and to the right, up to ``pixels`` either way; what enters is 0.

    No pixel is interpolated, so a shift is the one warp that costs no sharpness.

    Parameters
    ----------
    images : (b, c, h, w)
        Of any dtype.
    pixels : int
        Each of the ``(2 pixels + 1)**2`` shifts is as likely.
    generator : torch.Generator

    Examples
    --------
    >>> random_shift(torch.eye(3)[None, None], 1, generator=torch.Generator().manual_seed(0))[0, 0].tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    b, _, h, w = axes("images", images, "b c h w")
    if pixels < 0:
        raise ValueError(f"pixels is at least 0, found {pixels}")
    starts = torch.randint(2 * pixels + 1, (2, b, 1), generator=generator, device=generator.device).to(images.device)
    rows = starts[0] + torch.arange(h, device=images.device)
    columns = starts[1] + torch.arange(w, device=images.device)
    padded = F.pad(images, (pixels, pixels, pixels, pixels)).movedim(1, -1)
    every = torch.arange(b, device=images.device)[:, None, None]
    return padded[every, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def centers(h: int, w: int, *, like: Tensor) -> Tensor:
    """Return the places of the pixels of an image.

    Parameters
    ----------
    h, w : int
    like : Tensor
        Has the device and the dtype of the result.

    Returns
    -------
    (h, w, 2)
        x and y, in pixels from the center of the image.

    Examples
    --------
    >>> centers(1, 3, like=torch.zeros(())).tolist()
    [[[-1.0, 0.0], [0.0, 0.0], [1.0, 0.0]]]
    """
    x = torch.arange(w, device=like.device, dtype=like.dtype) - (w - 1) / 2
    y = torch.arange(h, device=like.device, dtype=like.dtype) - (h - 1) / 2
    return torch.stack([x.expand(h, w), y[:, None].expand(h, w)], dim=-1)


def sample(images: Tensor, places: Tensor) -> Tensor:
    """Look up what is at given places, by bilinear interpolation of the four nearest pixels; outside is 0.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    places : (b, p, q, 2)
        x and y, in pixels from the center; in float32 or more, since half precision is off by parts of a pixel.

    Returns
    -------
    (b, c, p, q)
        Like ``images``.

    Examples
    --------
    >>> sample(torch.tensor([[[[1.0, 2.0]]]]), torch.zeros(1, 1, 1, 2)).item()
    1.5
    """
    b, _, h, w = axes("images", images, "b c h w")
    axes("places", places, "b p q 2", b=b)
    if not images.is_floating_point():
        raise ValueError(f"images are floats, found {images.dtype}: a mean of bytes is no byte")
    wide = torch.promote_types(images.dtype, places.dtype)
    grid = 2 * places / places.new_tensor([w, h])  # torch measures from -1 to 1, edge to edge
    return F.grid_sample(images.to(wide), grid.to(wide), align_corners=False).to(images.dtype)


def inverse_map(degrees: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return the maps that look up where a pixel of a turned, enlarged, then moved image comes from.

    An image turned counterclockwise by θ, enlarged by s and moved by t has at the place p what was at
    ``R(θ) (p - t) / s``; R turns clockwise where y points down.

    Parameters
    ----------
    degrees : (b,)
        Counterclockwise.
    scale : (b,)
        2 makes strokes twice as long.
    shift : (b, 2)
        To the right and down, in pixels.

    Returns
    -------
    (b, 2, 3)
        For :func:`affine`: a matrix, and what it adds.

    Examples
    --------
    >>> inverse_map(torch.tensor([0.0]), torch.tensor([2.0]), torch.tensor([[3.0, 1.0]]))[0, :, 2].tolist()
    [-1.5, -0.5]
    """
    (b,) = axes("degrees", degrees, "b")
    axes("scale", scale, "b", b=b)
    axes("shift", shift, "b 2", b=b)
    angle = degrees * (math.pi / 180)
    cos, sin = angle.cos() / scale, angle.sin() / scale
    matrix = torch.stack([torch.stack([cos, -sin], dim=-1), torch.stack([sin, cos], dim=-1)], dim=1)
    added = -(matrix * shift[:, None]).sum(dim=2, keepdim=True)
    return torch.cat([matrix, added], dim=2)


def affine(images: Tensor, maps: Tensor) -> Tensor:
    """Fill each pixel from the place where an affine map says that it comes from, by bilinear interpolation.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    maps : (b, 2, 3)
        Take ``(x, y, 1)``, a place of the new image, to a place of the old one, both in pixels from the center.

    Examples
    --------
    >>> half_a_pixel = torch.tensor([[[1.0, 0.0, 0.5], [0.0, 1.0, 0.0]]])
    >>> affine(torch.tensor([[[[0.0, 2.0, 4.0, 6.0]]]]), half_a_pixel).flatten().tolist()
    [1.0, 3.0, 5.0, 3.0]
    """
    b, _, h, w = axes("images", images, "b c h w")
    axes("maps", maps, "b 2 3", b=b)
    x, y = centers(h, w, like=maps).unbind(dim=-1)
    along_x, along_y, added = maps[:, None, None].unbind(dim=-1)
    return sample(images, along_x * x[..., None] + along_y * y[..., None] + added)


def rotate(images: Tensor, degrees: float | Tensor) -> Tensor:
    """Turn images counterclockwise about their centers.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    degrees : float or (b,)

    Examples
    --------
    >>> rotate(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 90).round(decimals=4).tolist()
    [[[[2.0, 4.0], [1.0, 3.0]]]]
    """
    b = axes("images", images, "b c h w")[0]
    wide = torch.promote_types(images.dtype, torch.float32)
    angles = torch.as_tensor(degrees, dtype=wide, device=images.device)
    if angles.ndim:
        axes("degrees", angles, "b", b=b)
    angles = angles.expand(b)
    return affine(images, inverse_map(angles, torch.ones_like(angles), angles.new_zeros(b, 2)))


def random_affine(
    images: Tensor, *, degrees: float = 0.0, scale: float = 0.0, shift: float = 0.0, generator: Generator
) -> Tensor:
    """Turn, enlarge and move each image by its own draws, uniform and independent.

    Parameters
    ----------
    images : (b, c, h, w)
        Floats.
    degrees : float
        Angles lie within ± this.
    scale : float
        Factors lie between 1 - this and 1 + this; less than 1.
    shift : float
        Either coordinate moves by up to this many pixels, whole or not.
    generator : torch.Generator

    Examples
    --------
    >>> x = torch.rand(5, 1, 28, 28)
    >>> random_affine(x, degrees=15, scale=0.1, shift=2, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 1, 28, 28])
    """
    b = axes("images", images, "b c h w")[0]
    if not (0 <= degrees < math.inf and 0 <= scale < 1 and 0 <= shift < math.inf):
        found = f"degrees {degrees}, scale {scale}, shift {shift}"
        raise ValueError(f"ranges are at least 0 and finite, scale below 1, found {found}")
    draws = torch.rand(b, 4, generator=generator, device=generator.device).to(images.device) * 2 - 1
    return affine(images, inverse_map(degrees * draws[:, 0], 1 + scale * draws[:, 1], shift * draws[:, 2:]))
