"""Gabor models of simple and complex cells: Daugman (1985), J. Opt. Soc. Am. A 2, 1160-1169.

Axes: n images, k kernels, s and t places of a kernel, h and w places.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes

__all__ = ["complex_cells", "gabor", "gabor_bank", "simple_cells"]


def gabor(
    kernel_size: int, *, orientation: float, wavelength: float, width: float, phase: float = 0.0, aspect: float = 1.0
) -> Tensor:
    """Sample a plane wave under a Gaussian that sums to one, the model of a simple cell (Daugman, 1985).

    Parameters
    ----------
    kernel_size : int
        Side of the kernel, odd.
    orientation : float
        Direction in which the wave runs, radians, from the columns' axis toward the rows' (its stripes are across).
    wavelength : float
        Pixels a period.
    width : float
        Standard deviation of the Gaussian along the wave, in pixels.
    phase : float
        0 is even, π/2 odd.
    aspect : float
        The Gaussian's width along the wave over that along the stripes; below 1 the kernel is longer than wide.

    Returns
    -------
    (kernel_size, kernel_size) float64

    Examples
    --------
    >>> gabor(3, orientation=0, wavelength=4, width=1)[1].mul(100).round().tolist()  # crest in the middle, zero beside
    [0.0, 16.0, 0.0]
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is odd and positive, found {kernel_size}")
    if not (wavelength > 0 and width > 0 and aspect > 0):
        raise ValueError(f"wavelength, width and aspect are above zero, found {wavelength}, {width}, {aspect}")
    place = torch.arange(kernel_size, dtype=torch.float64) - kernel_size // 2
    y, x = place[:, None], place[None, :]
    along = x * math.cos(orientation) + y * math.sin(orientation)
    across = y * math.cos(orientation) - x * math.sin(orientation)
    envelope = torch.exp(-(along**2 + (aspect * across) ** 2) / (2 * width**2)) * aspect / (2 * math.pi * width**2)
    return envelope * torch.cos(2 * math.pi * along / wavelength + phase)


def gabor_bank(kernel_size: int, orientations: int, *, wavelength: float, width: float, aspect: float = 1.0) -> Tensor:
    """Return even and odd kernels of orientations spread evenly over half a turn.

    Returns
    -------
    (orientations, 2, kernel_size, kernel_size) float64
        ``[:, 0]`` even, ``[:, 1]`` odd: each row is a quadrature pair for :func:`complex_cells`.

    Examples
    --------
    >>> gabor_bank(9, 4, wavelength=6, width=2).shape
    torch.Size([4, 2, 9, 9])
    """
    if orientations < 1:
        raise ValueError(f"orientations is at least 1, found {orientations}")
    return torch.stack(
        [
            torch.stack(
                [
                    gabor(
                        kernel_size,
                        orientation=math.pi * i / orientations,
                        wavelength=wavelength,
                        width=width,
                        phase=phase,
                        aspect=aspect,
                    )
                    for phase in (0.0, math.pi / 2)
                ]
            )
            for i in range(orientations)
        ]
    )


def simple_cells(images: Tensor, kernels: Tensor) -> Tensor:
    """Rectified responses of kernels at every place where they fit: (n, 1, h, w), (k, s, t) → (n, k, h', w').

    Examples
    --------
    >>> simple_cells(torch.tensor([[[[1.0, 2, 4]]]]), torch.tensor([[[-1.0, 1]], [[1.0, -1]]]))[0].tolist()
    [[[1.0, 2.0]], [[0.0, 0.0]]]
    """
    return F.relu(_correlate(images, kernels))


def complex_cells(images: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """Length of the responses of quadrature pairs (Adelson and Bergen, 1985): (n, 1, h, w), twice (k, s, t).

    A complex cell adds the squares of four simple cells, even and odd and their negatives, and takes the root.

    Examples
    --------
    >>> complex_cells(torch.tensor([[[[3.0, 4]]]]), torch.tensor([[[1.0, 0]]]), torch.tensor([[[0.0, 1]]])).item()
    5.0
    """
    if even.shape != odd.shape:
        raise ValueError(f"even and odd kernels have one shape, found {tuple(even.shape)} and {tuple(odd.shape)}")
    return torch.hypot(_correlate(images, even), _correlate(images, odd))


def _correlate(images: Tensor, kernels: Tensor) -> Tensor:
    axes("images", images, "n 1 h w")
    axes("kernels", kernels, "k s t")
    return F.conv2d(images, kernels[:, None])
