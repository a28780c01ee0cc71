"""Convolution: a window slides over an image, with the arguments of ``torch.nn``.

Sources: LeCun et al. (1989), Neural Computation 1(4), for the layer; Yu and Koltun (2016), arXiv:1511.07122, eq. (2),
for dilation; Chellapilla et al. (2006) for the matrix product.

The lecture's f, x, h and [du, dv] → ``weight``, ``x``, the result and [i, j].  "Convolution" correlates, as in torch:
the kernel is not turned around.  Only :func:`convolve1d` is the convolution of mathematics.
Axes: b images, c input maps, o output maps, h and w pixels, i and j places of the kernel, g groups.

Three forms compute one thing: :func:`conv2d` adds shifted images, :func:`conv2d_unfold` multiplies matrices,
:func:`conv2d_fft` multiplies spectra.  :class:`Conv2d`, the layer for use, calls torch's kernel.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import uniform_
from dlbook.convolution.geometry import Pair, pair, places

__all__ = ["Conv2d", "conv2d", "conv2d_fft", "conv2d_unfold", "convolve1d", "unfold2d"]

MODES = {"zeros": "constant", "circular": "circular", "reflect": "reflect", "replicate": "replicate"}


def convolve1d(x: Tensor, f: Tensor) -> Tensor:
    """Convolve two sequences, (n,) and (k,) → (n + k - 1,): entry u is the sum over t of ``f[t] x[u - t]``.

    Examples
    --------
    >>> convolve1d(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0]))
    tensor([ 1., 12., 23., 30.])
    """
    axes("x", x, "n", least=1), axes("f", f, "k", least=1)
    rows = [F.pad(f[t] * x, (t, len(f) - 1 - t)) for t in range(len(f))]
    return torch.stack(rows).sum(dim=0)


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Correlate images with kernels, as ``torch.nn.functional.conv2d``: a sum of shifted images, one a kernel place.

    ``h[o, u, v] = bias[o] + sum over c, i, j of weight[o, c, i, j] x[c, u s + i d, v s + j d]`` with stride s and
    dilation d, over the input maps c of o's group.

    Parameters
    ----------
    x : (b, c, h, w)
    weight : (o, c / groups, i, j)
    bias : (o,), optional
    stride, dilation : int or (down, across)
    padding : int or (down, across), "valid" or "same"
        Zeros on each side. "same" keeps the size; where the number of zeros is odd, the last side gets one more.
    groups : int
        Output maps are dealt out evenly; those of a group see the c / groups input maps of that group.

    Returns
    -------
    h : (b, o, h', w')
        ``h' = (h + 2 padding - dilation (i - 1) - 1) // stride + 1``.

    Examples
    --------
    >>> step = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])
    >>> conv2d(step, torch.tensor([[[[-1.0, 1.0]]]]))
    tensor([[[[0., 1., 0.]]]])
    """
    x, (down, across), (d, e), (height, width) = _prepare(x, weight, bias, stride, padding, dilation, groups)
    x = rearrange(x, "b (g c) h w -> b g c h w", g=groups)
    kernels = rearrange(weight, "(g o) c i j -> g o c i j", g=groups)
    windows = x.unfold(-1, e * (weight.shape[3] - 1) + 1, across)[..., ::e]  # of a row: (b, g, c, h + margins, w', j)
    total = x.new_zeros(len(x), groups, kernels.shape[1], height, width)
    for i in range(weight.shape[2]):  # a product a row of the kernel; the chapter takes one a place
        rows = slice(i * d, i * d + (height - 1) * down + 1, down)
        total = total + einsum(kernels[..., i, :], windows[..., rows, :, :], "g o c j, b g c h w j -> b g o h w")
    return _with_bias(rearrange(total, "b g o h w -> b (g o) h w"), bias)


