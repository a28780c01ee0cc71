"""Max pooling, and the way back: keep the largest number of each window, and remember where it was.

Source: Noh et al. (2015), arXiv:1505.04366, Sec. 3.2, for unpooling; their switches are our ``indices``.
Axes: b images, c maps, h and w pixels.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple, overload

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbook._checks import axes
from dlbook.convolution.geometry import Pair, pair, places

__all__ = ["GlobalMaxPool2d", "Pooled", "max_pool2d", "max_unpool2d"]


class Pooled(NamedTuple):
    """What max pooling keeps, and where it found it."""

    values: Tensor  # (b, c, h', w')
    indices: Tensor  # int64 (b, c, h', w'): row * w + column in the input


@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    *,
    return_indices: Literal[False] = False,
) -> Tensor: ...


@overload
def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    *,
    return_indices: Literal[True],
) -> Pooled: ...


def max_pool2d(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    dilation: Pair = 1,
    *,
    return_indices: bool = False,
) -> Tensor | Pooled:
    """Keep the largest number that each window sees, as ``torch.nn.functional.max_pool2d``.

    Parameters
    ----------
    x : (b, c, h, w)
    kernel_size : int or (down, across)
    stride : int or (down, across), optional
        That of the window by default: windows lie side by side.
    padding : int or (down, across)
        At most half a window, filled with minus infinity.
    dilation : int or (down, across)
    return_indices : bool
        Also say where the largest was found; at a tie, the first.

    Returns
    -------
    values : (b, c, h', w'), or :class:`Pooled`

    Examples
    --------
    >>> max_pool2d(torch.tensor([[[[1.0, 5.0, 0.0, 2.0], [3.0, 4.0, 0.0, 7.0]]]]), 2, return_indices=True)
    Pooled(values=tensor([[[[5., 7.]]]]), indices=tensor([[[[1, 7]]]]))
    """
    size, (top, left) = pair(kernel_size, 1, "kernel_size"), pair(padding, 0, "padding")
    strides, (d, e) = pair(size if stride is None else stride, 1, "stride"), pair(dilation, 1, "dilation")
    if 2 * top > size[0] or 2 * left > size[1]:
        raise ValueError(f"padding is at most half the window {size}, found {padding}")
    if not x.is_floating_point():
        raise ValueError(f"x is of floats, found {x.dtype}")
    axes("x", x, "b c h w")
    (down, across), (h, w) = strides, x.shape[-2:]
    height, width = places(h + 2 * top, size[0], down, d), places(w + 2 * left, size[1], across, e)
    padded = F.pad(x, (left, left, top, top), value=-torch.inf)
    rows = torch.arange(height, device=x.device)[:, None] * down - top  # of each window's first pixel
    columns = torch.arange(width, device=x.device) * across - left
    # the first pixel inside the image: it is named if all that a window sees is minus infinity
    place = _inside(rows, d) * w + _inside(columns, e)
    values = padded.new_full((*x.shape[:2], height, width), -torch.inf)
    indices = place.expand_as(values)
    for i in range(size[0]):
        for j in range(size[1]):  # all windows' (i, j) at once
            down_to, across_to = i * d + down * (height - 1) + 1, j * e + across * (width - 1) + 1
            seen = padded[:, :, i * d : down_to : down, j * e : across_to : across]
            better = (seen > values) | seen.isnan()  # not at a tie: the first stays
            values = torch.where(better, seen, values)
            if return_indices:
                indices = torch.where(better, (rows + i * d) * w + columns + j * e, indices)
    return Pooled(values, indices) if return_indices else values


def _inside(starts: Tensor, dilation: int) -> Tensor:
    """Return the first place at or behind each start, in steps of the dilation, that is not in the padding."""
    return starts + (-starts).clamp(min=0).add(dilation - 1).div(dilation, rounding_mode="floor") * dilation


def max_unpool2d(
    x: Tensor,
    indices: Tensor,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:
    """Put pooled numbers back where they came from, and zeros elsewhere, as ``torch.nn.functional.max_unpool2d``.

    Parameters
    ----------
    x : (b, c, h', w')
    indices : int64 (b, c, h', w')
        Of :func:`max_pool2d`; the "switches" of Noh et al. (2015).
    kernel_size, stride, padding : int or (down, across)
        Those of the pooling, which tell the size of the result.
    output_size : (h, w) or (b, c, h, w), optional
        Where pooling left out rows or columns at the end.

    Returns
    -------
    y : (b, c, h, w)

    Examples
    --------
    >>> max_unpool2d(torch.tensor([[[[5.0, 7.0]]]]), torch.tensor([[[[1, 7]]]]), 2)
    tensor([[[[0., 5., 0., 0.],
              [0., 0., 0., 7.]]]])
    """
    size, (top, left) = pair(kernel_size, 1, "kernel_size"), pair(padding, 0, "padding")
    down, across = pair(size if stride is None else stride, 1, "stride")
    b, c, h, w = axes("x", x, "b c h w")
    axes("indices", indices, "b c h w", b=b, c=c, h=h, w=w)
    if indices.dtype != torch.int64:
        raise ValueError(f"indices are int64, found {indices.dtype}")
    if output_size is not None and len(output_size) not in (2, 4):
        raise ValueError(f"output_size is (h, w) or (b, c, h, w), found {tuple(output_size)}")
    default = ((h - 1) * down - 2 * top + size[0], (w - 1) * across - 2 * left + size[1])
    height, width = output_size[-2:] if output_size is not None else default
    y = x.new_zeros(b, c, height * width)  # scatter() refuses an index outside: no look at values, at every step
    return y.scatter(-1, indices.flatten(2), x.flatten(2)).unflatten(-1, (height, width))


class GlobalMaxPool2d(nn.Module):
    """Forget where: keep the largest number of each map, (b, c, h, w) → (b, c), whatever h and w are."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c)."""
        return x.amax(dim=(-2, -1))
