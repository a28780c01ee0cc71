"""The gradient penalty, forward and backward, against the form with ``torch.autograd.grad``."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench import Case
from dlbook.generative.dcgan import DCGANDiscriminator
from dlbook.generative.wasserstein import gradient_penalty


def ours(critic: nn.Module, x: Tensor) -> None:
    """Compute the gradient of the penalty in the critic's parameters."""
    gradient_penalty(critic, x).backward()
    critic.zero_grad()


def usual(critic: nn.Module, x: Tensor) -> None:
    """Do the same with a graph of the gradient."""
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean().backward()
    critic.zero_grad()


def cases() -> Iterator[Case]:
    """Yield the critic of images with two batches."""
    critic = DCGANDiscriminator(norm=False, generator=torch.Generator().manual_seed(0))
    for batch in (32, 128):
        x = torch.rand(batch, 1, 28, 28, generator=torch.Generator().manual_seed(1))
        yield Case(
            "gradient penalty",
            f"critic of images, batch {batch}, forward and backward",
            lambda x=x: ours(critic, x),
            lambda x=x: usual(critic, x),
            "torch.autograd.grad",
        )