class Conv2d(nn.Module):
    """A layer of learned kernels: arguments, parameters and ``state_dict`` of ``torch.nn.Conv2d``, and its numbers.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or (down, across)
    padding : int or (down, across), "valid" or "same"
    groups : int
    bias : bool
    padding_mode : {"zeros", "circular", "reflect", "replicate"}
        How the image goes on beyond its border.
    generator : torch.Generator, optional
        Draws weights and biases as torch does, uniform in ±1/√(inputs of a unit).
    device, dtype : optional

    Examples
    --------
    >>> layer = Conv2d(3, 8, 5, padding="same", padding_mode="circular")
    >>> layer(torch.zeros(2, 3, 32, 32)).shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([2, 8, 32, 32]), 608)
    """

    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair | str = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, groups) < 1 or in_channels % groups or out_channels % groups:
            found = f"{in_channels}, {out_channels} and {groups}"
            raise ValueError(f"both numbers of maps are multiples of groups, all at least 1, found {found}")
        if padding_mode not in MODES:
            raise ValueError(f"padding_mode is one of {', '.join(MODES)}, found {padding_mode!r}")
        self.kernel_size, self.stride = pair(kernel_size, 1, "kernel_size"), pair(stride, 1, "stride")
        self.dilation, self.groups, self.padding_mode = pair(dilation, 1, "dilation"), groups, padding_mode
        self.padding = _margins(padding, self.kernel_size, self.stride, self.dilation)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size, **options))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels, **options)) if bias else None)
        bound = self.weight[0].numel() ** -0.5
        for parameter in self.parameters():
            uniform_(parameter, bound, generator)

    def extra_repr(self) -> str:
        """Name sizes and stride, and every other option that is not the usual one, as torch does."""
        top, bottom, left, right = self.padding
        padding = (top, left) if (top, left) == (bottom, right) else self.padding
        options = {
            "padding": (padding, (0, 0)),
            "dilation": (self.dilation, (1, 1)),
            "groups": (self.groups, 1),
            "bias": (self.bias is not None, True),
            "padding_mode": (self.padding_mode, "zeros"),
        }
        unusual = [f"{name}={value}" for name, (value, usual) in options.items() if value != usual]
        maps = f"{self.weight.shape[1] * self.groups}, {len(self.weight)}"
        return ", ".join([maps, f"kernel_size={self.kernel_size}", f"stride={self.stride}", *unusual])

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h', w'); sizes as in :func:`conv2d`."""
        _check(x, self.weight, self.bias, self.padding, self.dilation, self.groups)
        top, bottom, left, right = self.padding
        if self.padding_mode == "zeros" and (top, left) == (bottom, right):  # torch pads without a copy
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups)
        spare = {"circular": 0, "reflect": 1}.get(self.padding_mode)
        if spare is not None and (max(top, bottom) + spare > x.shape[2] or max(left, right) + spare > x.shape[3]):
            raise ValueError(f"a border of {self.padding} is too wide for {self.padding_mode} at {tuple(x.shape)}")
        x = F.pad(x, (left, right, top, bottom), MODES[self.padding_mode])
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def unfold2d(x: Tensor, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """Lay out what each place sees as a column, (b, c, h, w) → (b, c i j, h' w'), as ``torch.nn.functional.unfold``.

    Examples
    --------
    >>> unfold2d(torch.arange(6.0).reshape(1, 1, 2, 3), 2)[0]
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    patches = _patches(x, pair(kernel_size, 1, "kernel_size"), stride, padding, dilation)
    return rearrange(patches, "b c h w i j -> b (c i j) (h w)")


