"""Convolution, pooling and their transposes: the lectures' layers, with the arguments of ``torch.nn``.

Sources: LeCun et al. (1989), Neural Computation 1(4), for the layer; Dumoulin and Visin (2016), arXiv:1603.07285, for
the arithmetic of strides, paddings and transposes; Yu and Koltun (2016), arXiv:1511.07122, eq. (2), for dilation; Noh
et al. (2015), arXiv:1505.04366, Sec. 3.2, for unpooling.

The lecture's f, x, h and [du, dv] → ``weight``, ``x``, the result and [i, j].  "Convolution" correlates, as in torch:
the kernel is not turned around.  Only :func:`convolve1d` is the convolution of mathematics.
Axes: b images, c input maps, o output maps, h and w pixels, i and j places of the kernel, g groups.

Three forms compute one thing: :func:`conv2d` adds shifted images, :func:`conv2d_unfold` multiplies matrices,
:func:`conv2d_fft` multiplies spectra.  :class:`Conv2d`, the layer for use, calls torch's kernel.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple, overload

import torch
import torch.nn.functional as F
from einops import einsum, rearrange
from torch import Generator, Tensor, nn

from dlbook.draws import uniform_

Pair = int | tuple[int, int]
MODES = {"zeros": "constant", "circular": "circular", "reflect": "reflect", "replicate": "replicate"}


class Pooled(NamedTuple):
    """What max pooling keeps, and where it found it."""

    values: Tensor  # (b, c, h', w')
    indices: Tensor  # int64 (b, c, h', w'): row * w + column in the input


class Gradient(NamedTuple):
    """Sobel's estimate of how the brightness grows, eight times the change from one pixel to the next."""

    right: Tensor  # (..., h, w), the lecture's G_x
    down: Tensor  # (..., h, w), G_y
    magnitude: Tensor  # (..., h, w), G


class Layer(NamedTuple):
    """Geometry of one layer along one axis, for :func:`receptive_field`."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0


class Field(NamedTuple):
    """Unit ``u`` of a stack sees the inputs from ``start + u * step`` to ``start + u * step + size - 1``."""

    size: int
    step: int
    start: int


def convolve1d(x: Tensor, f: Tensor) -> Tensor:
    """Convolve two sequences, (n,) and (k,) → (n + k - 1,): entry u is the sum over t of ``f[t] x[u - t]``.

    Raises
    ------
    ValueError
        If one of them is not a sequence, or empty.

    Examples
    --------
    >>> convolve1d(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([1.0, 10.0]))
    tensor([ 1., 12., 23., 30.])
    """
    if x.ndim != 1 or f.ndim != 1 or 0 in (len(x), len(f)):
        raise ValueError(f"two sequences (n,) and (k,), not empty, found shapes {tuple(x.shape)} and {tuple(f.shape)}")
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

    Raises
    ------
    ValueError
        If shapes do not fit each other, an option is out of range, or the kernel is larger than the padded image.

    Examples
    --------
    >>> step = torch.tensor([[[[0.0, 0.0, 1.0, 1.0]]]])
    >>> conv2d(step, torch.tensor([[[[-1.0, 1.0]]]]))
    tensor([[[[0., 1., 0.]]]])
    """
    x, (down, across), (d, e), (height, width) = _prepare(x, weight, bias, stride, padding, dilation, groups)
    x = rearrange(x, "b (g c) h w -> b g c h w", g=groups)
    kernels = rearrange(weight, "(g o) c i j -> g o c i j", g=groups)
    total = x.new_zeros(len(x), groups, kernels.shape[1], height, width)
    for i, j in product(range(weight.shape[2]), range(weight.shape[3])):
        rows = slice(i * d, i * d + (height - 1) * down + 1, down)
        columns = slice(j * e, j * e + (width - 1) * across + 1, across)
        total = total + einsum(kernels[..., i, j], x[..., rows, columns], "g o c, b g c h w -> b g o h w")
    return _with_bias(rearrange(total, "b g o h w -> b (g o) h w"), bias)


