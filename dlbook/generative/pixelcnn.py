"""PixelCNN, a stack of masked convolutions: van den Oord, Kalchbrenner and Kavukcuoglu (2016), arXiv:1601.06759.

Sec. 3.4 has the masks A and B, Sec. 3.5 the stack, Table 1 and Fig. 5 its blocks; the images here have one binary
channel. Paper → code: h → ``channels`` (between the blocks there are 2h).
Axes: b images, c channels, h rows, w columns.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._draws import drawn
from dlbook.generative.ancestral import Predict, check_images, log_likelihood, sample

__all__ = ["Block", "MaskedConv2d", "PixelCNN", "raster_mask"]


def raster_mask(kernel: tuple[int, int], kind: str) -> Tensor:
    """Return the mask (rows, columns) of a kernel: 1 where it lies on what comes before its middle in raster order.

    Parameters
    ----------
    kernel : (int, int)
        Odd sizes.
    kind : {"A", "B"}
        A leaves out the middle, as the layer that reads the image must; B keeps it.

    Examples
    --------
    >>> raster_mask((3, 3), "A").int()
    tensor([[1, 1, 1],
            [1, 0, 0],
            [0, 0, 0]], dtype=torch.int32)
    """
    rows, columns = kernel
    if kind not in ("A", "B") or rows % 2 == 0 or columns % 2 == 0:
        raise ValueError(f"a mask is of kind A or B, its sizes are odd, found {kind!r} and {rows} x {columns}")
    mask = torch.ones(rows, columns)
    mask[rows // 2, columns // 2 + (kind == "B") :] = 0
    mask[rows // 2 + 1 :] = 0
    return mask


class MaskedConv2d(nn.Module):
    """A convolution that keeps the size and sees, at each pixel, only what comes before it in raster order.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel : int or (int, int)
        Odd.
    mask : {"A", "B"}
        Whether the pixel itself is hidden (A) or seen (B).
    generator : torch.Generator, optional
        Draws weights and biases as torch does.
    device, dtype : optional

    Examples
    --------
    >>> layer = MaskedConv2d(1, 5, 3, mask="A")
    >>> x = torch.zeros(1, 1, 3, 3)
    >>> x[..., 1, 1] = 1
    >>> (layer(x) != layer(0 * x)).any(dim=1).int()  # which places see the middle
    tensor([[[0, 0, 0],
             [0, 0, 1],
             [1, 1, 1]]], dtype=torch.int32)
    """

    mask: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        *,
        mask: str,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        rows, columns = (kernel, kernel) if isinstance(kernel, int) else kernel
        visible = raster_mask((rows, columns), mask)
        self.conv = drawn(
            nn.Conv2d, in_channels, out_channels, kernel_size=(rows, columns), padding=(rows // 2, columns // 2),
            generator=generator, device=device, dtype=dtype,
        )  # fmt: skip
        self.register_buffer("mask", visible.to(self.conv.weight), persistent=False)
        self.kind = mask
        self.register_load_state_dict_post_hook(_renew_mask)  # it is not in the state dict, and may be on no device

    def extra_repr(self) -> str:
        """Name the mask."""
        return f"mask={self.kind!r}"

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to (b, out, h, w)."""
        return F.conv2d(x, self.conv.weight * self.mask, self.conv.bias, padding=self.conv.padding)


def _renew_mask(module: nn.Module, _: Any) -> None:
    """Write the mask anew where the weights are: after ``to_empty`` it would hold what was in memory."""
    layer = cast(MaskedConv2d, module)
    rows, columns = layer.conv.kernel_size
    layer.mask = raster_mask((rows, columns), layer.kind).to(layer.conv.weight)


class Block(nn.Module):
    """A residual block: 1 x 1 down to ``channels``, a masked k x k, 1 x 1 back up to twice as many. Fig. 5."""

    def __init__(self, channels: int, kernel: int, generator: Generator | None, **place: Any) -> None:
        super().__init__()
        self.down = drawn(nn.Conv2d, 2 * channels, channels, 1, generator=generator, **place)
        self.masked = MaskedConv2d(channels, channels, kernel, mask="B", generator=generator, **place)
        self.up = drawn(nn.Conv2d, channels, 2 * channels, 1, generator=generator, **place)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, 2c, h, w) to the same shape."""
        return x + self.up(F.relu(self.masked(F.relu(self.down(F.relu(x))))))


class PixelCNN(nn.Module):
    """A distribution over binary images: a 7 x 7 layer with mask A, blocks with mask B, two 1 x 1 layers.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the images.
    channels : int
        h of the paper.
    layers : int
        Blocks; the paper has 15.
    kernel, first : int
        Of the masked convolutions in the blocks, and of the first layer. Odd.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> model = PixelCNN(3, channels=2, layers=1)
    >>> model.log_prob(torch.zeros(5, 1, 3, 3)).shape, model.sample(7).shape
    (torch.Size([5]), torch.Size([7, 1, 3, 3]))
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 28,
        *,
        channels: int = 16,
        layers: int = 4,
        kernel: int = 3,
        first: int = 7,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size = (size, size) if isinstance(size, int) else size
        if min(*self.size, channels) < 1 or layers < 0:
            found = f"size {self.size}, {channels} channels and {layers} layers"
            raise ValueError(f"size and channels are at least 1, layers at least 0, found {found}")
        self.reach = first // 2 + layers * (kernel // 2)  # how many rows up, and columns to either side, a pixel sees
        place = {"device": device, "dtype": dtype}
        self.first = MaskedConv2d(1, 2 * channels, first, mask="A", generator=generator, device=device, dtype=dtype)
        self.blocks = nn.Sequential(*(Block(channels, kernel, generator, **place) for _ in range(layers)))
        self.head = nn.Sequential(
            nn.ReLU(),
            drawn(nn.Conv2d, 2 * channels, channels, 1, generator=generator, **place),
            nn.ReLU(),
            drawn(nn.Conv2d, channels, 1, 1, generator=generator, **place),
        )

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(self.first(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 1, h, w) of zeros and ones to logits of the same shape, each of what comes before it."""
        check_images(x, self.size)
        return self._logits(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats, exactly."""
        return log_likelihood(self(x), x)

    def predictor(self) -> Predict:
        """Return a function that gives the logits of one pixel, from the window that it can see and no more."""

        def predict(x: Tensor, i: int, j: int) -> Tensor:
            top, left = max(0, i - self.reach), max(0, j - self.reach)
            window = x[:, :, top : i + 1, left : j + self.reach + 1]
            return self._logits(window)[:, 0, -1, j - left]

        return predict

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, 1, h, w), pixel by pixel."""
        return sample(self, n, self.size, like=self.first.conv.weight, generator=generator)
