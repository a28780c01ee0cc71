"""What a network looks at: saliency, occlusion, and the images that excite a map most.

Simonyan, Vedaldi and Zisserman (2013), arXiv:1312.6034, Sec. 3: saliency; Zeiler and Fergus (2013), arXiv:1311.2901,
Sec. 4.2: occlusion.

The question is a function ``f`` that maps images (b, c, h, w) to one number for each, (b,): the logit of a class, the
strongest number of a map, the norm of a layer.  The model behind it stays as it is.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from dlbook._checks import finite_images, one_number_each
from dlbook.convolution.rectifiers import gradient

__all__ = ["Strongest", "occlusion", "saliency", "top_activations"]


class Strongest(NamedTuple):
    """The images to which each map answers most, best first; where in the map, too."""

    values: Tensor  # (c, k)
    images: Tensor  # int64 (c, k)
    rows: Tensor  # int64 (c, k)
    columns: Tensor  # int64 (c, k)


def saliency(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Return how much ``f`` would move if a pixel did: the largest derivative of its colors, without sign.

    Sec. 3.1 of Simonyan et al.: M[i, j] = max over the channels c of the absolute derivative by pixel (c, i, j).

    Parameters
    ----------
    f : callable
        Images (b, c, h, w) to numbers (b,); there the logit of a class, before the softmax.
    x : (b, c, h, w)

    Returns
    -------
    map : (b, h, w)

    Examples
    --------
    >>> x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])
    >>> saliency(lambda x: x[:, 0, 0, 0] * 5 - x[:, 1, 0, 0] * 7 + x[:, 1, 0, 1], x)
    tensor([[[7., 1.]]])
    """
    return gradient(f, x).abs().amax(dim=1)


@torch.no_grad()
def occlusion(
    f: Callable[[Tensor], Tensor], x: Tensor, *, size: int, stride: int, value: float = 0.0, batch: int = 8
) -> Tensor:
    """Cover one square of an image at a time, and ask ``f`` again (Zeiler and Fergus, Sec. 4.2).

    Parameters
    ----------
    f : callable
        Images (b, c, h, w) to numbers (b,); there the probability of the right class.
    x : (1, c, h, w)
    size, stride : int
        Side of the square, and how far it moves each time, in pixels.
    value : float
        What it is filled with; 0 is the paper's grey where images are centered.
    batch : int
        How many covered images ``f`` gets at once.

    Returns
    -------
    answers : (rows, columns)
        Entry (i, j) has the square's corner at pixel (i stride, j stride).  Squares lie inside the image.

    Examples
    --------
    >>> occlusion(lambda x: x.sum(dim=(1, 2, 3)), torch.tensor([[[[1.0, 2.0, 4.0]] * 2]]), size=2, stride=1)
    tensor([[8., 2.]])
    """
    finite_images(x, one=True)
    h, w = x.shape[-2:]
    if not 1 <= size <= min(h, w) or min(stride, batch) < 1:
        raise ValueError(f"size is from 1 to {min(h, w)}, stride and batch positive, found {size}, {stride}, {batch}")
    places = [(i, j) for i in range(0, h - size + 1, stride) for j in range(0, w - size + 1, stride)]
    answers = []
    for start in range(0, len(places), batch):
        chosen = places[start : start + batch]
        covered = x.repeat(len(chosen), 1, 1, 1)
        for image, (i, j) in zip(covered, chosen, strict=True):
            image[:, i : i + size, j : j + size] = value
        numbers = f(covered)
        one_number_each(numbers, covered)
        answers.append(numbers)
    return torch.cat(answers).reshape((h - size) // stride + 1, -1)


def top_activations(maps: Tensor | Iterable[Tensor], k: int) -> Strongest:
    """Find the ``k`` images to which each map answers most, each image counted once, at its strongest place.

    Zeiler and Fergus show a unit by its nine strongest images.

    Parameters
    ----------
    maps : (n, c, h, w), or an iterable of such batches
        Of one layer, for all images.
    k : int

    Returns
    -------
    Strongest

    Examples
    --------
    >>> maps = torch.tensor([[[[1.0, 0.0]]], [[[2.0, 3.0]]], [[[0.0, 0.0]]]])
    >>> best = top_activations(maps, 2)
    >>> best.values, best.images, best.columns
    (tensor([[3., 1.]]), tensor([[1, 0]]), tensor([[1, 0]]))
    """
    batches = [maps] if isinstance(maps, Tensor) else list(maps)
    shapes = [tuple(batch.shape) for batch in batches]
    if not batches or any(len(shape) != 4 or 0 in shape or shape[1:] != shapes[0][1:] for shape in shapes):
        raise ValueError(f"maps are (n, c, h, w), alike in c, h and w, found {shapes}")
    n = sum(shape[0] for shape in shapes)
    if not 1 <= k <= n:
        raise ValueError(f"k is from 1 to {n}, the number of images, found {k}")
    found = [batch.flatten(2).max(dim=2) for batch in batches]
    peaks, places = torch.cat([peak for peak, _ in found]), torch.cat([place for _, place in found])
    values, images = peaks.T.topk(k, dim=1)
    place = places.T.gather(1, images)
    width = shapes[0][3]
    return Strongest(values, images, place // width, place % width)
