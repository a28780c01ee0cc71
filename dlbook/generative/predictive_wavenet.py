"""A WaveNet on top of linear prediction: the idea of LPCNet, Valin and Skoglund (2019), arXiv:1810.11846.

The predictor guesses the sample; the network, which sees guesses, errors and their size, says where around the guess
the sample lies: a mixture of logistic densities in units of the recent error. LPCNet's network is recurrent, is told a
spectrum, and draws a code of the error; here it is WaveNet's, and nothing but the past is told.
Axes: b sequences, t samples, c channels, k logistics.
"""

from collections.abc import Sequence
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._draws import drawn
from dlbook.generative.linear_prediction import (
    frame_moments,
    lagged,
    predict,
    predictors,
    running_error,
    solve_predictor,
)
from dlbook.generative.logistic import bin_log_prob, draw_logistic
from dlbook.generative.mu_law import compress, decode, encode
from dlbook.generative.wavenet import GatedBlock, check_codes

__all__ = ["Mixture", "PredictiveWaveNet", "scale_of"]

ERROR_MEMORY, START = 0.95, 0.01  # of the running error, and its first value
SILENCE, LEVEL = 2e-4, 0.01  # least scale, in amplitudes, and as a share of the guess


class Mixture(NamedTuple):
    """Weights, means and scales of logistics, each (b, k, t), in amplitudes."""

    log_weight: Tensor
    mean: Tensor
    scale: Tensor