def unfold2d(x: Tensor, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1) -> Tensor:
    """Lay out what each place sees as a column, (b, c, h, w) → (b, c i j, h' w'), as ``torch.nn.functional.unfold``.

    Raises
    ------
    ValueError
        If ``x`` is not (b, c, h, w), an option is out of range, or the kernel is larger than the padded image.

    Examples
    --------
    >>> unfold2d(torch.arange(6.0).reshape(1, 1, 2, 3), 2)[0]
    tensor([[0., 1.],
            [1., 2.],
            [3., 4.],
            [4., 5.]])
    """
    patches = _patches(x, _pair(kernel_size, 1, "kernel_size"), stride, padding, dilation)
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


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """Stamp a kernel for every pixel, as ``torch.nn.functional.conv_transpose2d``: the adjoint of :func:`conv2d`.

    Where the convolution with the same ``weight`` and options gathers ``weight[x, o, i, j]`` times a pixel, this
    scatters it; the matrix of one is the transpose of that of the other.  It is not an inverse.

    Parameters
    ----------
    x : (b, c, h, w)
    weight : (c, o / groups, i, j)
        Read the other way round than by :func:`conv2d`: the first axis is that of ``x``.
    bias : (o,), optional
    stride, padding, dilation : int or (down, across)
        Those of the convolution: here a stride enlarges, and padding cuts off.
    output_padding : int or (down, across)
        Rows and columns at the end that the strided convolution did not reach; less than stride or dilation.
    groups : int

    Returns
    -------
    y : (b, o, h', w')
        ``h' = (h - 1) stride - 2 padding + dilation (i - 1) + output_padding + 1``.

    Raises
    ------
    ValueError
        If shapes do not fit, an option is out of range, or nothing would be left.

    Examples
    --------
    >>> conv_transpose2d(torch.tensor([[[[1.0, 10.0]]]]), torch.tensor([[[[1.0, 2.0, 3.0]]]]), stride=(1, 2))
    tensor([[[[ 1.,  2., 13., 20., 30.]]]])
    """
    (down, across), (d, e) = _pair(stride, 1, "stride"), _pair(dilation, 1, "dilation")
    (top, left), (below, beside) = _pair(padding, 0, "padding"), _pair(output_padding, 0, "output_padding")
    if x.ndim != 4 or weight.ndim != 4 or groups < 1 or x.shape[1] != len(weight) or len(weight) % groups:
        shapes = f"{tuple(x.shape)}, {tuple(weight.shape)} and {groups}"
        raise ValueError(f"x is (b, c, h, w), weight (c, o / groups, i, j), c a multiple of groups, found {shapes}")
    if below >= max(down, d) or beside >= max(across, e):
        raise ValueError(f"output_padding is less than stride or dilation, found {output_padding}")
    maps = weight.shape[1] * groups
    if bias is not None and bias.shape != (maps,):
        raise ValueError(f"bias is ({maps},), found shape {tuple(bias.shape)}")
    b, _, h, w = x.shape
    i_size, j_size = weight.shape[2:]
    height, width = (h - 1) * down + d * (i_size - 1) + 1, (w - 1) * across + e * (j_size - 1) + 1
    if min(b, h, w, i_size, j_size, height + below - 2 * top, width + beside - 2 * left) < 1:
        raise ValueError(f"nothing is left of shapes {tuple(x.shape)} and {tuple(weight.shape)}, padding {padding}")
    x = rearrange(x, "b (g c) h w -> b g c h w", g=groups)
    kernels = rearrange(weight, "(g c) o i j -> g c o i j", g=groups)
    y = x.new_zeros(b, groups, weight.shape[1], height + below, width + beside)
    for i, j in product(range(i_size), range(j_size)):
        rows = slice(i * d, i * d + (h - 1) * down + 1, down)
        columns = slice(j * e, j * e + (w - 1) * across + 1, across)
        y[..., rows, columns] += einsum(kernels[..., i, j], x, "g c o, b g c h w -> b g o h w")
    y = rearrange(y, "b g o h w -> b (g o) h w")[..., top : y.shape[-2] - top, left : y.shape[-1] - left]
    return _with_bias(y, bias)


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

    Raises
    ------
    ValueError
        If ``x`` is not (b, c, h, w) of floats, an option is out of range, or no window fits.

    Examples
    --------
    >>> max_pool2d(torch.tensor([[[[1.0, 5.0, 0.0, 2.0], [3.0, 4.0, 0.0, 7.0]]]]), 2, return_indices=True)
    Pooled(values=tensor([[[[5., 7.]]]]), indices=tensor([[[[1, 7]]]]))
    """
    size, (top, left) = _pair(kernel_size, 1, "kernel_size"), _pair(padding, 0, "padding")
    strides, (d, e) = _pair(size if stride is None else stride, 1, "stride"), _pair(dilation, 1, "dilation")
    if 2 * top > size[0] or 2 * left > size[1]:
        raise ValueError(f"padding is at most half the window {size}, found {padding}")
    if not x.is_floating_point():
        raise ValueError(f"x is of floats, found {x.dtype}")
    if x.ndim != 4:
        raise ValueError(f"x is (b, c, h, w), found shape {tuple(x.shape)}")
    (down, across), (h, w) = strides, x.shape[-2:]
    height, width = _places(h + 2 * top, size[0], down, d), _places(w + 2 * left, size[1], across, e)
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

    Raises
    ------
    ValueError
        If shapes differ, an index lies outside the result, or an option is out of range.

    Examples
    --------
    >>> max_unpool2d(torch.tensor([[[[5.0, 7.0]]]]), torch.tensor([[[[1, 7]]]]), 2)
    tensor([[[[0., 5., 0., 0.],
              [0., 0., 0., 7.]]]])
    """
    size, (top, left) = _pair(kernel_size, 1, "kernel_size"), _pair(padding, 0, "padding")
    down, across = _pair(size if stride is None else stride, 1, "stride")
    if x.ndim != 4 or x.shape != indices.shape or indices.dtype != torch.int64:
        found = f"{tuple(x.shape)} and {indices.dtype} {tuple(indices.shape)}"
        raise ValueError(f"x is (b, c, h, w) and indices int64 of the same shape, found {found}")
    h, w = x.shape[-2:]
    if output_size is not None and len(output_size) not in (2, 4):
        raise ValueError(f"output_size is (h, w) or (b, c, h, w), found {tuple(output_size)}")
    default = ((h - 1) * down - 2 * top + size[0], (w - 1) * across - 2 * left + size[1])
    height, width = output_size[-2:] if output_size is not None else default
    if indices.numel() and not 0 <= int(indices.min()) <= int(indices.max()) < height * width:
        raise ValueError(f"indices from {indices.min()} to {indices.max()} do not fit a result of {height} x {width}")
    y = x.new_zeros(*x.shape[:2], height * width)
    return y.scatter(-1, indices.flatten(2), x.flatten(2)).unflatten(-1, (height, width))


