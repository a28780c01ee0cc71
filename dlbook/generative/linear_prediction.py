"""Adaptive linear prediction: Atal and Schroeder (1970), Bell System Technical Journal 49; Atal and Hanauer (1971).

A sample is predicted by a weighted sum of the last p, whose weights a solve the least squares of the recent past, in
which an error of k samples ago counts λ^k: (Σ λ^k u u^T) a = Σ λ^k u x, with u the p samples before x. They are found
anew every ``hop`` samples, from what came before, so a decoder could do the same.
Paper → code: p → ``order``; λ → ``memory``. Axes: b sequences, t samples, f frames of ``hop`` samples, p past samples.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes
from dlbook.generative.logistic import bin_log_prob
from dlbook.generative.mu_law import decode

__all__ = [
    "blend_log_prob",
    "frame_moments",
    "lagged",
    "leaky_sum",
    "predict",
    "predictors",
    "running_error",
    "solve_predictor",
]

RIDGE, FLOOR = 1e-4, 1e-9  # share of the diagonal, and amplitude squared, that keep the equations solvable in silence
EVEN = 1e-4  # share of an expert's probability that all 256 codes get alike: no surprise costs more than 21.3 bits


def leaky_sum(x: Tensor, keep: float, *, chunk: int = 64) -> Tensor:
    """Return y_t = keep y_{t-1} + x_t along the last axis, with y = 0 before the first: (..., t) to (..., t).

    Pieces of ``chunk`` samples are sums in a product with one triangular matrix; what a piece leaves is handed on.

    Examples
    --------
    >>> leaky_sum(torch.tensor([1.0, 0.0, 0.0]), 0.5)
    tensor([1.0000, 0.5000, 0.2500])
    """
    t = x.shape[-1]
    powers = keep ** torch.arange(chunk + 1, dtype=x.dtype, device=x.device)
    lag = torch.arange(chunk, device=x.device)[:, None] - torch.arange(chunk, device=x.device)
    within = torch.where(lag >= 0, powers[lag.clamp(min=0)], 0)
    pieces = F.pad(x, (0, -t % chunk)).unflatten(-1, (-1, chunk)) @ within.T
    sums, last = [], x.new_zeros(x.shape[:-1])
    for piece in pieces.unbind(-2):
        piece = piece + last[..., None] * powers[1:]
        last = piece[..., -1]
        sums.append(piece)
    return torch.cat(sums, dim=-1)[..., :t] if sums else x.clone()


def lagged(x: Tensor, order: int) -> Tensor:
    """Return the ``order`` samples before each sample, the latest first: (b, t) to (b, t, order), zeros at the start.

    Examples
    --------
    >>> lagged(torch.tensor([[1.0, 2.0, 3.0]]), 2)[0]
    tensor([[0., 0.],
            [1., 0.],
            [2., 1.]])
    """
    return F.pad(x, (order, 0)).unfold(-1, order, 1)[:, :-1].flip(-1)


def solve_predictor(moments: Tensor) -> Tensor:
    """Solve the normal equations of ``moments`` (..., 1 + p, 1 + p), sums of products of a sample and those before it.

    Returns
    -------
    weights : (..., p)
    """
    squares = moments[..., 1:, 1:]
    extra = RIDGE * squares.diagonal(dim1=-2, dim2=-1) + FLOOR
    return torch.linalg.solve(squares + torch.diag_embed(extra), moments[..., 1:, 0])


def frame_moments(x: Tensor, past: Tensor, memory: float) -> Tensor:
    """Sum the products of a frame's samples (..., hop) and their past (..., hop, p): (..., 1 + p, 1 + p)."""
    hop = x.shape[-1]
    both = torch.cat([x[..., None], past], dim=-1)
    weight = memory ** torch.arange(hop - 1, -1, -1, dtype=x.dtype, device=x.device)
    return both.mT @ (weight[:, None] * both)


