"""The way back from noise: step by step with fresh noise (DDPM), in a few large steps without (DDIM), with guidance.

DDPM: Ho et al. (2020), arXiv:2006.11239, Algorithm 2, with the variance of the posterior.  DDIM: Song, Meng and
Ermon (2021), arXiv:2010.02502, eq. (12) and (16); its α is the ᾱ of Ho et al., and ours.  Guidance: Ho and Salimans
(2022), arXiv:2207.12598, eq. (6).
A network here is any callable that maps x (b, ...) and times t / T (b,) to the noise in x.  The times are float32, or
float64 if x is: half precision would round two steps of a thousand to one.
"""

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Generator, Tensor

from dlbook._checks import axes
from dlbook._draws import standard_normal
from dlbook.generative.noising import noise_from_x0, posterior, x0_from_noise

__all__ = ["ddim", "ddpm", "denoise", "guided", "step_times"]

Network = Callable[[Tensor, Tensor], Tensor]


def denoise(network: Network, x: Tensor, t: Tensor, alpha_bar: Tensor, *, clip: float | None = 1.0) -> Tensor:
    """Guess the clean example: take from x_t the noise that the network sees in it.

    Parameters
    ----------
    network : callable
    x : (b, ...)
    t : int64 (b,)
    alpha_bar : (T + 1,)
    clip : float, optional
        The guess is held in [-clip, clip], in which pixels are known to lie; None lets it be.

    Returns
    -------
    x0 : (b, ...)

    Examples
    --------
    >>> x, t = torch.ones(1, 1), torch.tensor([1])
    >>> denoise(lambda x, time: 0 * x, x, t, torch.tensor([1.0, 0.25]), clip=None)  # no noise, 1 / √ᾱ
    tensor([[2.]])
    """
    noise = network(x, (t / (len(alpha_bar) - 1)).to(torch.promote_types(x.dtype, torch.float32)))
    x0 = x0_from_noise(x, t, noise, alpha_bar)
    return x0 if clip is None else x0.clamp(-clip, clip)


@torch.no_grad()
def ddpm(
    network: Network, x: Tensor, alpha_bar: Tensor, *, generator: Generator | None, clip: float | None = 1.0
) -> Tensor:
    """Walk from noise x_T to an example by drawing each x_{t-1} from the posterior of the guess: T calls.

    Parameters
    ----------
    network : callable
    x : (b, ...)
        Standard normal.
    alpha_bar : (T + 1,)
    generator : torch.Generator or None
    clip : float, optional

    Examples
    --------
    >>> x = torch.zeros(2, 3)
    >>> ddpm(lambda x, time: 0 * x, x, torch.tensor([1.0, 0.5]), generator=None)  # one step draws nothing
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    for step in range(len(alpha_bar) - 1, 0, -1):
        t = torch.full((len(x),), step, device=x.device)
        mean, variance = posterior(x, t, denoise(network, x, t, alpha_bar, clip=clip), alpha_bar)
        x = mean
        if step > 1:
            x = x + variance.sqrt() * standard_normal(*x.shape, like=x, generator=generator)
    return x


def step_times(last: int, steps: int) -> list[int]:
    """Return ``steps`` + 1 times from ``last`` down to 0, as evenly spread as whole numbers can be.

    Examples
    --------
    >>> step_times(100, 4), step_times(10, 3)
    ([100, 75, 50, 25, 0], [10, 7, 3, 0])
    """
    if not 1 <= steps <= last:
        raise ValueError(f"a walk has from 1 to {last} steps, found {steps}")
    return [last - round(last * k / steps) for k in range(steps + 1)]


@torch.no_grad()
def ddim(
    network: Network,
    x: Tensor,
    alpha_bar: Tensor,
    *,
    steps: int,
    eta: float = 0.0,
    generator: Generator | None = None,
    clip: float | None = 1.0,
) -> Tensor:
    """Walk from noise to an example in ``steps`` calls: guess x_0, then put the *same* noise back, less of it.

    Parameters
    ----------
    network : callable
    x : (b, ...)
        Standard normal: without ``eta`` it decides all.
    alpha_bar : (T + 1,)
    steps : int
        At most T.
    eta : float
        Share of fresh noise in [0, 1], η of eq. (16): 0 draws none, 1 with all T steps is :func:`ddpm`.
    generator : torch.Generator, optional
        Used if ``eta`` is not 0.
    clip : float, optional

    Examples
    --------
    >>> ddim(lambda x, time: x, torch.ones(2, 3), torch.tensor([1.0, 0.5, 0.1]), steps=2, clip=None).shape
    torch.Size([2, 3])
    """
    if not 0 <= eta <= 1:  # beyond, the variances of old and fresh noise would not add up
        raise ValueError(f"eta is in [0, 1], found {eta}")
    times = step_times(len(alpha_bar) - 1, steps)
    for start, end in pairwise(times):
        t = torch.full((len(x),), start, device=x.device)
        x0 = denoise(network, x, t, alpha_bar, clip=clip)
        noise = noise_from_x0(x, t, x0, alpha_bar)  # that which fits the clipped guess
        now, then = alpha_bar[start], alpha_bar[end]
        fresh = eta * ((1 - then) / (1 - now) * (1 - now / then)).sqrt()
        x = then.sqrt().to(x) * x0 + (1 - then - fresh**2).clamp(min=0).sqrt().to(x) * noise
        if eta and end:
            x = x + fresh.to(x) * standard_normal(*x.shape, like=x, generator=generator)
    return x


def guided(network: Callable[[Tensor, Tensor, Tensor], Tensor], y: Tensor, none: int, *, scale: float) -> Network:
    """Return a network that overstates what the label changes: (1 + w) ε(x, y) - w ε(x, no label).

    Parameters
    ----------
    network : callable
        Takes x (b, ...), times (b,) and labels (b,), and was trained with some labels hidden.
    y : int64 (b,)
    none : int
        The label that says nothing.
    scale : float
        w of eq. (6): 0 is the conditional model, -1 the unconditional one.

    Examples
    --------
    >>> network = lambda x, time, y: y[:, None].to(x)
    >>> guided(network, torch.tensor([3]), 10, scale=0.5)(torch.zeros(1, 1), torch.ones(1))
    tensor([[-0.5000]])
    """
    hidden = torch.full_like(y, none)

    def noise(x: Tensor, time: Tensor) -> Tensor:
        axes("y", y, "b", b=len(x))
        if scale == 0:
            return network(x, time, y)
        both = network(x.repeat(2, *(1,) * (x.ndim - 1)), time.repeat(2), torch.cat([y, hidden]))
        with_label, without = both.chunk(2)
        return with_label + scale * (with_label - without)

    return noise
