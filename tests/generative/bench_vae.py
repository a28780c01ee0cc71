"""One step of a variational autoencoder against the same written with torch.distributions."""

from collections.abc import Iterator

import torch
from torch import distributions as laws

from bench import Case
from dlbook.generative.vae import VAE


def ours(model: VAE, x: torch.Tensor) -> None:
    """Compute the bound and all gradients."""
    (-model.elbo(x).mean()).backward()
    model.zero_grad()


def theirs(model: VAE, x: torch.Tensor) -> None:
    """Compute both with the laws and the divergence of torch, on the same two networks."""
    mean, log_var = model.encoder(x.flatten(1)).chunk(2, dim=-1)
    q = laws.Normal(mean, (log_var / 2).exp(), validate_args=False)
    pixels = laws.Bernoulli(logits=model.decoder(q.rsample()), validate_args=False)
    kl = laws.kl_divergence(q, laws.Normal(0.0, 1.0)).sum(dim=-1)
    (kl - pixels.log_prob(x.flatten(1)).sum(dim=-1)).mean().backward()
    model.zero_grad()


def cases() -> Iterator[Case]:
    """Yield a batch as the chapter trains it, and a larger one."""
    for batch in (64, 256):
        model = VAE(generator=torch.Generator().manual_seed(0))
        x = (torch.rand(batch, 1, 28, 28, generator=torch.Generator().manual_seed(1)) < 0.2).float()
        yield Case(
            "VAE",
            f"28 x 28, 20 latent numbers, batch {batch}, forward and backward",
            lambda model=model, x=x: ours(model, x),
            lambda model=model, x=x: theirs(model, x),
            "torch.distributions",
        )
