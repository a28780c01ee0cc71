"""Histograms of oriented gradients against scikit-image's, on digits and on photographs."""

from collections.abc import Iterator

import numpy as np
from skimage.feature import hog as scikit_hog

from bench import Case
from dlbook.data import cifar10, mnist
from dlbook.foundations.features import hog


def cases() -> Iterator[Case]:
    """Yield digits and photographs, both without interpolation, which scikit-image does not have."""
    digits = mnist().x_train[:500].double().numpy() / 256
    photographs = cifar10().x_train[:500].double().numpy() / 256

    def theirs(images: np.ndarray, cell: int) -> object:
        return [scikit_hog(image.transpose(1, 2, 0), 9, (cell, cell), (2, 2), channel_axis=2) for image in images]

    for images, cell in ((digits, 4), (photographs, 8)):
        n, c, h, w = images.shape
        yield Case(
            "hog",
            f"{n} images of {c} x {h} x {w}, cells of {cell}",
            lambda images=images, cell=cell: hog(images, cell=cell, interpolate=False),  # type: ignore[misc]
            lambda images=images, cell=cell: theirs(images, cell),  # type: ignore[misc]
            "skimage.feature.hog",
        )
