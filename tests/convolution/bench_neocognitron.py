"""Layers of the Neocognitron against plain convolutions, and Gabor kernels against scikit-image's."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from skimage.filters import gabor_kernel

from bench import Case
from dlbook.convolution.gabor import gabor
from dlbook.convolution.neocognitron import Stage
from dlbook.data import mnist


def cases() -> Iterator[Case]:
    """Yield an S-layer on digits, and a kernel."""
    images = mnist().x_train[:500].float() / 255
    stage = Stage(1, 24, padding=2, generator=torch.Generator().manual_seed(0))
    yield Case(
        "Stage.s_layer",
        "500 images of 28 x 28, 24 planes of 5 x 5",
        lambda: stage.s_layer(images),
        lambda: F.relu(F.conv2d(images, stage.excite, padding=2)),
        "torch.nn.functional.conv2d and relu",
        "the inhibition: a second correlation, of the squares, and a division",
    )
    yield Case(
        "gabor",
        "one kernel of 61 x 61",
        lambda: gabor(61, orientation=0.5, wavelength=15, width=10),
        lambda: gabor_kernel(1 / 15, theta=0.5, sigma_x=10, sigma_y=10, n_stds=3).real,
        "skimage.filters.gabor_kernel",
    )
