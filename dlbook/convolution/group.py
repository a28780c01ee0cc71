"""Convolutions over the groups p4 and p4m: Cohen and Welling (2016), ICML, arXiv:1602.07576, Sec. 4 to 7.

The paper's (m, r) of a matrix g(m, r, u, v) → one number, the *element* 4 m + r: mirror m times (left and right change
places), then turn r times by 90 degrees, counterclockwise as ``torch.rot90`` does.  Elements 0 to 3 are the rotations
of p4, 0 to 7 the rotations and reflections of p4m; u and v, the translation, are the last two axes of every array.
The paper's L_g → :func:`transform` on images, :func:`transform_maps` on feature maps and on filters; K and the table
of indices of Sec. 7 → :func:`filter_bank`.  As everywhere in the field, "convolution" correlates (eqs. 10 and 11).

Axes: b images, c input maps, o output maps, k and t group elements (4 or 8), h and w pixels, i and j filter places.
Pixelwise functions, ``nn.MaxPool3d((1, 2, 2))`` on maps of even height and width, and ``nn.BatchNorm3d`` fit between
these layers as they are: they treat all the elements of a map alike.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange, repeat
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import uniform_

__all__ = [
    "GroupMaxPool",
    "P1Conv2d",
    "P4Conv2d",
    "P4MConv2d",
    "cayley_table",
    "compose",
    "filter_bank",
    "inverse",
    "transform",
    "transform_maps",
]

ORDERS = (1, 4, 8)  # of the translations alone (p1), of p4, of p4m, without counting the translations


def compose(first: int, second: int) -> int:
    """Return the element that does ``second``, then ``first``, as a product of matrices does.

    A mirror image turns the other way: with s the reflection and r the turn, ``s r = r^-1 s``.

    Examples
    --------
    >>> compose(1, 4), compose(4, 1)  # mirror then turn; turn then mirror
    (5, 7)
    """
    _check_element(first, 8)
    _check_element(second, 8)
    turns = first + second if first < 4 else first - second
    return turns % 4 + 4 * (first // 4 != second // 4)


def inverse(element: int) -> int:
    """Return the element that undoes ``element``; a reflection undoes itself.

    Examples
    --------
    >>> [inverse(element) for element in range(8)]
    [0, 3, 2, 1, 4, 5, 6, 7]
    """
    _check_element(element, 8)
    return element if element >= 4 else -element % 4


def cayley_table(order: int) -> Tensor:
    """Return the multiplication table of the group, int64 (order, order): row a, column b hold ``compose(a, b)``.

    Parameters
    ----------
    order : {1, 4, 8}

    Examples
    --------
    >>> cayley_table(4)
    tensor([[0, 1, 2, 3],
            [1, 2, 3, 0],
            [2, 3, 0, 1],
            [3, 0, 1, 2]])
    """
    _check_order(order)
    return torch.tensor([[compose(a, b) for b in range(order)] for a in range(order)])


def transform(x: Tensor, element: int) -> Tensor:
    """Mirror and turn images, (..., h, w): pixels move, and nothing else.

    Examples
    --------
    >>> transform(torch.tensor([[1, 2], [3, 4]]), 1)
    tensor([[2, 4],
            [1, 3]])
    """
    _check_element(element, 8)
    axes("x", x, "... h w")
    return torch.rot90(x.flip(-1) if element >= 4 else x, element % 4, (-2, -1))


def transform_maps(x: Tensor, element: int) -> Tensor:
    """Transform feature maps on a group, or filters: each slice is moved as an image, and the slices change places.

    ``(L_g f)(t, p) = f(g^-1 t, g^-1 p)``: Sec. 4.4 of the paper, Figs. 1 and 2.

    Parameters
    ----------
    x : (..., order, h, w)
        Order 1, 4 or 8 tells the group.
    element : int
        g, one of the elements of that group.

    Returns
    -------
    y : (..., order, h', w')

    Examples
    --------
    >>> x = torch.arange(4).reshape(4, 1, 1)  # one pixel: only the order of the slices can change
    >>> transform_maps(x, 1).flatten()
    tensor([3, 0, 1, 2])
    """
    order = _check_maps(x)
    _check_element(element, order)
    back = inverse(element)
    return transform(x[..., [compose(back, t) for t in range(order)], :, :], element)


def filter_bank(weight: Tensor, order: int) -> Tensor:
    """Write out all that a group convolution slides: every filter in ``order`` poses (Sec. 7 of the paper).

    Parameters
    ----------
    weight : (o, c, i, i), or (o, c, order, i, i)
        Filters on images, which are only moved, or filters on the group, whose slices change places, too.
    order : {1, 4, 8}

    Returns
    -------
    bank : (o, order, c, i, i), or (o, order, c, order, i, i)

    Examples
    --------
    >>> edge = torch.tensor([[[[-1, 1], [-1, 1]]]])
    >>> filter_bank(edge, 4)[0, :, 0].flatten(1)  # dark on the left, below, on the right, above
    tensor([[-1,  1, -1,  1],
            [ 1,  1, -1, -1],
            [ 1, -1,  1, -1],
            [-1, -1,  1,  1]])
    """
    _check_order(order)
    if weight.ndim not in (4, 5) or weight.shape[-1] != weight.shape[-2]:
        raise ValueError(f"filters are (o, c, i, i) or (o, c, order, i, i), found shape {tuple(weight.shape)}")
    if weight.ndim == 5 and weight.shape[2] != order:
        raise ValueError(f"filters on a group of order {order} have as many slices, found shape {tuple(weight.shape)}")
    pose = transform if weight.ndim == 4 else transform_maps
    return torch.stack([pose(weight, element) for element in range(order)], dim=1)


class GroupMaxPool(nn.Module):
    """Keep the largest of the responses at one place, (b, c, order, h, w) → (b, c, h, w): in which pose is forgotten.

    What is left moves like an image: turned input, turned output (Sec. 6.3, coset pooling).
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, order, h, w) to (b, c, h, w)."""
        _check_maps(x)
        return x.amax(dim=-3)


class _GroupConv2d(nn.Module):
    order: int
    bias: Tensor | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        lifting: bool = False,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        least = {"in_channels": 1, "out_channels": 1, "kernel_size": 1, "stride": 1, "padding": 0}
        given = (in_channels, out_channels, kernel_size, stride, padding)
        for (name, bound), value in zip(least.items(), given, strict=True):
            if not isinstance(value, int) or value < bound:
                raise ValueError(f"{name} is one whole number (filters are square), at least {bound}, found {value!r}")
        self.in_channels, self.out_channels, self.kernel_size = in_channels, out_channels, kernel_size
        self.stride, self.padding, self.lifting = stride, padding, lifting
        slices = () if lifting else (self.order,)
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        shape = (out_channels, in_channels, *slices, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, **options))
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels, **options)) if bias else None)
        limit = self.weight[0].numel() ** -0.5
        for parameter in self.parameters():
            uniform_(parameter, limit, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, order, h, w), or (b, in_channels, h, w) if lifting, to (b, out_channels, order, h', w').

        Raises
        ------
        ValueError
            If ``x`` is not such a batch, the filter is larger than the padded map, or a stride leaves out pixels on
            one side only: then a turned map would be sampled at other places.
        """
        axes("x", x, "b c h w" if self.lifting else f"b c {self.order} h w", c=self.in_channels)
        spare = [n + 2 * self.padding - self.kernel_size for n in x.shape[-2:]]
        if min(spare) < 0 or any(n % self.stride for n in spare):
            found = f"{tuple(x.shape[-2:])}, kernel {self.kernel_size}, stride {self.stride}, padding {self.padding}"
            raise ValueError(f"size + 2 padding - kernel is a multiple of the stride, and not negative, found {found}")
        bank = filter_bank(self.weight, self.order)
        bank = rearrange(bank, "o k c i j -> (o k) c i j" if self.lifting else "o k c t i j -> (o k) (c t) i j")
        bias = None if self.bias is None else repeat(self.bias, "o -> (o k)", k=self.order)
        x = x if self.lifting else rearrange(x, "b c t h w -> b (c t) h w")
        return rearrange(F.conv2d(x, bank, bias, self.stride, self.padding), "b (o k) h w -> b o k h w", k=self.order)

    def extra_repr(self) -> str:
        """Return the sizes, as ``torch.nn`` layers print them."""
        sizes = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"
        return f"{sizes}, stride={self.stride}, padding={self.padding}, lifting={self.lifting}"