def sobel(image: Tensor) -> Gradient:
    """Estimate the gradient of brightness, (..., h, w) floats, by the two masks of Sobel and Feldman (1968).

    The masks are *correlated* with the image, so that brightness which grows to the right has a positive ``right``;
    the border is continued by its own pixels, as SciPy does.

    Raises
    ------
    ValueError
        If ``image`` is not (..., h, w) of floats, or empty.

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

    Raises
    ------
    ValueError
        If an option is out of range, or the maps cannot be dealt out to the groups.

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
        self.kernel_size, self.stride = _pair(kernel_size, 1, "kernel_size"), _pair(stride, 1, "stride")
        self.dilation, self.groups, self.padding_mode = _pair(dilation, 1, "dilation"), groups, padding_mode
        self.padding = _margins(padding, self.kernel_size, self.stride, self.dilation)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, *self.kernel_size, **options))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels, **options)) if bias else None)
        bound = self.weight[0].numel() ** -0.5
        for parameter in self.parameters():
            uniform_(parameter, bound, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h', w'); sizes as in :func:`conv2d`.

        Raises
        ------
        ValueError
            If ``x`` is not such a batch, the kernel does not fit, or the border cannot be continued that far.
        """
        _check(x, self.weight, self.bias, self.padding, self.dilation, self.groups)
        top, bottom, left, right = self.padding
        if self.padding_mode == "zeros" and (top, left) == (bottom, right):  # torch pads without a copy
            return F.conv2d(x, self.weight, self.bias, self.stride, (top, left), self.dilation, self.groups)
        spare = {"circular": 0, "reflect": 1}.get(self.padding_mode)
        if spare is not None and (max(top, bottom) + spare > x.shape[2] or max(left, right) + spare > x.shape[3]):
            raise ValueError(f"a border of {self.padding} is too wide for {self.padding_mode} at {tuple(x.shape)}")
        x = F.pad(x, (left, right, top, bottom), MODES[self.padding_mode])
        return F.conv2d(x, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class GlobalMaxPool2d(nn.Module):
    """Forget where: keep the largest number of each map, (b, c, h, w) → (b, c), whatever h and w are."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, c)."""
        return x.amax(dim=(-2, -1))


def receptive_field(layers: Iterable[Layer | tuple[int, ...]]) -> Field:
    """Say which inputs a unit of a stack sees along one axis.

    With r = 1 and step = 1 at the input, each layer makes ``r += dilation (kernel - 1) step`` and ``step *= stride``.

    Parameters
    ----------
    layers : iterable of Layer or (kernel, stride, dilation, padding)
        From the input on; pooling counts as a kernel. What is missing at the end of a tuple is 1, 1 and 0.

    Returns
    -------
    Field

    Raises
    ------
    ValueError
        If a kernel, stride or dilation is below 1 or a padding below 0.

    Examples
    --------
    >>> receptive_field([(2, 1, 2**n) for n in range(10)]).size  # one block of WaveNet
    1024
    >>> receptive_field([(5,), (2, 2), (5,), (2, 2), (5,)])  # LeNet-5 up to C5
    Field(size=32, step=4, start=0)
    """
    size, step, start = 1, 1, 0
    for given in layers:
        layer = Layer(*given)
        if min(layer.kernel, layer.stride, layer.dilation) < 1 or layer.padding < 0:
            raise ValueError(f"kernel, stride, dilation are at least 1 and padding at least 0, found {layer}")
        size += layer.dilation * (layer.kernel - 1) * step
        start -= layer.padding * step
        step *= layer.stride
    return Field(size, step, start)


def as_matrix(f: Callable[[Tensor], Tensor], shape: tuple[int, ...], *, dtype: torch.dtype = torch.float64) -> Tensor:
    """Write a linear layer as the matrix that it is: ``f(x).flatten() == as_matrix(f, shape) @ x.flatten() + f(0)``.

    Parameters
    ----------
    f : callable
        Maps a batch of n inputs to n outputs, each by itself, by a linear map and a bias.
    shape : tuple of int
        Of one input, without the batch: (c, h, w).
    dtype : torch.dtype
        Of the inputs that ``f`` is given.

    Returns
    -------
    matrix : (outputs, inputs)
        Column k is what becomes of an input that is 1 at its k-th number and 0 elsewhere.

    Raises
    ------
    ValueError
        If ``f`` is not linear up to a bias, as seen on one more input.

    Examples
    --------
    >>> as_matrix(lambda x: conv2d(x, torch.tensor([[[[-1.0, 1.0]]]])), (1, 1, 4), dtype=torch.float32)
    tensor([[-1.,  1.,  0.,  0.],
            [ 0., -1.,  1.,  0.],
            [ 0.,  0., -1.,  1.]])
    """
    n = torch.Size(shape).numel()
    with torch.no_grad():
        zero = f(torch.zeros(1, *shape, dtype=dtype)).flatten(1)
        matrix = (f(torch.eye(n, dtype=dtype).reshape(n, *shape)).flatten(1) - zero).T.contiguous()
        probe = torch.linspace(-3, 2, n, dtype=dtype).cos() * torch.tensor([1.0, -2.0], dtype=dtype).repeat(n)[:n]
        out = f(probe.reshape(1, *shape)).flatten()
    if not torch.allclose(matrix @ probe + zero[0], out, rtol=1e-4, atol=1e-4 * float(out.abs().max())):
        raise ValueError("f is not linear up to a bias: it has no matrix")
    return matrix


def equivariance_error(
    f: Callable[[Tensor], Tensor],
    transform: Callable[[Tensor], Tensor],
    x: Tensor,
    output_transform: Callable[[Tensor], Tensor] | None = None,
) -> float:
    """Return the largest difference between ``f(transform(x))`` and ``output_transform(f(x))``.

    Zero, up to rounding, says that ``f`` is *equivariant* on ``x``: it commutes with the transformation.

    Parameters
    ----------
    f : callable
    transform : callable
        What is done to the input.
    x : tensor
    output_transform : callable, optional
        What should happen to the output; ``transform`` by default. With ``lambda y: y`` it is *invariance* that is
        tested.

    Raises
    ------
    ValueError
        If the two results have different shapes.

    Examples
    --------
    >>> shift = lambda x: x.roll(1, dims=-1)
    >>> x = torch.tensor([[1.0, 2.0, 4.0]])
    >>> equivariance_error(torch.square, shift, x), equivariance_error(lambda x: x.cumsum(-1), shift, x)
    (0.0, 4.0)
    """
    with torch.no_grad():
        first, then = f(transform(x)), (output_transform or transform)(f(x))
    if first.shape != then.shape:
        raise ValueError(f"f(T x) has shape {tuple(first.shape)} and T f(x) {tuple(then.shape)}")
    return (first - then).abs().max().item()


def _pair(value: Pair, least: int, name: str) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, int) and n >= least for n in pair):
        raise ValueError(f"{name} is one or two whole numbers, at least {least}, found {value!r}")
    return pair[0], pair[1]


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
    top, left = _pair(padding, 0, "padding")
    return top, top, left, left


