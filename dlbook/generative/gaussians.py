"""Gaussians with a diagonal covariance: draws, densities, divergences, and two ways to the gradient of a mean.

Kingma, Welling (2013), arXiv:1312.6114, Sec. 2.4 (draws) and appendix B (divergence); Rezende, Mohamed, Wierstra
(2014), arXiv:1401.4082; for the score function Williams (1992).  Paper → code: μ → ``mean``, log σ² → ``log_var``,
ε → ``noise``.  Axes: d coordinates, s draws.  Densities and divergences are in nats, in float32 at least.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from dlbook._checks import axes
from dlbook._draws import standard_normal

__all__ = [
    "Gradients", "kl_normal", "kl_standard_normal", "log_normal", "pathwise_gradients", "reparameterize",
    "score_function_gradients",
]  # fmt: skip


def reparameterize(mean: Tensor, log_var: Tensor, *, generator: Generator | None) -> Tensor:
    """Draw z = μ + σ ε with ε standard normal, so that gradients pass to ``mean`` and ``log_var``.

    Parameters
    ----------
    mean, log_var : (..., d)
        ``log_var`` is log σ².
    generator : torch.Generator or None
        None is PyTorch's own stream, of the device of ``mean``.

    Returns
    -------
    (..., d)

    Examples
    --------
    >>> reparameterize(torch.tensor([5.0]), torch.tensor([-torch.inf]), generator=None)  # σ = 0
    tensor([5.])
    """
    axes("log_var", log_var, "... d", d=_coordinates(mean))
    noise = standard_normal(*torch.broadcast_shapes(mean.shape, log_var.shape), like=mean, generator=generator)
    return mean + (log_var / 2).exp() * noise


def log_normal(z: Tensor, mean: Tensor, log_var: Tensor) -> Tensor:
    """Return the log density (...) of z (..., d) under independent Gaussians, in nats: the sum over d.

    Examples
    --------
    >>> round(log_normal(torch.zeros(1), torch.zeros(1), torch.zeros(1)).item(), 4)  # -log √(2π)
    -0.9189
    """
    d = _coordinates(z)
    axes("mean", mean, "... d", d=d)
    axes("log_var", log_var, "... d", d=d)
    z, mean, log_var = _precise(z), _precise(mean), _precise(log_var)
    return -0.5 * (math.log(2 * math.pi) + log_var + (z - mean) ** 2 * (-log_var).exp()).sum(dim=-1)


def kl_standard_normal(mean: Tensor, log_var: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(0, 1)) of each coordinate, (..., d) in nats; Kingma, Welling (2013), appendix B.

    Examples
    --------
    >>> kl_standard_normal(torch.tensor([0.0, 2.0]), torch.zeros(2))  # half of the squared shift
    tensor([0., 2.])
    """
    axes("log_var", log_var, "... d", d=_coordinates(mean))
    mean, log_var = _precise(mean), _precise(log_var)
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var)


def kl_normal(mean: Tensor, log_var: Tensor, mean_p: Tensor, log_var_p: Tensor) -> Tensor:
    """Return KL(N(μ, σ²) ‖ N(μ_p, σ_p²)) of each coordinate, (..., d) in nats.

    Examples
    --------
    >>> zero = torch.zeros(1)
    >>> kl_normal(zero + 7, zero, zero + 5, zero)
    tensor([2.])
    """
    d = _coordinates(mean)
    for name, value in (("log_var", log_var), ("mean_p", mean_p), ("log_var_p", log_var_p)):
        axes(name, value, "... d", d=d)
    mean, log_var, mean_p, log_var_p = (_precise(t) for t in (mean, log_var, mean_p, log_var_p))
    ratio = (log_var - log_var_p).exp()  # σ² / σ_p²
    return 0.5 * ((mean - mean_p) ** 2 * (-log_var_p).exp() + ratio - 1 - log_var + log_var_p)


class Gradients(NamedTuple):
    """Estimates of the gradient of E f(z), one a draw; their mean is unbiased."""

    mean: Tensor  # (s, d)
    log_var: Tensor  # (s, d)


def pathwise_gradients(
    f: Callable[[Tensor], Tensor], mean: Tensor, log_var: Tensor, draws: int, *, generator: Generator | None
) -> Gradients:
    """Estimate the gradient of E f(z), z from N(μ, σ²), by the chain rule through z = μ + σ ε.

    Parameters
    ----------
    f : callable
        Maps rows (s, d) to numbers (s,), each row by itself, and can be differentiated.
    mean, log_var : (d,)
    draws : int
        How many estimates, s.
    generator : torch.Generator or None

    Examples
    --------
    >>> zero = torch.zeros(1)
    >>> pathwise_gradients(lambda z: 3 * z[:, 0], zero, zero, 2, generator=None).mean
    tensor([[3.],
            [3.]])
    """
    mean, log_var = _rows(mean, log_var, draws)
    mean, log_var = mean.requires_grad_(), log_var.requires_grad_()
    with torch.enable_grad():
        values = f(reparameterize(mean, log_var, generator=generator))
        axes("f(z)", values, "s", s=draws)
        return Gradients(*torch.autograd.grad(values.sum(), (mean, log_var)))


@torch.no_grad()
def score_function_gradients(
    f: Callable[[Tensor], Tensor],
    mean: Tensor,
    log_var: Tensor,
    draws: int,
    *,
    baseline: float = 0.0,
    generator: Generator | None,
) -> Gradients:
    """Estimate the gradient of E f(z), z from N(μ, σ²), by (f(z) - baseline) ∇ log q(z); Williams (1992).

    Takes what :func:`pathwise_gradients` takes, but f need not have a derivative.

    Parameters
    ----------
    baseline : float
        Any constant leaves the estimates unbiased, for the score ∇ log q(z) has mean zero.

    Examples
    --------
    >>> zero = torch.zeros(1)
    >>> score_function_gradients(lambda z: 1 + 0 * z[:, 0], zero, zero, 2, baseline=1.0, generator=None).mean.abs()
    tensor([[0.],
            [0.]])
    """
    mean, log_var = _rows(mean, log_var, draws)
    z = reparameterize(mean, log_var, generator=generator)
    values = f(z)
    axes("f(z)", values, "s", s=draws)
    weight = (values - baseline)[:, None]
    noise = (z - mean) * (-log_var / 2).exp()
    return Gradients(weight * noise * (-log_var / 2).exp(), weight * (noise**2 - 1) / 2)


def _coordinates(x: Tensor) -> int:
    """Return the size of the last axis; a tensor without axes gets the usual message."""
    return axes("mean", x, "... d")[0]


def _precise(x: Tensor) -> Tensor:
    """Return half precision as float32: a sum of hundreds of nats has no digits left in bfloat16."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _rows(mean: Tensor, log_var: Tensor, draws: int) -> tuple[Tensor, Tensor]:
    """Repeat the parameters for each draw."""
    (d,) = axes("mean", mean, "d")
    axes("log_var", log_var, "d", d=d)
    if draws < 1:
        raise ValueError(f"draws is at least 1, found {draws}")
    return mean.detach().repeat(draws, 1), log_var.detach().repeat(draws, 1)
