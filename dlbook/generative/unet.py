"""A small U-Net that sees the noise in an image: Ronneberger et al. (2015), arXiv:1505.04597.

Down by a stride, up by copying, and across by concatenation, so that an edge is not lost on the way through the small
maps. As in Ho et al. (2020), arXiv:2006.11239, App. B, the time enters every block as a shift of its maps, and a label
does, too.
Departures, all for speed: two levels, pixels in squares of 2 x 2 as channels, and at the bottom a fully connected layer
in place of attention, which ties the network to one size of image.
Axes: b images, c channels, h and w pixels, d features.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import drawn, normal_, undrawn

__all__ = ["Block", "Bottleneck", "UNet", "time_features"]

KNOWN = 64  # features that stand for time and label


def time_features(time: Tensor, d: int) -> Tensor:
    """Return sines and cosines (b, d) of times (b,) in [0, 1], at d / 2 frequencies from 1 to 100 in equal ratios.

    Examples
    --------
    >>> time_features(torch.zeros(2), 4)
    tensor([[0., 0., 1., 1.],
            [0., 0., 1., 1.]])
    """
    axes("time", time, "b")
    if not time.is_floating_point():
        raise ValueError(f"time is of times in [0, 1], floats, found {time.dtype}: divide step numbers by their last")
    if d < 2 or d % 2:
        raise ValueError(f"d is even and at least 2, a sine and a cosine for each frequency, found {d}")
    frequency = torch.logspace(0, 2, d // 2, device=time.device)
    # at least float32: in half precision a large angle has no digits behind the point
    angle = time[:, None] * frequency
    return torch.cat([angle.sin(), angle.cos()], dim=1).to(time.dtype)


class Block(nn.Module):
    """Two convolutions around a shift by what is known of time and label, added to the input.

    Parameters
    ----------
    channels : int
        A multiple of 8.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> Block(8)(torch.zeros(2, 8, 7, 7), torch.zeros(2, 64)).shape
    torch.Size([2, 8, 7, 7])
    """

    def __init__(
        self,
        channels: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if channels < 1 or channels % 8:
            raise ValueError(f"channels is a multiple of 8, found {channels}")
        options: dict[str, Any] = {"generator": generator, "device": device, "dtype": dtype}
        self.norm1 = nn.GroupNorm(channels // 8, channels, device=device, dtype=dtype)
        self.conv1 = drawn(nn.Conv2d, channels, channels, 3, padding=1, **options)
        self.shift = drawn(nn.Linear, KNOWN, channels, **options)
        self.norm2 = nn.GroupNorm(channels // 8, channels, device=device, dtype=dtype)
        self.conv2 = drawn(nn.Conv2d, channels, channels, 3, padding=1, **options)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Return maps (b, c, h, w) of x (b, c, h, w) and ``known`` (b, 64)."""
        h = self.conv1(F.silu(self.norm1(x))) + self.shift(known)[:, :, None, None]
        return x + self.conv2(F.silu(self.norm2(h)))


