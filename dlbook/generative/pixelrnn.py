"""PixelRNN, long short-term memories that run over images: van den Oord et al. (2016), arXiv:1601.06759, Sec. 3.

Sec. 3.1 has the row LSTM, Sec. 3.2 the diagonal BiLSTM and the skewed map, eq. (3) the step of both, Table 1 the
network. Paper → code: K^is → ``to_state``, K^ss → ``state_weight``, h → ``hidden``; o, f, i, g in the paper's order.
Axes: b images, c channels, h rows, w columns, d diagonals, k places of a kernel.
"""

from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor, nn

from dlbook._draws import drawn
from dlbook.generative.ancestral import Predict, check_images, log_likelihood, sample
from dlbook.generative.pixelcnn import MaskedConv2d

__all__ = ["DiagonalBiLSTM", "DiagonalLSTM", "PixelRNN", "Residual", "RowLSTM", "skew", "step", "unskew"]


def step(gates: Tensor, cell: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the next state and cell, from the cell before and the sums of eq. (3), four times as many along ``dim``.

    Examples
    --------
    >>> forget_nothing = torch.tensor([[0.0, 100, -100, 0]])  # o, f, i, g
    >>> step(forget_nothing, torch.ones(1, 1), dim=1)[1]
    tensor([[1.]])
    """
    o, f, i, g = gates.chunk(4, dim=dim)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def skew(x: Tensor) -> Tensor:
    """Shift row i of (..., h, w) to the right by i, into (..., h, w + h - 1): diagonals become columns.

    Examples
    --------
    >>> skew(torch.tensor([[1, 2, 3], [4, 5, 6]]))
    tensor([[1, 2, 3, 0],
            [0, 4, 5, 6]])
    """
    h, w = x.shape[-2:]
    return F.pad(x, (0, h)).flatten(-2)[..., : h * (w + h - 1)].unflatten(-1, (h, w + h - 1))


def unskew(x: Tensor) -> Tensor:
    """Undo :func:`skew`: (..., h, d) to (..., h, d - h + 1).

    Examples
    --------
    >>> unskew(torch.tensor([[1, 2, 3, 0], [0, 4, 5, 6]]))
    tensor([[1, 2, 3],
            [4, 5, 6]])
    """
    h, d = x.shape[-2:]
    return F.pad(x.flatten(-2), (0, h)).unflatten(-1, (h, d + 1))[..., : d - h + 1]


class RowLSTM(nn.Module):
    """One step a row: each state is computed from three states above it and from its row's input so far.

    Parameters
    ----------
    channels, hidden : int
        Of the input, and of the states.
    kernel : int
        Width of both convolutions, odd; the paper's k.
    generator : torch.Generator, optional
        Draws the weights as torch draws those of a convolution.
    device, dtype : optional

    Examples
    --------
    >>> RowLSTM(3, 5)(torch.zeros(2, 3, 7, 11)).shape
    torch.Size([2, 5, 7, 11])
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        kernel: int = 3,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.to_state = MaskedConv2d(
            channels, 4 * hidden, (1, kernel), mask="B", generator=generator, device=device, dtype=dtype
        )
        self.from_state = drawn(
            nn.Conv1d, hidden, 4 * hidden, kernel, padding=kernel // 2, bias=False, generator=generator, **place
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to states (b, hidden, h, w)."""
        drive = self.to_state(x)  # of all rows at once
        b, gates, _, w = drive.shape
        state = cell = drive.new_zeros(b, gates // 4, w)
        states = []
        for row in drive.unbind(dim=2):
            state, cell = step(row + self.from_state(state), cell, dim=1)
            states.append(state)
        return torch.stack(states, dim=2)


class DiagonalLSTM(nn.Module):
    """One step a diagonal, towards the lower right: each state is computed from the one above and the one before.

    Takes what :class:`RowLSTM` takes, without a kernel.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.to_state = drawn(nn.Conv2d, channels, 4 * hidden, 1, generator=generator, **place)
        self.from_states = drawn(nn.Linear, 2 * hidden, 4 * hidden, bias=False, generator=generator, **place)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to states (b, hidden, h, w)."""
        drive = skew(self.to_state(x))  # 0 left of the image, and so are cells and states there
        drive = rearrange(drive, "b gates h d -> d b h gates").contiguous()
        _, b, h, gates = drive.shape
        left = cell = drive.new_zeros(b, h, gates // 4)  # of the diagonal before: a row has its left pixel's
        states = []
        for diagonal in drive.unbind():
            above = F.pad(left, (0, 0, 1, -1))  # and the row above has the pixel above
            left, cell = step(diagonal + self.from_states(torch.cat([above, left], dim=-1)), cell, dim=-1)
            states.append(left)
        return unskew(rearrange(torch.stack(states), "d b h c -> b c h d"))


class DiagonalBiLSTM(nn.Module):
    """Two diagonal LSTMs, from both upper corners; together they see every pixel before.

    The one from the right is shifted down by a row, for in its own row it has seen what comes later.

    Parameters
    ----------
    channels, hidden : int
        Of the input, and of the states.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> DiagonalBiLSTM(3, 5)(torch.zeros(2, 3, 7, 11)).shape
    torch.Size([2, 5, 7, 11])
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.left = DiagonalLSTM(channels, hidden, generator=generator, device=device, dtype=dtype)
        self.right = DiagonalLSTM(channels, hidden, generator=generator, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, h, w) to states (b, hidden, h, w)."""
        right = self.right(x.flip(3)).flip(3)
        return self.left(x) + F.pad(right, (0, 0, 1, -1))


LAYERS = {"row": RowLSTM, "diagonal": DiagonalBiLSTM}


class Residual(nn.Module):
    """A layer of memories, 1 x 1 up to the width of its input, and the input added. Fig. 4."""

    def __init__(
        self, memory: RowLSTM | DiagonalBiLSTM, hidden: int, generator: Generator | None, **place: Any
    ) -> None:
        super().__init__()
        self.memory = memory
        self.up = drawn(nn.Conv2d, hidden, 2 * hidden, 1, generator=generator, **place)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, 2h, h, w) to the same shape."""
        return x + self.up(self.memory(x))


class PixelRNN(nn.Module):
    """A distribution over binary images: a 7 x 7 layer with mask A, residual layers of memories, two 1 x 1 layers.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the images.
    layer : {"row", "diagonal"}
        Which memories.
    hidden : int
        h of the paper, in each direction.
    layers : int
    first : int
        Width of the first layer's kernel, odd.
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> model = PixelRNN(3, layer="diagonal", hidden=2, layers=1)
    >>> model.log_prob(torch.zeros(5, 1, 3, 3)).shape, model.sample(7).shape
    (torch.Size([5]), torch.Size([7, 1, 3, 3]))
    """

    def __init__(
        self,
        size: int | tuple[int, int] = 28,
        *,
        layer: str = "row",
        hidden: int = 16,
        layers: int = 2,
        first: int = 7,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if layer not in LAYERS:
            raise ValueError(f"layer is one of {', '.join(LAYERS)}, found {layer!r}")
        self.size = (size, size) if isinstance(size, int) else size
        if min(*self.size, hidden) < 1 or layers < 0:
            found = f"size {self.size}, {hidden} hidden and {layers} layers"
            raise ValueError(f"size and hidden are at least 1, layers at least 0, found {found}")
        place: dict[str, Any] = {"generator": generator, "device": device, "dtype": dtype}
        self.first = MaskedConv2d(1, 2 * hidden, first, mask="A", **place)
        self.layers = nn.Sequential(
            *(Residual(LAYERS[layer](2 * hidden, hidden, **place), hidden, **place) for _ in range(layers))
        )
        self.head = nn.Sequential(
            nn.ReLU(),
            drawn(nn.Conv2d, 2 * hidden, 2 * hidden, 1, **place),
            nn.ReLU(),
            drawn(nn.Conv2d, 2 * hidden, 1, 1, **place),
        )

    def _logits(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.first(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 1, h, w) of zeros and ones to logits of the same shape, each of what comes before it."""
        check_images(x, self.size)
        return self._logits(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) in nats, exactly."""
        return log_likelihood(self(x), x)

    def predictor(self) -> Predict:
        """Return a function that gives the logits of one pixel and does not compute the rows below it."""
        return lambda x, i, j: self._logits(x[:, :, : i + 1])[:, 0, i, j]

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` images (n, 1, h, w), pixel by pixel."""
        return sample(self, n, self.size, like=self.first.conv.weight, generator=generator)
