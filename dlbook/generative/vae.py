"""Variational autoencoder for binary images: Kingma, Welling (2013), arXiv:1312.6114, eq. (3), (10), appendix C.

The bound of many draws is that of Burda, Grosse, Salakhutdinov (2015), arXiv:1509.00519; free bits are those of Kingma
et al. (2016), arXiv:1606.04934.  Paper → code: q_φ(z|x) → ``encode``, p_θ(x|z) → ``decode``, L → ``elbo``,
J → ``latent``, L_k → ``iwae_bound``.  Axes: b images, c channels, h height, w width, d latent coordinates, k draws.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import standard_normal, undrawn
from dlbook.generative.gaussians import kl_standard_normal, log_normal, reparameterize
from dlbook.optimization.initialization import he_normal_

__all__ = ["VAE", "Terms", "free_bits", "log_bernoulli"]


class Terms(NamedTuple):
    """The two terms of the bound; ELBO = reconstruction - kl.sum(dim=-1)."""

    reconstruction: Tensor  # (b,), log p(x|z) of one draw z, in nats
    kl: Tensor  # (b, d), KL(q(z|x) ‖ p(z)) of each latent coordinate, in nats


def log_bernoulli(x: Tensor, logits: Tensor) -> Tensor:
    """Return log p(x) (...) of pixels x (..., c, h, w) that are independent with the given logits; appendix C.1.

    Parameters
    ----------
    x : (..., c, h, w)
        In {0, 1}; what lies between counts as a mixture of both.
    logits : (..., c, h, w)
        What stands in front of c broadcasts: many images under one law, one image under many.

    Examples
    --------
    >>> round(log_bernoulli(torch.ones(1, 2, 3), torch.zeros(1, 2, 3)).item(), 4)  # six coins: 6 ln(1/2)
    -4.1589
    """
    c, h, w = axes("logits", logits, "... c h w")
    axes("x", x, "... c h w", c=c, h=h, w=w)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits, x = torch.broadcast_tensors(logits, x.to(logits.dtype))
    return -F.binary_cross_entropy_with_logits(logits, x, reduction="none").flatten(-3).sum(dim=-1)


def free_bits(kl: Tensor, least: float) -> Tensor:
    """Return the penalty (scalar, nats) of a batch's divergences (b, d) when each coordinate has ``least`` nats free.

    A coordinate whose mean over the batch is below ``least`` is charged ``least``, and gets no gradient.

    Examples
    --------
    >>> free_bits(torch.tensor([[0.0, 1.0], [0.25, 3.0]]), 0.5)  # means 0.125 and 2
    tensor(2.5000)
    """
    axes("kl", kl, "b d", least=1)
    return kl.mean(dim=0).clamp(min=least).sum()


class VAE(nn.Module):
    """A standard normal z, a network that draws images from it, and one that guesses which z an image came from.

    Parameters
    ----------
    shape : (c, h, w)
        Of an image.
    latent : int
        Coordinates of z, J in the paper.
    hidden : int
        Units of each of the two hidden layers in either network. The paper has one of 500.
    generator : torch.Generator, optional
        Draws the weights, normal with variance 2 / fan-in; biases start at zero.
    device, dtype : optional

    Examples
    --------
    >>> model = VAE(shape=(1, 14, 14), latent=5, hidden=30)
    >>> model.elbo(torch.zeros(7, 1, 14, 14)).shape, model.sample(3).shape
    (torch.Size([7]), torch.Size([3, 1, 14, 14]))
    """

    def __init__(
        self,
        *,
        shape: tuple[int, int, int] = (1, 28, 28),
        latent: int = 20,
        hidden: int = 300,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if len(shape) != 3 or min(*shape, latent, hidden) < 1:
            raise ValueError(f"sizes are at least 1, found shape {shape}, {latent} latent and {hidden} hidden units")
        self.shape, self.latent = tuple(shape), latent

        def layer(inputs: int, outputs: int) -> nn.Linear:
            made = undrawn(nn.Linear, inputs, outputs, device=device, dtype=dtype)
            he_normal_(made.weight, generator=generator)  # with torch's smaller weights some units of z never wake up
            nn.init.zeros_(made.bias)
            return made

        pixels = math.prod(shape)
        self.encoder = nn.Sequential(
            layer(pixels, hidden), nn.ReLU(), layer(hidden, hidden), nn.ReLU(), layer(hidden, 2 * latent)
        )
        self.decoder = nn.Sequential(
            layer(latent, hidden), nn.ReLU(), layer(hidden, hidden), nn.ReLU(), layer(hidden, pixels)
        )

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log variance, each (b, d), of the Gaussian q(z|x) for images x (b, c, h, w)."""
        c, h, w = self.shape
        axes("x", x, "b c h w", c=c, h=h, w=w)
        if not x.is_floating_point():
            raise ValueError(f"x is of floats in {{0, 1}}, found {x.dtype}: (x >= 128).float() makes them of bytes")
        mean, log_var = self.encoder(x.flatten(1)).chunk(2, dim=-1)
        return mean, log_var

    def decode(self, z: Tensor) -> Tensor:
        """Return the logits (..., c, h, w) of the pixels for z (..., d)."""
        axes("z", z, "... d", d=self.latent)
        return self.decoder(z).unflatten(-1, self.shape)

    def log_likelihood(self, x: Tensor, z: Tensor) -> Tensor:
        """Return log p(x|z) (..., b) for images x (b, c, h, w) and z (..., b, d)."""
        return log_bernoulli(x, self.decode(z))

    def forward(self, x: Tensor, *, generator: Generator | None = None) -> Terms:
        """Return both terms of the bound, eq. (3): the first from one draw of z, the second in closed form."""
        mean, log_var = self.encode(x)
        z = reparameterize(mean, log_var, generator=generator)
        return Terms(self.log_likelihood(x, z), kl_standard_normal(mean, log_var))

    def elbo(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        """Return an unbiased estimate (b,), from one draw of z, of a lower bound of log p(x), in nats; eq. (10)."""
        reconstruction, kl = self(x, generator=generator)
        return reconstruction - kl.sum(dim=-1)

    def iwae_bound(self, x: Tensor, k: int, *, generator: Generator | None = None) -> Tensor:
        """Return an estimate (b,) of the bound of k draws, in nats: the log of the mean of k weights p(x, z) / q(z|x).

        With k = 1 it is a bound as good as :meth:`elbo`; it rises with k to log p(x). Memory grows as k b c h w.
        """
        if k < 1:
            raise ValueError(f"k counts draws, at least 1, found {k}")
        mean, log_var = (t.expand(k, *t.shape) for t in self.encode(x))
        z = reparameterize(mean, log_var, generator=generator)
        prior = log_normal(z, torch.zeros_like(mean), torch.zeros_like(mean))
        weights = self.log_likelihood(x, z) + prior - log_normal(z, mean, log_var)  # logs, (k, b)
        return weights.logsumexp(dim=0) - math.log(k)

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None, means: bool = False) -> Tensor:
        """Draw n images (n, c, h, w) in {0, 1}; or, if ``means``, return the probabilities that they are drawn from."""
        if n < 0:
            raise ValueError(f"n counts images, at least 0, found {n}")
        weight = next(self.decoder.parameters())
        logits = self.decode(standard_normal(n, self.latent, like=weight, generator=generator))
        probability = logits.to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()
        if not means:
            device = weight.device if generator is None else generator.device
            level = torch.rand(probability.shape, generator=generator, device=device, dtype=probability.dtype)
            probability = (level.to(weight.device) < probability).to(probability.dtype)
        return probability.to(weight.dtype)
