"""The forward process of diffusion: noise is added in T steps, and any step is reached in one.

Ho, Jain and Abbeel (2020), arXiv:2006.11239, Sec. 2; Nichol and Dhariwal (2021), arXiv:2102.09672, eq. (17).
Paper → code: ᾱ_t → ``alpha_bar[t]`` with ``alpha_bar[0] = 1``; β_t = 1 - ᾱ_t / ᾱ_{t-1}; ε → ``noise``; x_0 → ``x0``.
Times t are int64 (b,), from 0, clean, to T, noise.  Axes: b examples; ``...`` are those of an example.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = [
    "Gaussian",
    "at_time",
    "cosine_schedule",
    "linear_schedule",
    "noise_from_x0",
    "posterior",
    "q_sample",
    "snr",
    "x0_from_noise",
]


class Gaussian(NamedTuple):
    """A normal distribution of independent numbers."""

    mean: Tensor  # (b, ...)
    variance: Tensor  # (b, 1, ...)


def linear_schedule(steps: int, *, first: float = 1e-4, last: float = 0.02) -> Tensor:
    """Return ᾱ (steps + 1,) in float64 for variances β that rise in a straight line, Ho et al. (2020), Sec. 4.

    Parameters
    ----------
    steps : int
        T; 1,000 in the paper, for which its ``first`` and ``last`` are meant.
    first, last : float
        β_1 and β_T.

    Examples
    --------
    >>> linear_schedule(1000)[[0, 1, 1000]]
    tensor([1.0000e+00, 9.9990e-01, 4.0358e-05], dtype=torch.float64)
    """
    if steps < 1 or not 0 < first <= last < 1:
        raise ValueError(f"a schedule has steps >= 1 and 0 < first <= last < 1, found {steps}, {first} and {last}")
    beta = torch.linspace(first, last, steps, dtype=torch.float64)
    return torch.cat([beta.new_ones(1), (1 - beta).cumprod(0)])


def cosine_schedule(steps: int, *, start: float = 0.008, beta_max: float = 0.999) -> Tensor:
    """Return ᾱ (steps + 1,) in float64 that falls like a squared cosine, Nichol and Dhariwal (2021), eq. (17).

    Parameters
    ----------
    steps : int
        T.
    start : float
        s of the paper: how far from the crest of the cosine the first step begins, as a share of T.  The paper divides
        by the cosine at 0; here the first step takes the fall from 1 in one, so a larger ``start`` skips the times at
        which the noise is too weak to blur one level of the pixels into the next.
    beta_max : float
        No step adds a larger variance, so that something of the image is left at T.

    Examples
    --------
    >>> alpha_bar = cosine_schedule(100)
    >>> alpha_bar[0].item(), bool(alpha_bar[100] < 1e-5)
    (1.0, True)
    """
    if steps < 1 or start < 0 or not 0 < beta_max < 1:
        raise ValueError(
            f"a schedule has steps >= 1, start >= 0 and 0 < beta_max < 1, found {steps}, {start} and {beta_max}"
        )
    angle = (torch.arange(steps + 1, dtype=torch.float64) / steps + start) / (1 + start) * math.pi / 2
    height = torch.cat([angle.new_ones(1), angle[1:].cos() ** 2])
    kept = (height[1:] / height[:-1]).clamp(min=1 - beta_max)  # 1 - β
    return torch.cat([kept.new_ones(1), kept.cumprod(0)])


def snr(alpha_bar: Tensor) -> Tensor:
    """Return the signal-to-noise ratio ᾱ / (1 - ᾱ) of each time, infinite at 0: (T + 1,) to (T + 1,).

    Examples
    --------
    >>> snr(torch.tensor([1.0, 0.9, 0.5]))
    tensor([   inf, 9.0000, 1.0000])
    """
    return alpha_bar / (1 - alpha_bar)


def at_time(values: Tensor, t: Tensor, x: Tensor) -> Tensor:
    """Return ``values[t]`` as (b, 1, ...), of the device and dtype of ``x`` (b, ...).

    Examples
    --------
    >>> at_time(torch.tensor([1.0, 0.5]), torch.tensor([1, 0, 1]), torch.zeros(3, 2)).T
    tensor([[0.5000, 1.0000, 0.5000]])
    """
    if not x.is_floating_point():
        raise ValueError(f"x is float, found {x.dtype}: scale bytes to [-1, 1] first")
    axes("t", t, "b", b=len(x))
    if t.dtype != torch.int64:  # no look at values: torch refuses a time behind the last
        raise ValueError(f"times are step numbers of dtype int64, found {t.dtype}")
    return values.to(x)[t].reshape(-1, *(1,) * (x.ndim - 1))


def q_sample(x0: Tensor, t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Return x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε, eq. (4): all t steps at once.

    Parameters
    ----------
    x0 : (b, ...)
    t : int64 (b,)
    noise : (b, ...)
        Standard normal.
    alpha_bar : (T + 1,)

    Examples
    --------
    >>> x0, noise = torch.ones(1, 2), torch.tensor([[0.0, 1.0]])
    >>> q_sample(x0, torch.tensor([1]), noise, torch.tensor([1.0, 0.64]))
    tensor([[0.8000, 1.4000]])
    """
    axes("noise", noise, " ".join(map(str, x0.shape)))
    signal, spread = at_time(alpha_bar.sqrt(), t, x0), at_time((1 - alpha_bar).sqrt(), t, x0)
    return signal * x0 + spread * noise