class Bottleneck(nn.Module):
    """Let every place see every other: maps to few numbers and back, through one hidden layer, added to the input.

    Parameters
    ----------
    channels, side, hidden : int
        Maps are (b, channels, side, side); eight of them are read and written.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> Bottleneck(16, 7, 32)(torch.zeros(2, 16, 7, 7), torch.zeros(2, 64)).shape
    torch.Size([2, 16, 7, 7])
    """

    def __init__(
        self,
        channels: int,
        side: int,
        hidden: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        options: dict[str, Any] = {"generator": generator, "device": device, "dtype": dtype}
        self.side = side
        self.read = drawn(nn.Conv2d, channels, 8, 1, **options)
        self.inward = drawn(nn.Linear, 8 * side**2, hidden, **options)
        self.shift = drawn(nn.Linear, KNOWN, hidden, **options)
        self.outward = drawn(nn.Linear, hidden, 8 * side**2, **options)
        self.write = drawn(nn.Conv2d, 8, channels, 1, **options)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Return maps (b, c, h, w) of x (b, c, h, w) and ``known`` (b, 64)."""
        hidden = F.silu(self.inward(self.read(x).flatten(1)) + self.shift(known))
        return x + self.write(self.outward(hidden).unflatten(1, (8, self.side, self.side)))


class UNet(nn.Module):
    """Map images (b, c, side, side), times (b,) and labels (b,) to as many numbers: the noise, or a velocity.

    Parameters
    ----------
    in_channels, side : int
        Of the image; the side is a multiple of 4.
    width, deep : int
        Maps at the upper level, of half the image's side, and at the lower, of a quarter; multiples of 8.
    hidden : int
        Units of the bottleneck.
    classes : int
        Labels are 0 to classes - 1; the label ``classes`` says nothing, and is what no label means.
    generator : torch.Generator, optional
        Draws the weights as torch does, but the last layer starts at 0, so that the first answer is 0.
    device, dtype : optional

    Examples
    --------
    >>> model = UNet(classes=10)
    >>> model(torch.zeros(2, 1, 28, 28), torch.ones(2), torch.tensor([3, 10])).shape
    torch.Size([2, 1, 28, 28])
    """

    def __init__(
        self,
        in_channels: int = 1,
        side: int = 28,
        *,
        width: int = 16,
        deep: int = 48,
        hidden: int = 256,
        classes: int = 0,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, side, width, deep, hidden) < 1 or classes < 0 or side % 4 or width % 8 or deep % 8:
            raise ValueError(
                "sizes are at least 1, side a multiple of 4, width and deep multiples of 8, found "
                f"channels {in_channels}, side {side}, width {width}, deep {deep}, hidden {hidden}, classes {classes}"
            )
        self.in_channels, self.side, self.width, self.classes = in_channels, side, width, classes
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        options = {"generator": generator, **place}
        self.time = nn.Sequential(
            drawn(nn.Linear, width, KNOWN, **options), nn.SiLU(), drawn(nn.Linear, KNOWN, KNOWN, **options)
        )
        self.label = undrawn(nn.Embedding, classes + 1, KNOWN, **place)
        normal_(self.label.weight, 0.5, generator)
        self.enter = drawn(nn.Conv2d, 4 * in_channels, width, 3, padding=1, **options)
        self.high = Block(width, **options)
        self.down = drawn(nn.Conv2d, width, deep, 3, stride=2, padding=1, **options)
        self.bottom = Bottleneck(deep, side // 4, hidden, **options)
        self.low = Block(deep, **options)
        self.up = drawn(nn.Conv2d, deep, width, 1, **options)
        self.merge = drawn(nn.Conv2d, 2 * width, width, 1, **options)
        self.last = Block(width, **options)
        self.norm = nn.GroupNorm(width // 8, width, **place)
        self.leave = undrawn(nn.Conv2d, width, 4 * in_channels, 3, padding=1, **place)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(cast(Tensor, self.leave.bias))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):  # the same numbers, a quarter faster on a CPU
                layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        """Return (b, c, side, side) for images x (b, c, side, side), times (b,) in [0, 1] and labels int64 (b,)."""
        b, *_ = axes("x", x, "b c h w", c=self.in_channels, h=self.side, w=self.side)
        if not x.is_floating_point():
            raise ValueError(f"x is of floats, found {x.dtype}: scale bytes to [-1, 1] first")
        axes("time", time, "b", b=b)
        if y is None:
            y = torch.full_like(time, self.classes, dtype=torch.int64)
        axes("y", y, "b", b=b)
        known = F.silu(self.time(time_features(time, self.width).to(x.dtype)) + self.label(y))
        high = self.high(self.enter(rearrange(x, "b c (h p) (w q) -> b (c p q) h w", p=2, q=2)), known)
        low = self.low(self.bottom(self.down(high), known), known)
        up = F.interpolate(self.up(low), scale_factor=2)
        merged = self.last(self.merge(torch.cat([high, up], dim=1)), known)
        squares = self.leave(F.silu(self.norm(merged)))
        return rearrange(squares, "b (c p q) h w -> b c (h p) (w q)", p=2, q=2)
