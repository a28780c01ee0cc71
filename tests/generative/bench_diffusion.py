"""The loss of a diffusion model and the sampler, against the same written out around the same network."""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor

from bench import Case
from dlbook.generative.diffusion import Diffusion
from dlbook.generative.noising import cosine_schedule
from dlbook.generative.unet import UNet


def plain_loss(network: UNet, x: Tensor, roots: tuple[Tensor, Tensor], generator: Generator) -> Tensor:
    """Noise a batch and return the squared error of the velocity, with no check."""
    t = torch.randint(1, 51, (len(x),), generator=generator)
    noise = torch.randn(x.shape, generator=generator)
    a, b = (root[t][:, None, None, None] for root in roots)
    x0 = 2 * x - 1
    return (network(a * x0 + b * noise, t / 50) - (a * noise - b * x0)).square().mean()


@torch.no_grad()
def plain_walk(network: UNet, x: Tensor, roots: tuple[Tensor, Tensor]) -> Tensor:
    """Walk back in ten steps of DDIM."""
    for t in range(50, 0, -5):
        (a, b), (c, d) = ((root[k] for root in roots) for k in (t, t - 5))
        guess = (a * x - b * network(x, torch.full((len(x),), t / 50))).clamp(-1, 1)
        x = c * guess + d * (x - a * guess) / b
    return x


def cases() -> Iterator[Case]:
    """Yield a loss with its gradients, and samples in ten steps."""
    alpha_bar = cosine_schedule(50, start=0.2)
    network = UNet(generator=Generator().manual_seed(0))
    model = Diffusion(network, (1, 28, 28), alpha_bar=alpha_bar)
    roots = alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()
    x = torch.bernoulli(torch.full((16, 1, 28, 28), 0.2), generator=Generator().manual_seed(1))
    draws = Generator().manual_seed(2)
    yield Case(
        "Diffusion",
        "loss and gradients, batch 16",
        lambda: model(x, generator=draws).backward(),
        lambda: plain_loss(network, x, roots, draws).backward(),
        "the loss written out",
    )
    yield Case(
        "Diffusion.sample",
        "16 samples in 10 steps of DDIM",
        lambda: model.sample(16, steps=10, generator=draws),
        lambda: plain_walk(network, torch.randn(16, 1, 28, 28, generator=draws), roots),
        "the walk written out",
    )