class PredictiveWaveNet(nn.Module):
    """A distribution over sequences of mu-law codes, built on an adaptive linear predictor.

    Parameters
    ----------
    channels, gated, skip, n_logistics : int
    dilations : sequence of int
    order, hop : int
        Of the predictor, which is fitted anew every ``hop`` samples.
    memory : float
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> model = PredictiveWaveNet(channels=3, gated=5, skip=7, dilations=[1, 2], order=2)
    >>> model.log_prob(torch.full((2, 11), 128)).shape  # nats
    torch.Size([2])
    """

    def __init__(
        self,
        *,
        channels: int = 16,
        gated: int = 16,
        skip: int = 32,
        n_logistics: int = 5,
        dilations: Sequence[int] = (1, 2, 4, 8, 16, 32, 64),
        order: int = 16,
        memory: float = 0.99,
        hop: int = 8,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(channels, gated, skip, n_logistics, order, hop, len(dilations)) < 1 or not 0 < memory < 1:
            found = f"sizes {channels}, {gated}, {skip}, {n_logistics}, {order} and {hop}, {len(dilations)} dilations"
            raise ValueError(f"sizes are at least 1 and memory lies in (0, 1), found {found} and memory {memory}")
        placed = {"generator": generator, "device": device, "dtype": dtype}
        self.order, self.memory, self.hop, self.n_logistics = order, memory, hop, n_logistics
        self.inputs = drawn(nn.Conv1d, 4, channels, 1, **placed)  # type: ignore[arg-type]
        self.blocks = nn.ModuleList(
            GatedBlock(channels, gated, skip, dilation=d, **placed)  # type: ignore[arg-type]
            for d in dilations
        )
        self.hidden = drawn(nn.Conv1d, skip, skip, 1, **placed)  # type: ignore[arg-type]
        self.out = drawn(nn.Conv1d, skip, 3 * n_logistics, 1, **placed)  # type: ignore[arg-type]
        with torch.no_grad():  # start from logistics of many widths around the guess
            self.out.weight.mul_(0.1)
            widths = torch.linspace(-1, 1.5, n_logistics)
            cast(Tensor, self.out.bias).copy_(torch.cat([torch.zeros(2 * n_logistics), widths]))

    def forward(self, codes: Tensor) -> Mixture:
        """Map codes int64 (b, t) to the mixture from which each comes, given those before it."""
        check_codes(codes)
        x = decode(codes, dtype=torch.float64)  # in silence the normal equations need the digits
        weights = predictors(x, order=self.order, memory=self.memory, hop=self.hop)
        guess = predict(x, weights, hop=self.hop)
        size = running_error(x - guess, memory=ERROR_MEMORY, start=START)
        before = F.pad(x, (1, -1))
        error = F.pad((x - guess) / scale_of(size, guess), (1, -1))
        seen = self.see(before, error, guess, size)
        h = self.inputs(seen)
        shown = torch.zeros((), dtype=h.dtype, device=h.device)
        for block in self.blocks:
            h, skip = block(h)
            shown = shown + skip
        return self.mixture(self.out(self.hidden(shown.relu()).relu()), guess, size)

    def see(self, before: Tensor, error: Tensor, guess: Tensor, size: Tensor) -> Tensor:
        """Stack what the network sees, (b, 4, t): the last error, its usual size, the last step, the last level."""
        scale = scale_of(size, guess)
        step = (before - guess) / (5 * scale)
        seen = torch.stack([error, scale.log() / 3 + 2, step, compress(before)], dim=1)
        return seen.clamp(-20, 20).to(self.inputs.weight.dtype)

    def mixture(self, out: Tensor, guess: Tensor, size: Tensor) -> Mixture:
        """Read the outputs (b, 3 k, t) in units of the recent error around the guess."""
        out = out.to(torch.promote_types(out.dtype, torch.float32))  # half precision cannot tell the levels apart
        weight, shift, log_width = out.unflatten(1, (3, self.n_logistics)).unbind(1)
        scale = scale_of(size, guess).to(out)[:, None]
        return Mixture(
            weight.log_softmax(dim=1), guess.to(out)[:, None] + scale * shift, scale * log_width.clamp(-6, 6).exp()
        )

    def log_prob_each(self, codes: Tensor) -> Tensor:
        """Return the log-probability of each code in nats, (b, t)."""
        log_weight, mean, scale = self(codes)
        return (log_weight + bin_log_prob(codes[:, None], mean, scale)).logsumexp(dim=1)

    def log_prob(self, codes: Tensor) -> Tensor:
        """Return the log-probability of each sequence of codes int64 (b, t) in nats, (b,)."""
        return self.log_prob_each(codes).sum(dim=-1)

    @torch.no_grad()
    def sample(self, n: int, length: int, *, generator: Generator | None = None) -> Tensor:
        """Draw codes int64 (n, length); predictor and network keep their states from sample to sample."""
        if min(n, length) < 0:
            raise ValueError(f"n and length are at least 0, found {n} and {length}")
        weight = self.inputs.weight
        device = weight.device if generator is None else generator.device
        fine = torch.promote_types(weight.dtype, torch.float32)
        uniform = torch.rand(length, 2, n, generator=generator, device=device, dtype=fine).to(weight.device)
        past = torch.zeros(n, self.order + self.hop, dtype=torch.float64, device=weight.device)  # the oldest first
        moments = past.new_zeros(n, 1 + self.order, 1 + self.order)
        predictor = past.new_zeros(n, self.order)
        size, error = past.new_full((n,), START), past.new_zeros(n)
        h = weight.new_zeros(n, weight.shape[0])
        queues = [cast(GatedBlock, block).causal.start(h) for block in self.blocks]
        codes = []
        for t, (which, where) in enumerate(uniform):
            if t and t % self.hop == 0:
                recent = lagged(past, self.order)[:, -self.hop :]
                latest = frame_moments(past[:, -self.hop :], recent, self.memory)
                moments = self.memory**self.hop * moments + latest
                predictor = solve_predictor(moments)
            guess = (past[:, -self.order :].flip(-1) * predictor).sum(dim=-1)
            seen = self.see(past[:, -1:], error[:, None], guess[:, None], size[:, None])
            h = F.linear(seen[..., 0], weight[..., 0], self.inputs.bias)
            shown = torch.zeros((), dtype=h.dtype, device=h.device)
            for block, queue in zip(self.blocks, queues, strict=True):
                h, skip = cast(GatedBlock, block).step(h, queue)
                shown = shown + skip
            hidden = F.linear(shown.relu(), self.hidden.weight[..., 0], self.hidden.bias).relu()
            out = F.linear(hidden, self.out.weight[..., 0], self.out.bias)
            log_weight, mean, scale = (
                one[..., 0] for one in self.mixture(out[..., None], guess[:, None], size[:, None])
            )
            k = (
                (log_weight.exp().cumsum(dim=-1) <= which[:, None])
                .sum(dim=-1, keepdim=True)
                .clamp(max=self.n_logistics - 1)
            )
            amplitude = draw_logistic(mean.gather(1, k)[:, 0], scale.gather(1, k)[:, 0], where)
            codes.append(encode(amplitude))
            x = decode(codes[-1], dtype=torch.float64)
            error = (x - guess) / scale_of(size, guess)
            size = ERROR_MEMORY * size + (1 - ERROR_MEMORY) * (x - guess).abs()
            past = torch.cat([past[:, 1:], x[:, None]], dim=1)
        return torch.stack(codes, dim=1) if length else torch.empty(n, 0, dtype=torch.long, device=weight.device)


def scale_of(size: Tensor, guess: Tensor) -> Tensor:
    """Turn the mean absolute error into the scale of a logistic, with two floors: silence, and 0.01 of the guess.

    The latter is about a quarter of the distance between mu-law levels. Without it a constant that happens to be drawn
    may stay for ever: each right guess makes the density narrower.
    """
    return 0.5 * size + SILENCE + LEVEL * guess.abs().clamp(max=1)