def _check(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    margins: tuple[int, int, int, int],
    dilation: tuple[int, int],
    groups: int,
) -> None:
    if x.ndim != 4 or weight.ndim != 4 or groups < 1 or x.shape[1] != weight.shape[1] * groups or len(weight) % groups:
        shapes = f"{tuple(x.shape)}, {tuple(weight.shape)} and {groups}"
        raise ValueError(f"x is (b, c, h, w), weight (o, c / groups, i, j), o a multiple of groups, found {shapes}")
    if not x.is_floating_point() or x.dtype != weight.dtype:
        raise ValueError(f"x and weight are floats of one kind, found {x.dtype} and {weight.dtype}")
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"bias is ({len(weight)},), found shape {tuple(bias.shape)}")
    _places(x.shape[2] + sum(margins[:2]), weight.shape[2], 1, dilation[0])
    _places(x.shape[3] + sum(margins[2:]), weight.shape[3], 1, dilation[1])


def _places(length: int, kernel: int, stride: int, dilation: int) -> int:
    """Return in how many places a kernel fits."""
    if kernel < 1 or length < dilation * (kernel - 1) + 1:
        raise ValueError(f"a kernel of {kernel}, dilation {dilation}, does not fit into {length} pixels with padding")
    return (length - dilation * (kernel - 1) - 1) // stride + 1


