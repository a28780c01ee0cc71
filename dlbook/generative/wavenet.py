"""WaveNet: van den Oord et al. (2016), arXiv:1609.03499; its queues: Paine et al. (2016), arXiv:1611.09482.

Paper → code: eq. (1) → ``log_prob``; eq. (2), z = tanh(W_f * x) ⊙ σ(W_g * x) → :class:`GatedBlock`, whose one kernel
holds W_f and W_g; figure 4, residual and skip connections → ``residual``, ``skip``; μ-law codes → ``codes``.
Axes: b sequences, t samples, c channels.
"""

from collections import deque
from collections.abc import Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import drawn, normal_, undrawn

__all__ = ["CausalConv1d", "GatedBlock", "WaveNet", "check_codes", "draw_codes", "receptive_field", "smooth_rows"]

Queue = deque[Tensor]  # the last inputs of a layer, each (b, c), the oldest first


def receptive_field(dilations: Sequence[int], kernel_size: int = 2) -> int:
    """Count the samples on which an output depends: 1 + (k - 1) times the sum of the dilations.

    Examples
    --------
    >>> receptive_field([1, 2, 4, 8])
    16
    """
    return 1 + (kernel_size - 1) * sum(dilations)


class CausalConv1d(nn.Module):
    """A convolution in time whose output at t sees inputs up to t: zeros stand before the first sample.

    Parameters
    ----------
    in_channels, out_channels, kernel_size : int
    dilation : int
        Samples from one weight to the next.
    bias : bool
    generator : torch.Generator, optional
        Draws weights and biases as torch does.
    device, dtype : optional

    Examples
    --------
    >>> CausalConv1d(3, 5, dilation=4)(torch.zeros(2, 3, 7)).shape
    torch.Size([2, 5, 7])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 2,
        *,
        dilation: int = 1,
        bias: bool = True,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(in_channels, out_channels, kernel_size, dilation) < 1:
            sizes = f"{in_channels}, {out_channels}, {kernel_size} and {dilation}"
            raise ValueError(f"channels, kernel size and dilation are at least 1, found {sizes}")
        self.dilation, self.kernel_size = dilation, kernel_size
        self.conv = drawn(
            nn.Conv1d, in_channels, out_channels, kernel_size, dilation=dilation, bias=bias,
            generator=generator, device=device, dtype=dtype,
        )  # fmt: skip

    @property
    def reach(self) -> int:
        """How far back the oldest weight looks, in samples."""
        return (self.kernel_size - 1) * self.dilation

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, c, t) to (b, out_channels, t)."""
        axes("x", x, "b c t", c=self.conv.in_channels)
        return cast(Tensor, self.conv(F.pad(x, (self.reach, 0))))

    def start(self, x: Tensor) -> Queue:
        """Return the queue that stands before the first sample: ``reach`` times zeros like ``x`` (b, c)."""
        return deque(torch.zeros_like(x) for _ in range(self.reach))

    def step(self, x: Tensor, queue: Queue) -> Tensor:
        """Map one more sample (b, c) to (b, out_channels), and move the queue on by it, in place."""
        queue.append(x)
        taps = [queue[j * self.dilation] for j in range(self.kernel_size)]
        queue.popleft()
        weight = self.conv.weight.transpose(1, 2).flatten(1)  # (out, k c): the oldest tap first
        return F.linear(torch.cat(taps, dim=1), weight, self.conv.bias)


