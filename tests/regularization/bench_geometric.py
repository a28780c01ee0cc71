"""Affine maps and elastic deformations against `torch` and SciPy, shares against `torch.distributions`."""

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch.distributions import Beta

from bench import Case
from dlbook.regularization.elastic import elastic
from dlbook.regularization.geometric import affine, inverse_map
from dlbook.regularization.mixing import symmetric_beta


def scipy_elastic(images: np.ndarray) -> np.ndarray:
    """Bend each image by a field that SciPy blurs and looks up."""
    rng = np.random.default_rng(0)
    rows, columns = np.meshgrid(np.arange(28), np.arange(28), indexing="ij")
    bent = np.empty_like(images)
    for i, image in enumerate(images):
        noise = rng.uniform(-1, 1, (2, 52, 52)).astype(np.float32)
        down, right = (34 * ndimage.gaussian_filter(one, 4.0, radius=12)[12:-12, 12:-12] for one in noise)
        bent[i] = ndimage.map_coordinates(image, [rows + down, columns + right], order=1)
    return bent


def cases() -> Iterator[Case]:
    """Yield a batch of digits that is turned, one that is bent, and shares of a batch."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(256, 1, 28, 28, generator=generator)
    angles = 30 * torch.rand(256, generator=generator)
    maps = inverse_map(angles, torch.ones(256), torch.zeros(256, 2))
    yield Case(
        "geometric.affine",
        "256 images of 28 x 28",
        lambda: affine(images, maps),
        lambda: F.grid_sample(images, F.affine_grid(maps, [256, 1, 28, 28], align_corners=False), align_corners=False),
        "torch affine_grid, grid_sample",
    )
    yield Case(
        "elastic.elastic",
        "256 images of 28 x 28, sigma 4",
        lambda: elastic(images, generator=generator),
        lambda: scipy_elastic(images[:, 0].numpy()),
        "scipy.ndimage, image by image",
    )
    law = Beta(torch.tensor(0.4), torch.tensor(0.4))
    yield Case(
        "mixing.symmetric_beta",
        "10,000 shares",
        lambda: symmetric_beta(0.4, 10_000, generator=generator),
        lambda: law.sample((10_000,)),
        "torch.distributions.Beta",
    )