class P1Conv2d(_GroupConv2d):
    """A plain convolution with a group axis of length one: the same arguments as :class:`P4Conv2d`, for comparisons."""

    order = 1


class P4Conv2d(_GroupConv2d):
    """Convolve over translations and turns by 90 degrees: each filter is slid in four poses (eqs. 10 and 11).

    Turn the input and the output turns, exactly: ``layer(transform_maps(x, g)) == transform_maps(layer(x), g)``.

    Parameters
    ----------
    in_channels, out_channels : int
        Maps on the group; one of them is four planes.
    kernel_size : int
        Filters are square, or they would not fit when turned.
    stride : int
        Refused in ``forward`` where it would sample a turned map at other places.
    padding : int
        Zeros on each side.
    bias : bool
        One a map, shared by its planes: more would break the symmetry.
    lifting : bool
        The first layer of a network takes images (b, in_channels, h, w); all others take (b, in_channels, 4, h, w).
    generator : torch.Generator, optional
        Draws weights and biases, uniform in ±1/√(inputs of a unit), as torch does.
    device, dtype : optional

    Attributes
    ----------
    weight : (out_channels, in_channels, kernel_size, kernel_size) if lifting, else with an axis of 4 after the second
    bias : (out_channels,), or None

    Examples
    --------
    >>> lift, layer = P4Conv2d(1, 8, 3, lifting=True), P4Conv2d(8, 16, 3)
    >>> layer(lift(torch.zeros(2, 1, 28, 28))).shape, layer.weight.shape
    (torch.Size([2, 16, 4, 24, 24]), torch.Size([16, 8, 4, 3, 3]))
    """

    order = 4


class P4MConv2d(_GroupConv2d):
    """Convolve over translations, turns and reflections: each filter is slid in eight poses.

    Arguments and attributes are those of :class:`P4Conv2d`, with 8 in the place of 4.

    Examples
    --------
    >>> P4MConv2d(1, 8, 3, lifting=True)(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 8, 8, 26, 26])
    """

    order = 8


def _check_order(order: int) -> None:
    if order not in ORDERS:
        raise ValueError(f"order is 1, 4 (p4) or 8 (p4m), found {order!r}")


def _check_element(element: int, order: int) -> None:
    if not isinstance(element, int) or not 0 <= element < order:
        raise ValueError(f"elements are whole numbers from 0 to {order - 1}, found {element!r}")


def _check_maps(x: Tensor) -> int:
    if x.ndim < 3 or x.shape[-3] not in ORDERS:
        raise ValueError(f"maps on a group are (..., 1, 4 or 8, h, w), found shape {tuple(x.shape)}")
    return x.shape[-3]