def _prepare(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Pair, padding: Pair | str, dilation: Pair, groups: int
) -> tuple[Tensor, tuple[int, int], tuple[int, int], tuple[int, int]]:
    """Check everything; return the padded images, stride, dilation and the size of the result."""
    strides, steps = _pair(stride, 1, "stride"), _pair(dilation, 1, "dilation")
    size = (weight.shape[2], weight.shape[3]) if weight.ndim == 4 else (1, 1)
    margins = _margins(padding, size, strides, steps)
    _check(x, weight, bias, margins, steps, groups)
    top, bottom, left, right = margins
    x = F.pad(x, (left, right, top, bottom))
    height = _places(x.shape[2], weight.shape[2], strides[0], steps[0])
    width = _places(x.shape[3], weight.shape[3], strides[1], steps[1])
    return x, strides, steps, (height, width)


def _patches(x: Tensor, size: tuple[int, int], stride: Pair, padding: Pair, dilation: Pair) -> Tensor:
    """Return a view (b, c, h', w', i, j) of what each place sees; nothing is copied yet."""
    if x.ndim != 4:
        raise ValueError(f"x is (b, c, h, w), found shape {tuple(x.shape)}")
    (down, across), (d, e) = _pair(stride, 1, "stride"), _pair(dilation, 1, "dilation")
    top, left = _pair(padding, 0, "padding")
    if top or left:
        x = F.pad(x, (left, left, top, top))
    _places(x.shape[2], size[0], down, d), _places(x.shape[3], size[1], across, e)
    rows = x.unfold(2, d * (size[0] - 1) + 1, down)[..., ::d]
    return rows.unfold(3, e * (size[1] - 1) + 1, across)[..., ::e]


def _with_bias(maps: Tensor, bias: Tensor | None) -> Tensor:
    return maps if bias is None else maps + bias[:, None, None]