class GatedBlock(nn.Module):
    """One layer of figure 4: a gated causal convolution, added to what came in, and shown to the output.

    Parameters
    ----------
    channels : int
        Of the signal that runs through all blocks.
    gated, skip : int
        Channels of the gated unit, and of what goes to the output.
    kernel_size, dilation : int
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> x, skip = GatedBlock(3, 5, 7, dilation=2)(torch.zeros(2, 3, 11))
    >>> x.shape, skip.shape
    (torch.Size([2, 3, 11]), torch.Size([2, 7, 11]))
    """

    def __init__(
        self,
        channels: int,
        gated: int,
        skip: int,
        *,
        kernel_size: int = 2,
        dilation: int = 1,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        placed = {"generator": generator, "device": device, "dtype": dtype}
        self.channels, self.skip = channels, skip
        self.causal = CausalConv1d(channels, 2 * gated, kernel_size, dilation=dilation, **placed)  # type: ignore[arg-type]
        self.mix = drawn(nn.Conv1d, gated, channels + skip, 1, **placed)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, channels, t) to the signal for the next block, as large, and to (b, skip, t)."""
        filter_, gate = self.causal(x).chunk(2, dim=1)
        residual, skip = self.mix(filter_.tanh() * gate.sigmoid()).split([self.channels, self.skip], dim=1)
        return x + residual, skip

    def step(self, x: Tensor, queue: Queue) -> tuple[Tensor, Tensor]:
        """Do the same for one more sample (b, channels)."""
        filter_, gate = self.causal.step(x, queue).chunk(2, dim=1)
        mixed = F.linear(filter_.tanh() * gate.sigmoid(), self.mix.weight[..., 0], self.mix.bias)
        residual, skip = mixed.split([self.channels, self.skip], dim=1)
        return x + residual, skip


def smooth_rows(n_codes: int, channels: int, *, generator: Generator | None = None) -> Tensor:
    """Draw a vector for each code, (n_codes, channels), so that codes of neighboring loudness start alike.

    Each channel is a random sum of the cosines of frequency 0 to 12 over the scale of codes.
    """
    place = (torch.arange(n_codes) + 0.5) / n_codes
    waves = torch.cos(torch.pi * torch.arange(13) * place[:, None])
    return waves @ normal_(torch.empty(13, channels), 0.4, generator)


def draw_codes(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw a code from each row of ``logits`` (b, codes), where its cumulative probability passes ``uniform`` (b,).

    Examples
    --------
    >>> draw_codes(torch.zeros(3, 4), torch.tensor([0.1, 0.3, 0.9]))
    tensor([0, 1, 3])
    """
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision cannot tell 256 sums apart
    reached = (logits.softmax(dim=-1).cumsum(dim=-1) <= uniform[:, None]).sum(dim=-1)
    return reached.clamp(max=logits.shape[-1] - 1)  # the sum of all may round to less than one


