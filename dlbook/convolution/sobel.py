"""Sobel's operator: how brightness grows, from two kernels of nine numbers (Sobel and Feldman, 1968).

The lecture's G_x, G_y and G → ``right``, ``down`` and ``magnitude``.  Axes: h and w pixels.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook.convolution.convolution import conv2d

__all__ = ["Gradient", "sobel"]


class Gradient(NamedTuple):
    """Sobel's estimate of how the brightness grows, eight times the change from one pixel to the next."""

    right: Tensor  # (..., h, w), the lecture's G_x
    down: Tensor  # (..., h, w), G_y
    magnitude: Tensor  # (..., h, w), G


def sobel(image: Tensor) -> Gradient:
    """Estimate the gradient of brightness, (..., h, w) floats, by the two masks of Sobel and Feldman (1968).

    The masks are *correlated* with the image, so that brightness which grows to the right has a positive ``right``;
    the border is continued by its own pixels, as SciPy does.

    Examples
    --------
    >>> ramp = torch.arange(5.0).expand(3, 5)
    >>> sobel(ramp).right[1]
    tensor([4., 8., 8., 8., 4.])
    """
    if image.ndim < 2 or image.numel() == 0 or not image.is_floating_point():
        raise ValueError(f"image is (..., h, w) of floats, not empty, found {image.dtype} {tuple(image.shape)}")
    right = image.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    maps = F.pad(image.reshape(-1, 1, *image.shape[-2:]), (1, 1, 1, 1), mode="replicate")
    g = conv2d(maps, torch.stack([right, right.T])[:, None])
    x, y = (part.reshape(image.shape) for part in g.unbind(dim=1))
    return Gradient(x, y, torch.hypot(x, y))