def x0_from_noise(x: Tensor, t: Tensor, noise: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve eq. (4) for x_0: what is left of ``x`` (b, ...) without its noise, brought to its old size.

    Examples
    --------
    >>> x0_from_noise(torch.ones(1, 1), torch.tensor([1]), torch.zeros(1, 1), torch.tensor([1.0, 0.25]))
    tensor([[2.]])
    """
    axes("noise", noise, " ".join(map(str, x.shape)))
    return (x - at_time((1 - alpha_bar).sqrt(), t, x) * noise) / at_time(alpha_bar.sqrt(), t, x)


def noise_from_x0(x: Tensor, t: Tensor, x0: Tensor, alpha_bar: Tensor) -> Tensor:
    """Solve eq. (4) for the noise in ``x`` (b, ...); times are at least 1, for at 0 there is none.

    Examples
    --------
    >>> noise_from_x0(torch.ones(1, 1), torch.tensor([1]), torch.ones(1, 1), torch.tensor([1.0, 0.25]))
    tensor([[0.5774]])
    """
    axes("x0", x0, " ".join(map(str, x.shape)))
    return (x - at_time(alpha_bar.sqrt(), t, x) * x0) / at_time((1 - alpha_bar).sqrt(), t, x)


def posterior(x: Tensor, t: Tensor, x0: Tensor, alpha_bar: Tensor) -> Gaussian:
    """Return q(x_{t-1} | x_t, x_0), eq. (6) and (7): one step back, if the clean example were known.

    Parameters
    ----------
    x : (b, ...)
        x_t.
    t : int64 (b,)
        At least 1; at 1 the answer is x_0, with variance zero.
    x0 : (b, ...)
    alpha_bar : (T + 1,)

    Examples
    --------
    >>> alpha_bar = torch.tensor([1.0, 0.5, 0.25])  # β = 1/2 twice: 1/3 of the noise is left in doubt
    >>> posterior(torch.zeros(1, 1), torch.tensor([2]), torch.ones(1, 1), alpha_bar).variance
    tensor([[0.3333]])
    """
    axes("x0", x0, " ".join(map(str, x.shape)))
    now, before = alpha_bar, torch.cat([alpha_bar[:1], alpha_bar[:-1]])  # ᾱ_t and ᾱ_{t-1}; index 0 is never asked for
    beta = 1 - now / before
    rest = 1 - now
    mean = at_time(before.sqrt() * beta / rest, t, x) * x0
    mean = mean + at_time((1 - beta).sqrt() * (1 - before) / rest, t, x) * x
    return Gaussian(mean, at_time(beta * (1 - before) / rest, t, x))