class WaveNet(nn.Module):
    """A distribution over sequences of codes, one code at a time from those before it.

    Parameters
    ----------
    n_codes : int
        256 for 8-bit mu-law.
    channels, gated, skip : int
        Of the signal, of the gated units, of what the blocks show to the output. The paper does not print its own.
    dilations : sequence of int
        One block each; the paper repeats 1, 2, 4, ..., 512.
    kernel_size : int
    generator : torch.Generator, optional
        Draws the weights; the vectors of the codes start smooth, see :func:`smooth_rows`.
    device, dtype : optional

    Examples
    --------
    >>> model = WaveNet(16, channels=3, gated=5, skip=7, dilations=[1, 2, 4])
    >>> model.log_prob(torch.zeros(2, 11, dtype=torch.long)).shape  # nats
    torch.Size([2])
    >>> model.sample(2, 11, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 11])
    """

    def __init__(
        self,
        n_codes: int = 256,
        *,
        channels: int = 32,
        gated: int = 32,
        skip: int = 64,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
        kernel_size: int = 2,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if n_codes < 2 or min(channels, gated, skip) < 1 or not dilations:
            found = f"{n_codes} codes, {channels}, {gated} and {skip} channels, {len(dilations)} dilations"
            raise ValueError(f"a WaveNet has two codes or more, channels and dilations, found {found}")
        placed = {"generator": generator, "device": device, "dtype": dtype}
        self.n_codes, self.field = n_codes, receptive_field(dilations, kernel_size)
        self.embed = undrawn(nn.Embedding, n_codes, channels, device=device, dtype=dtype)
        if not self.embed.weight.is_meta:
            with torch.no_grad():
                self.embed.weight.copy_(smooth_rows(n_codes, channels, generator=generator))
        self.blocks = nn.ModuleList(
            GatedBlock(channels, gated, skip, kernel_size=kernel_size, dilation=d, **placed)  # type: ignore[arg-type]
            for d in dilations
        )
        self.hidden = drawn(nn.Conv1d, skip, skip, 1, **placed)  # type: ignore[arg-type]
        self.out = drawn(nn.Conv1d, skip, n_codes, 1, **placed)  # type: ignore[arg-type]

    def forward(self, codes: Tensor) -> Tensor:
        """Map codes int64 (b, t) to logits (b, n_codes, t): those at t come from the codes before t alone."""
        check_codes(codes)
        x = F.pad(self._vectors(codes).transpose(1, 2), (1, 0))[..., :-1]  # moved by one: no code sees itself
        shown = torch.zeros((), dtype=x.dtype, device=x.device)
        for block in self.blocks:
            x, skip = block(x)
            shown = shown + skip
        return cast(Tensor, self.out(self.hidden(shown.relu()).relu()))

    def _vectors(self, codes: Tensor) -> Tensor:
        if torch.compiler.is_compiling():
            return cast(Tensor, self.embed(codes))
        try:  # torch looks at every code anyway, on a CPU
            return cast(Tensor, self.embed(codes))
        except IndexError:
            last, found = self.embed.num_embeddings - 1, f"{int(codes.min())} to {int(codes.max())}"
            raise ValueError(f"codes are numbered 0 to {last}, found {found}") from None

    def log_prob(self, codes: Tensor) -> Tensor:
        """Return the log-probability of each sequence of codes int64 (b, t) in nats, (b,): eq. (1)."""
        logits = self(codes)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))  # half precision is summed in single
        return -F.cross_entropy(logits, codes, reduction="none").sum(dim=-1)

    @torch.no_grad()
    def sample(self, n: int, length: int, *, generator: Generator | None = None) -> Tensor:
        """Draw codes int64 (n, length), each from its block of queues: O(blocks) products a sample, not O(field)."""
        if min(n, length) < 0:
            raise ValueError(f"n and length are at least 0, found {n} and {length}")
        weight = self.embed.weight
        device = weight.device if generator is None else generator.device
        fine = torch.promote_types(weight.dtype, torch.float32)
        uniform = torch.rand(length, n, generator=generator, device=device, dtype=fine).to(weight.device)
        x = weight.new_zeros(n, weight.shape[1])  # before the first code
        queues = [cast(GatedBlock, block).causal.start(x) for block in self.blocks]
        drawn_codes = []
        for chance in uniform:
            code = draw_codes(self.step(x, queues), chance)
            x = self.embed(code)
            drawn_codes.append(code)
        return torch.stack(drawn_codes, dim=1) if length else torch.empty(n, 0, dtype=torch.long, device=weight.device)

    def step(self, x: Tensor, queues: Sequence[Queue]) -> Tensor:
        """Return logits (b, n_codes) of the next code from the vector (b, channels) of the last, and advance."""
        shown = torch.zeros((), dtype=x.dtype, device=x.device)
        for block, queue in zip(self.blocks, queues, strict=True):
            x, skip = cast(GatedBlock, block).step(x, queue)
            shown = shown + skip
        hidden = F.linear(shown.relu(), self.hidden.weight[..., 0], self.hidden.bias).relu()
        return F.linear(hidden, self.out.weight[..., 0], self.out.bias)


def check_codes(codes: Tensor) -> None:
    """Refuse what is not a batch of sequences of one or more codes, int64 (b, t)."""
    _, t = axes("codes", codes, "b t")
    if t < 1:
        raise ValueError(f"codes is (b, t) with t at least 1, found shape {tuple(codes.shape)}")
    if codes.dtype != torch.int64:
        raise ValueError(f"codes are int64, found {codes.dtype}: codes.long() makes them of bytes")
