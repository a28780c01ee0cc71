"""One update of both networks of the small DCGAN, against the same layers in ``nn.Sequential``."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.generative.dcgan import DCGANDiscriminator, DCGANGenerator


def plain() -> tuple[nn.Module, nn.Module]:
    """Return a generator and a discriminator of the same layers."""
    generator = nn.Sequential(
        nn.Linear(32, 784, bias=False), nn.Unflatten(1, (16, 7, 7)), nn.BatchNorm2d(16), nn.ReLU(),
        nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 4, 2, 1), nn.Sigmoid(),
    )  # fmt: skip
    discriminator = nn.Sequential(
        nn.Conv2d(1, 8, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16),
        nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(784, 1), nn.Flatten(0),
    )  # fmt: skip
    return generator, discriminator


def update(generator: nn.Module, discriminator: nn.Module, real: Tensor, z: Tensor) -> None:
    """Compute the gradients of both losses."""
    fake = generator(z)
    loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
    loss.backward()
    F.softplus(-discriminator(fake)).mean().backward()
    for network in (generator, discriminator):
        network.zero_grad()


def cases() -> Iterator[Case]:
    """Yield updates with batches of 32 and of 128."""
    for batch in (32, 128):
        stream = torch.Generator().manual_seed(0)
        ours, theirs = (DCGANGenerator(), DCGANDiscriminator()), plain()
        real, z = torch.rand(batch, 1, 28, 28, generator=stream), torch.randn(batch, 32, generator=stream)
        yield Case(
            "DCGAN",
            f"gradients of both networks, batch {batch}",
            lambda ours=ours, real=real, z=z: update(ours[0], ours[1], real, z),
            lambda theirs=theirs, real=real, z=z: update(theirs[0], theirs[1], real, z),
            "torch.nn.Sequential",
        )
