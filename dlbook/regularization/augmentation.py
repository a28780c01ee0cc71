"""New images from old ones: the crops, reflections and colors of Krizhevsky, Sutskever and Hinton (2012), Sec. 4.1.

The paper's p_i, λ_i, α_i → ``vectors``, ``values``, a draw.  Axes: b images, c colors, h and w pixels.
"""

from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Components", "color_components", "pca_color_augmentation", "random_crop_and_flip", "ten_crops"]


class Components(NamedTuple):
    """The directions in which the colors of a set of images vary, the strongest first."""

    vectors: Tensor  # (3, 3), a direction of unit length in each column
    values: Tensor  # (3,), variance along it, in squared units of the images


def random_crop_and_flip(images: Tensor, size: int, *, generator: Generator) -> Tensor:
    """Cut a square out of each image at a random place, and mirror it or not, the first augmentation of Sec. 4.1.

    Parameters
    ----------
    images : (b, c, h, w)
    size : int
        Side of the square, at most h and w.
    generator : torch.Generator

    Returns
    -------
    (b, c, size, size)
        Row by row its own place and its own coin.

    Examples
    --------
    >>> random_crop_and_flip(torch.rand(5, 3, 16, 16), 14, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3, 14, 14])
    """
    _check_crop(images, size)
    b, _, h, w = images.shape

    def draw(places: int) -> Tensor:
        drawn = torch.randint(places, (b, 1), generator=generator, device=generator.device)
        return drawn.to(images.device)

    steps = torch.arange(size, device=images.device)
    rows, columns = draw(h - size + 1) + steps, draw(w - size + 1) + steps
    columns = torch.where(draw(2) == 1, columns.flip(1), columns)
    every = torch.arange(b, device=images.device)[:, None, None]
    return images.movedim(1, -1)[every, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def ten_crops(images: Tensor, size: int) -> Tensor:
    """Cut the four corners and the center out of each image, and mirror them: what the paper averages in the test.

    Parameters
    ----------
    images : (b, c, h, w)
    size : int
        Side of the squares, at most h and w.

    Returns
    -------
    (b, 10, c, size, size)
        Upper left, upper right, lower left, lower right, center, and the same mirrored.

    Examples
    --------
    >>> ten_crops(torch.arange(9.0).reshape(1, 1, 3, 3), 1).flatten().tolist()
    [0.0, 2.0, 6.0, 8.0, 4.0, 0.0, 2.0, 6.0, 8.0, 4.0]
    """
    _check_crop(images, size)
    h, w = images.shape[2:]
    corners = [(0, 0), (0, w - size), (h - size, 0), (h - size, w - size), ((h - size) // 2, (w - size) // 2)]
    crops = torch.stack([images[:, :, top : top + size, left : left + size] for top, left in corners], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1)


def color_components(images: Tensor) -> Components:
    """Return the principal components of the colors of all pixels of all images (Sec. 4.1).

    Parameters
    ----------
    images : (b, 3, h, w)
        Floats, in [0, 1] or any other unit; the variances come in its square.

    Examples
    --------
    >>> gray = torch.linspace(0, 1, 8).expand(1, 3, 1, 8)
    >>> vectors, values = color_components(gray)
    >>> vectors[:, 0].round(decimals=3), values.round(decimals=3)
    (tensor([0.5770, 0.5770, 0.5770]), tensor([0.3670, 0.0000, 0.0000]))
    """
    _check_colors(images)
    if images.numel() < 6 or not images.isfinite().all():
        raise ValueError(f"images are finite, with two pixels or more, found shape {tuple(images.shape)}")
    pixels = images.movedim(1, 0).flatten(1)
    values, vectors = torch.linalg.eigh(pixels.cov())
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    signs = torch.where(vectors.sum(dim=0) < 0, -1.0, 1.0).to(vectors)  # of the two directions the brighter one
    return Components(vectors * signs, values)


def pca_color_augmentation(images: Tensor, components: Components, *, std: float = 0.1, generator: Generator) -> Tensor:
    """Shift the color of each image as a whole by a draw along the principal components, the last lines of Sec. 4.1.

    To every pixel of an image is added the one vector ``p1 a1 λ1 + p2 a2 λ2 + p3 a3 λ3``, with three draws ``a`` of
    deviation ``std`` for each image.  The equation multiplies by *variances*, so its effect depends on the unit of the
    images; it makes sense in [0, 1].

    Parameters
    ----------
    images : (b, 3, h, w)
        Floats in the unit that the components were computed in.
    components : Components
        Of the training images, from :func:`color_components`.
    std : float
        0.1 in the paper.
    generator : torch.Generator

    Examples
    --------
    >>> x = torch.rand(2, 3, 4, 4)
    >>> shifted = pca_color_augmentation(x, color_components(x), generator=torch.Generator().manual_seed(0))
    >>> ((shifted - x).amax(dim=(2, 3)) - (shifted - x).amin(dim=(2, 3)) < 1e-6).all()  # all pixels of an image alike
    tensor(True)
    """
    _check_colors(images)
    if not std >= 0:
        raise ValueError(f"std is at least 0, found {std}")
    draws = torch.randn(len(images), 3, generator=generator, device=generator.device).to(images)
    shift = (std * draws * components.values.to(images)) @ components.vectors.to(images).T
    return images + shift[:, :, None, None]


def _check_crop(images: Tensor, size: int) -> None:
    if images.ndim != 4 or len(images) == 0 or not 1 <= size <= min(images.shape[2:]):
        raise ValueError(f"images are (b, c, h, w) with b >= 1 and h, w >= {size} >= 1, found {tuple(images.shape)}")


def _check_colors(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(f"images are floats (b, 3, h, w), found {images.dtype} of shape {tuple(images.shape)}")