def predictors(x: Tensor, *, order: int = 16, memory: float = 0.99, hop: int = 8) -> Tensor:
    """Fit a predictor for every frame of ``hop`` samples from all samples before it.

    Parameters
    ----------
    x : (b, t)
        Amplitudes in [-1, 1], floats; float64 where silence matters.
    order, hop : int
    memory : float
        λ: an error k samples ago counts λ^k.

    Returns
    -------
    weights : (b, f, order)
        Of the latest sample first; zeros in the first frame, before which there is nothing.
    """
    b, t = axes("x", x, "b t")
    if min(order, hop) < 1 or not 0 < memory <= 1:
        raise ValueError(f"order and hop are at least 1, memory in (0, 1], found {order}, {hop} and {memory}")
    frames = -(-t // hop)
    short = (0, frames * hop - t)
    pieces = F.pad(x, short).unflatten(1, (frames, hop))
    past = F.pad(lagged(x, order), (0, 0, *short)).unflatten(1, (frames, hop))
    moments = frame_moments(pieces, past, memory).flatten(2)  # (b, f, (1 + p)²)
    summed = leaky_sum(moments.mT, memory**hop).mT.unflatten(-1, (1 + order, 1 + order))
    weights = solve_predictor(summed[:, :-1])
    return torch.cat([x.new_zeros(b, min(frames, 1), order), weights], dim=1)


def predict(x: Tensor, weights: Tensor, *, hop: int = 8) -> Tensor:
    """Predict each sample of ``x`` (b, t) by the weights (b, f, p) of its frame: (b, t)."""
    b, t = axes("x", x, "b t")
    axes("weights", weights, "b f p", b=b, f=-(-t // hop))
    return (lagged(x, weights.shape[-1]) * weights.repeat_interleave(hop, dim=1)[:, :t]).sum(dim=-1)


def running_error(error: Tensor, *, memory: float = 0.95, start: float = 0.01) -> Tensor:
    """Average the absolute errors before each sample, an error k samples ago with weight λ^k: (b, t) to (b, t)."""
    axes("error", error, "b t")
    before = F.pad(error.abs(), (1, -1)) * (1 - memory)
    first = torch.zeros_like(error)
    first[:, :1] = start
    return leaky_sum(before + first, memory)


def blend_log_prob(
    codes: Tensor,
    *,
    order: int = 16,
    memories: Sequence[float] = (0.97, 0.99, 0.997),
    widths: Sequence[tuple[float, float]] = ((0.8, 0.4), (0.8, 0.7), (0.95, 0.4), (0.95, 0.7)),
    trust: float = 0.98,
) -> Tensor:
    """Return the log-probability of each mu-law code under a blend of adaptive predictors, in nats.

    Every pair of a memory and a width is an expert: a logistic density around its prediction, whose scale is a multiple
    of its recent error, given to the codes' levels. The blend weighs them by what they gave to the samples before,
    where a log-probability k samples ago counts ``trust`` to the k: Bayes' rule that forgets. Nothing is trained.

    Parameters
    ----------
    codes : int64 (b, t)
        0 to 255.
    order : int
    memories : sequence of float
        λ of the predictors.
    widths : sequence of (float, float)
        λ of the recent error, and its multiple.
    trust : float

    Returns
    -------
    log_prob : float64 (b, t)
    """
    x = decode(codes, dtype=torch.float64)
    experts = []
    for memory in memories:
        guess = predict(x, predictors(x, order=order, memory=memory))
        for forget, multiple in widths:
            scale = multiple * running_error(x - guess, memory=forget) + 1e-4
            level = bin_log_prob(codes, guess, scale) + math.log1p(-EVEN)
            experts.append(torch.logaddexp(level, torch.full_like(level, math.log(EVEN / 256))))
    scores = torch.stack(experts)
    record = leaky_sum(F.pad(scores, (1, -1)), trust)
    return (record.log_softmax(dim=0) + scores).logsumexp(dim=0)
