"""Flow matching along straight lines: Lipman et al. (2023), arXiv:2210.02747, eq. (22) and (23) with σ_min = 0.

x_s = (1 - s) ε + s x for s from 0, noise, to 1, data, so that the velocity of an example is x - ε.
A network is any callable that maps x (b, ...) and times s (b,) to a velocity (b, ...).  Axes: b examples.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor

from dlbook._checks import axes
from dlbook._draws import standard_normal

__all__ = ["euler", "flow_loss"]


def flow_loss(network: Callable[[Tensor, Tensor], Tensor], x: Tensor, *, generator: Generator | None) -> Tensor:
    """Return the mean squared error of the velocity at random times between noise and data.

    Parameters
    ----------
    network : callable
    x : (b, ...)
        Data.
    generator : torch.Generator or None
        Draws times, uniform in [0, 1], and then the noise.

    Examples
    --------
    >>> flow_loss(lambda x, time: 0 * x, torch.zeros(1, 2), generator=None).shape
    torch.Size([])
    """
    if x.ndim < 2 or not len(x) or not x.is_floating_point():
        raise ValueError(f"x is float of shape (b, ...) with b >= 1, found {x.dtype} of shape {tuple(x.shape)}")
    device = x.device if generator is None else generator.device
    s = torch.rand(len(x), generator=generator, device=device, dtype=x.dtype).to(x.device)
    noise = standard_normal(*x.shape, like=x, generator=generator)
    share = s.reshape(-1, *(1,) * (x.ndim - 1))
    velocity = network((1 - share) * noise + share * x, s)
    axes("velocity", velocity, " ".join(map(str, x.shape)))
    return (velocity - (x - noise)).square().mean()


@torch.no_grad()
def euler(network: Callable[[Tensor, Tensor], Tensor], x: Tensor, *, steps: int) -> Tensor:
    """Follow the velocity from noise x (b, ...) at s = 0 to s = 1, in equal steps.

    Examples
    --------
    >>> euler(lambda x, s: torch.ones_like(x), torch.zeros(1, 2), steps=4)
    tensor([[1., 1.]])
    """
    if steps < 1:
        raise ValueError(f"steps is at least 1, found {steps}")
    for k in range(steps):
        velocity = network(x, torch.full((len(x),), k / steps, device=x.device, dtype=x.dtype))
        axes("velocity", velocity, " ".join(map(str, x.shape)))
        x = x + velocity / steps
    return x
