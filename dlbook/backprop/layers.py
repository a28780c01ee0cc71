"""What networks are made of, as operations on tensors: convolution, pooling, and the loss of classifiers.

A convolution is a linear map that lays out patches as columns, followed by a product of matrices; its gradients are
those of the two.  Axes: n images, c channels, h rows, w columns, k kernels.
"""

from functools import reduce
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes
from dlbook.backprop.arrays import add_patches, as_array, lay_out
from dlbook.backprop.autograd import Edge, Tensor, record
from dlbook.backprop.operations import linear

__all__ = ["conv2d", "cross_entropy", "max_pool2d", "unfold"]

Array = NDArray[Any]


def unfold(x: Tensor, kernel_size: int | tuple[int, int], *, stride: int = 1, padding: int = 0) -> Tensor:
    """Lay out the patches of images as columns, as ``torch.nn.functional.unfold`` does.

    Parameters
    ----------
    x : (n, c, h, w)
    kernel_size : int or (int, int)
        Height and width of a patch.
    stride : int
        From one patch to the next, in both directions.
    padding : int
        Zeros added on every side.

    Returns
    -------
    columns : (n, c · height · width, places)

    Examples
    --------
    >>> unfold(Tensor(np.arange(9.0).reshape(1, 1, 3, 3)), 2).data[0, :, 0]  # the first patch
    array([0., 1., 3., 4.])
    """
    height, width = kernel_size if isinstance(kernel_size, tuple) else (kernel_size, kernel_size)
    n, c, h, w = axes("x", x, "n c h w")
    if min(height, width, stride) < 1 or padding < 0:
        raise ValueError(
            f"kernel_size and stride are at least 1, padding 0, found {kernel_size}, {stride} and {padding}"
        )
    tall, wide = h + 2 * padding, w + 2 * padding
    if tall < height or wide < width:
        raise ValueError(f"a patch of {height} x {width} does not fit into {tall} x {wide}")
    down, across = (tall - height) // stride + 1, (wide - width) // stride + 1

    def push(t: Array) -> Array:
        frame = np.pad(t, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        windows = np.lib.stride_tricks.sliding_window_view(frame, (height, width), axis=(2, 3))
        windows = windows[:, :, ::stride, ::stride]  # (n, c, down, across, height, width)
        return windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, c * height * width, down * across)

    def pull(g: Array) -> Array:
        windows = g.reshape(n, c, height, width, down, across)
        frame = add_patches(windows, (n, c, tall, wide), stride)
        return frame[:, :, padding : padding + h, padding : padding + w]

    return linear("unfold", x, push, pull)


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, *, stride: int = 1, padding: int = 0) -> Tensor:
    """Cross-correlate images with kernels, as ``torch.nn.functional.conv2d`` does: one product with the patches.

    Parameters
    ----------
    x : (n, c, h, w)
    weight : (k, c, height, width)
    bias : (k,), optional
    stride, padding : int
        As in :func:`unfold`.

    Returns
    -------
    maps : (n, k, down, across)
    """
    _, c, _, _ = axes("x", x, "n c h w")
    k, _, height, width = axes("weight", weight, "k c height width", c=c)
    if bias is not None:
        axes("bias", bias, "k", k=k)
    columns = unfold(x, (height, width), stride=stride, padding=padding)
    maps = weight.reshape(k, -1) @ columns
    down = (x.shape[2] + 2 * padding - height) // stride + 1
    maps = maps.reshape(len(x), k, down, -1)
    return maps if bias is None else maps + bias.reshape(k, 1, 1)


def max_pool2d(x: Tensor, kernel_size: int) -> Tensor:
    """Return the largest entry of each square tile of side k = ``kernel_size``: (n, c, h, w) -> (n, c, h // k, w // k).

    Rows and columns that fill no tile are left out, as in torch; entries that tie share the gradient.
    """
    if x.ndim != 4 or kernel_size < 1 or min(x.shape[2:]) < kernel_size:
        raise ValueError(
            f"x is (n, c, h, w) with h, w >= kernel_size >= 1, found {x.shape} and kernel_size {kernel_size}"
        )
    down, across = x.shape[2] // kernel_size, x.shape[3] // kernel_size
    # All first entries of the tiles, all second ones, ...: whole arrays to compare, and no short axis to walk along.
    spans = [[slice(k, k + kernel_size * (n - 1) + 1, kernel_size) for k in range(kernel_size)] for n in (down, across)]
    places = [(..., rows, columns) for rows in spans[0] for columns in spans[1]]
    top = reduce(np.maximum, (x.data[place] for place in places))

    def shares() -> list[Array]:
        ties = [(x.data[place] == top).astype(x.dtype) for place in places]
        count = sum(ties)
        return [tie / count for tie in ties]

    def push(t: Array) -> Array:
        return cast(Array, sum(t[place] * share for place, share in zip(places, shares(), strict=True)))

    def pull(g: Array) -> Array:
        return lay_out(x.shape, places, *(g * share for share in shares()))

    return record("max_pool2d", top, Edge(x, push, pull))


def cross_entropy(score: Tensor, target: ArrayLike) -> Tensor:
    """Return the mean over examples of -log softmax(score)[label], from (n, k) and integer (n,).

    Examples
    --------
    >>> round(cross_entropy(Tensor([[0.0, 0.0]]), [1]).item(), 6)  # log 2
    0.693147
    """
    names = as_array(target)
    n, k = axes("score", score, "n k", least=1)
    axes("target", names, "n", n=n)
    if names.dtype.kind not in "iu":
        raise ValueError(f"targets are integers, found {names.dtype}")
    if names.min() < 0 or names.max() >= k:
        raise ValueError(f"targets lie in 0 ... {k - 1}, found {names.min()} ... {names.max()}")
    return (score.logsumexp(axis=1) - score[np.arange(n), names]).mean()