def conv2d_unfold(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Compute :func:`conv2d` as a matrix product with the columns of :func:`unfold2d` (Chellapilla et al., 2006).

    Each pixel is copied up to i j times, and all the work is one large product a group.
    """
    x, strides, steps, (height, width) = _prepare(x, weight, bias, stride, padding, dilation, groups)
    columns = unfold2d(x, (weight.shape[2], weight.shape[3]), strides, 0, steps)
    columns = rearrange(columns, "b (g p) q -> b g p q", g=groups)
    rows = rearrange(weight, "(g o) c i j -> g o (c i j)", g=groups)
    return _with_bias(rearrange(rows @ columns, "b g o (h w) -> b (g o) h w", h=height, w=width), bias)


def conv2d_fft(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair | str = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Compute :func:`conv2d` as a product of spectra; the cost does not depend on the size of the kernel.

    The spectrum of a correlation is that of the image times the conjugate of the kernel's.  It belongs to the circular
    correlation, which differs from the other only at places where the kernel leaves the image, and these are cut off.
    A dilated kernel is written out with its zeros; with a stride, what lies between is computed and dropped.
    """
    x, (down, across), (d, e), (height, width) = _prepare(x, weight, bias, stride, padding, dilation, groups)
    size = x.shape[-2:]
    spread = weight.new_zeros(*weight.shape[:2], d * (weight.shape[2] - 1) + 1, e * (weight.shape[3] - 1) + 1)
    spread[..., ::d, ::e] = weight
    images = rearrange(torch.fft.rfft2(x), "b (g c) h w -> b g c h w", g=groups)
    kernels = rearrange(torch.fft.rfft2(spread, s=size).conj(), "(g o) c h w -> g o c h w", g=groups)
    spectrum = einsum(kernels, images, "g o c h w, b g c h w -> b g o h w")
    whole = rearrange(torch.fft.irfft2(spectrum, s=size), "b g o h w -> b (g o) h w")
    return _with_bias(whole[..., ::down, ::across][..., :height, :width], bias)


def _margins(
    padding: Pair | str, size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Return the padding at the top, bottom, left and right."""
    if padding == "same":
        if stride != (1, 1):
            raise ValueError(f"padding 'same' needs stride 1, found {stride}")
        down, across = (d * (k - 1) for d, k in zip(dilation, size, strict=True))
        return down // 2, down - down // 2, across // 2, across - across // 2
    if padding == "valid":
        return 0, 0, 0, 0
    if isinstance(padding, str):
        raise ValueError(f"padding is numbers, 'valid' or 'same', found {padding!r}")
    top, left = pair(padding, 0, "padding")
    return top, top, left, left


def _check(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margins: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    o, part, _, _ = axes("weight", weight, "o c/groups i j")
    if groups < 1 or o % groups:
        raise ValueError(f"o is a multiple of groups, found {o} and {groups}")
    axes("x", x, "b c h w", c=part * groups)
    if not x.is_floating_point() or x.dtype != weight.dtype:
        raise ValueError(f"x and weight are floats of one kind, found {x.dtype} and {weight.dtype}")
    if bias is not None:
        axes("bias", bias, "o", o=o)
    places(x.shape[2] + sum(margins[:2]), weight.shape[2], 1, dilation[0])
    places(x.shape[3] + sum(margins[2:]), weight.shape[3], 1, dilation[1])


def _prepare(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair | str, dilation: Pair, groups: int
) -> tuple[Tensor, tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Check everything; return the padded images, stride, dilation and the size of the result."""
    strides, steps = pair(stride, 1, "stride"), pair(dilation, 1, "dilation")
    size = (weight.shape[2], weight.shape[3]) if weight.ndim == 4 else (1, 1)
    margins = _margins(padding, size, strides, steps)
    _check(x, weight, bias, margins, steps, groups)
    top, bottom, left, right = margins
    x = F.pad(x, (left, right, top, bottom))
    height = places(x.shape[2], weight.shape[2], strides[0], steps[0])
    width = places(x.shape[3], weight.shape[3], strides[1], steps[1])
    return x, strides, steps, (height, width)


def _patches(x: Tensor, size: tuple[int, int], stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    """Return a view (b, c, h', w', i, j) of what each place sees; nothing is copied yet."""
    axes("x", x, "b c h w")
    (down, across), (d, e) = pair(stride, 1, "stride"), pair(dilation, 1, "dilation")
    top, left = pair(padding, 0, "padding")
    if top or left:
        x = F.pad(x, (left, left, top, top))
    places(x.shape[2], size[0], down, d), places(x.shape[3], size[1], across, e)
    rows = x.unfold(2, d * (size[0] - 1) + 1, down)[..., ::d]
    return rows.unfold(3, e * (size[1] - 1) + 1, across)[..., ::e]


def _with_bias(maps: Tensor, bias: Tensor | None) -> Tensor:
    return maps if bias is None else maps + bias[:, None, None]
