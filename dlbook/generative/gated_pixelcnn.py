"""Gated PixelCNN, two stacks without a blind spot: van den Oord et al. (2016), arXiv:1606.05328, Sec. 2, Fig. 2.

Eq. (2), y = tanh(W_f * x) ⊙ σ(W_g * x), is the gate; a vertical stack sees the rows above, a horizontal one the row
so far. Paper → code: n → ``kernel``, p → ``channels``. Masks become shifts: the image goes down by one row into
the vertical stack and right by one column into the horizontal one; behind that nothing has to be hidden.
Axes: b images, c channels, h rows, w columns, k columns of a kernel.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._draws import drawn
from dlbook.generative.ancestral import Predict, check_images, log_likelihood, sample

__all__ = ["GatedLayer", "GatedPixelCNN", "gate"]


def gate(a: Tensor, dim: int = 1) -> Tensor:
    """Return tanh of the first half of ``a`` along ``dim`` times σ of the second half, eq. (2).

    Examples
    --------
    >>> gate(torch.tensor([[100.0, 0.0]]))  # tanh(100) σ(0)
    tensor([[0.5000]])
    """
    signal, opening = a.chunk(2, dim=dim)
    return signal.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """One layer of both stacks: what the vertical stack sees flows into the horizontal one, never back."""

    def __init__(self, in_channels: int, channels: int, kernel: int, generator: Generator | None, **place: Any) -> None:
        super().__init__()
        self.back = kernel // 2
        options: dict[str, Any] = {"generator": generator, **place}
        self.vertical = drawn(nn.Conv2d, in_channels, 2 * channels, kernel_size=(self.back + 1, kernel), **options)
        self.across = drawn(nn.Conv2d, 2 * channels, 2 * channels, 1, **options)
        self.horizontal = drawn(nn.Conv2d, in_channels, 2 * channels, kernel_size=(1, self.back + 1), **options)
        self.out = drawn(nn.Conv2d, channels, channels, 1, **options)
        self.residual = in_channels == channels

    def down(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """Map the vertical stack's (b, c, h, w) to its next maps, and to what it hands the horizontal stack."""
        a = self.vertical(F.pad(v, (self.back, self.back, self.back, 0)))  # rows i - back to i
        return gate(a), self.across(a)

    def along(self, h: Tensor, handed: Tensor) -> Tensor:
        """Map the horizontal stack's (b, c, h, w) to its next maps, given what the vertical stack hands over."""
        a = self.horizontal(F.pad(h, (self.back, 0)))  # columns j - back to j
        y = self.out(gate(a + handed))
        return h + y if self.residual else y

    def along_one(self, window: Tensor, handed: Tensor) -> Tensor:
        """Do as :meth:`along` at one place: window (b, c, k), its last column there, and handed (b, 2c) to (b, c)."""
        weight, w_out = self.horizontal.weight, self.out.weight[:, :, 0, 0]
        a = F.linear(window.flatten(1), weight.flatten(1), self.horizontal.bias)
        y = F.linear(gate(a + handed), w_out, self.out.bias)
        return window[:, :, -1] + y if self.residual else y


class GatedPixelCNN(nn.Module):
    """A distribution over binary images: layers of two gated stacks, then two 1 x 1 layers.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the images.
    channels : int
        p of the paper, in each stack.
    layers : int
    kernel, first : int
        Width of the kernels, and of those of the first layer. Odd.
    generator : torch.Generator, optional
        Draws weights and biases as torch does.
    device, dtype : optional

    Examples
    --------
    >>> model = GatedPixelCNN(3, channels=2, layers=2)
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
        if layers < 1 or kernel % 2 == 0 or first % 2 == 0:
            raise ValueError(f"at least one layer and odd kernels, found {layers} layers, kernels {kernel} and {first}")
        self.size = (size, size) if isinstance(size, int) else size
        if min(*self.size, channels) < 1:
            raise ValueError(f"size and channels are at least 1, found size {self.size} and {channels} channels")
        self.rows = 1 + first // 2 + (layers - 1) * (kernel // 2)  # how many rows up a pixel sees
        place = {"device": device, "dtype": dtype}
        self.layers = nn.ModuleList(
            GatedLayer(channels if k else 1, channels, kernel if k else first, generator, **place)
            for k in range(layers)
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            drawn(nn.Conv2d, channels, 2 * channels, 1, generator=generator, **place),
            nn.ReLU(),
            drawn(nn.Conv2d, 2 * channels, 1, 1, generator=generator, **place),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 1, h, w) of zeros and ones to logits of the same shape, each of what comes before it."""
        check_images(x, self.size)
        v, h = F.pad(x, (0, 0, 1, -1)), F.pad(x, (1, -1))  # one row down, one column to the right
        for layer in self.layers:
            v, handed = layer.down(v)  # type: ignore[operator]
            h = layer.along(h, handed)  # type: ignore[operator]
        return self.head(h)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats, exactly."""
        return log_likelihood(self(x), x)

    def predictor(self) -> Predict:
        """Return a function that gives the logits of one pixel and computes nothing twice within a row.

        At the first pixel of a row the vertical stack reads the rows above that matter; then each pixel costs one
        column of the horizontal stack, whose columns before are kept.
        """
        handed: list[Tensor] = []  # by layer, (b, 2c, w): what the vertical stack says about this row
        kept: list[Tensor] = []  # by layer, (b, c, back + w): the inputs of the horizontal stack so far

        def begin_row(x: Tensor, i: int) -> None:
            handed.clear()
            kept.clear()
            v = F.pad(x[:, :, max(0, i - self.rows) : i + 1], (0, 0, 1, -1))
            for layer in self.layers:
                kept.append(x.new_zeros(len(x), layer.horizontal.in_channels, layer.back + x.shape[3]))  # type: ignore[union-attr, operator, arg-type]
                v, to_row = layer.down(v)  # type: ignore[operator]
                handed.append(to_row[:, :, -1])

        def predict(x: Tensor, i: int, j: int) -> Tensor:
            if j == 0:
                begin_row(x, i)
            h = x[:, :, i, j - 1] if j > 0 else x.new_zeros(len(x), 1)
            for layer, row, columns in zip(self.layers, handed, kept, strict=True):
                back: int = layer.back  # type: ignore[assignment]
                columns[:, :, back + j] = h
                h = layer.along_one(columns[:, :, j : back + j + 1], row[:, :, j])  # type: ignore[operator]
            return self.head(h[:, :, None, None])[:, 0, 0, 0]

        return predict

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, 1, h, w), pixel by pixel."""
        like = next(self.parameters())
        return sample(self, n, self.size, like=like, generator=generator)
