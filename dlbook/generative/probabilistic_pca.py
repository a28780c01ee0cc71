"""Probabilistic principal components, and the linear variational autoencoder that has them as its optimum.

Tipping, Bishop (1999), JRSS B 61(3), 611-622: the model and its maximum likelihood in closed form; Lucas, Tucker,
Grosse, Norouzi (2019), arXiv:1911.02469: the linear autoencoder.  Paper → code: t → ``x``, x → z, W → ``weight``,
μ → ``mean``, σ² → ``noise_var``, q → ``latent``; of Lucas et al. V → ``encoder``, D → ``log_var``.  Axes: n or b
examples, d coordinates of x, q coordinates of z.  Densities are in nats, in float32 at least.
"""

import math
from typing import NamedTuple

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import normal_, standard_normal
from dlbook.generative.gaussians import kl_standard_normal

__all__ = ["LinearVAE", "PrincipalComponents", "log_prob", "maximum_likelihood", "posterior"]


class PrincipalComponents(NamedTuple):
    """The model x = W z + μ + noise, with z standard normal and noise of variance σ² in all directions."""

    mean: Tensor  # (d,)
    weight: Tensor  # (d, q)
    noise_var: Tensor  # (), σ²


def maximum_likelihood(x: Tensor, latent: int) -> PrincipalComponents:
    """Return the model under which the data x (n, d) are most probable.

    σ² is the mean of the variances that the ``latent`` leading directions leave over, and each column of W is such a
    direction, of length √(λ - σ²). Any rotation of the columns is as good; these are orthogonal, the longest first.

    Raises
    ------
    ValueError
        If ``latent`` is not between 1 and d - 1: with d directions nothing is left for the noise.
        If x is of whole numbers or half precision.

    Examples
    --------
    >>> found = maximum_likelihood(torch.tensor([[3.0, 1.0], [3.0, -1.0], [-3.0, 1.0], [-3.0, -1.0]]), 1)
    >>> found.noise_var, found.weight.abs()  # variances 9 and 1
    (tensor(1.), tensor([[2.8284],
            [0.0000]]))
    """
    n, d = axes("x", x, "n d", least=1)
    if x.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"x is of float32 or float64, in which variances have eigenvalues, found {x.dtype}")
    if not 1 <= latent < d:
        raise ValueError(f"latent is between 1 and {d - 1}, one less than the {d} coordinates, found {latent}")
    mean = x.mean(dim=0)
    variances, directions = torch.linalg.eigh((x - mean).T @ (x - mean) / n)  # ascending
    noise_var = variances[: d - latent].mean().clamp(min=0)  # of zeros rounding may make less
    lengths = (variances[d - latent :] - noise_var).clamp(min=0).sqrt()
    return PrincipalComponents(mean, (directions[:, d - latent :] * lengths).flip(1), noise_var)


def log_prob(x: Tensor, mean: Tensor, weight: Tensor, noise_var: Tensor) -> Tensor:
    """Return log p(x) (b,) of x (b, d), the Gaussian of mean μ and covariance W Wᵀ + σ² I, in nats.

    Only a matrix of q x q is factored, however large d is.

    Examples
    --------
    >>> zero = torch.zeros(1, 1)
    >>> round(log_prob(zero, zero[0], zero + 3, torch.tensor(16.0)).item(), 4)  # -log(5 √(2π))
    -2.5284
    """
    d, q = axes("weight", weight, "d q")
    axes("mean", mean, "d", d=d)
    axes("x", x, "b d", d=d)
    x, mean, weight, noise_var = (_precise(t) for t in (x, mean, weight, noise_var))
    away = x - mean
    root = torch.linalg.cholesky(_inner(weight, noise_var))
    log_det = (d - q) * noise_var.log() + 2 * root.diagonal().log().sum()
    explained = torch.linalg.solve_triangular(root, weight.T @ away.T, upper=False)  # (q, b)
    squares = ((away**2).sum(dim=1) - (explained**2).sum(dim=0)) / noise_var
    return -0.5 * (d * math.log(2 * math.pi) + log_det + squares)


def posterior(x: Tensor, mean: Tensor, weight: Tensor, noise_var: Tensor) -> tuple[Tensor, Tensor]:
    """Return the means (b, q) and the one covariance (q, q) of z given x (b, d): M⁻¹ Wᵀ (x - μ) and σ² M⁻¹.

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> posterior(one, 0 * one[0], one, torch.tensor(1.0))  # half of what is seen is noise
    (tensor([[0.5000]]), tensor([[0.5000]]))
    """
    d, _ = axes("weight", weight, "d q")
    axes("mean", mean, "d", d=d)
    axes("x", x, "b d", d=d)
    x, mean, weight = (_precise(t) for t in (x, mean, weight))
    inverse = torch.linalg.inv(_inner(weight, noise_var))
    return (x - mean) @ weight @ inverse, noise_var * inverse


def _precise(x: Tensor) -> Tensor:
    """Return half precision as float32: matrices of it cannot be factored."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _inner(weight: Tensor, noise_var: Tensor) -> Tensor:
    """Return M = Wᵀ W + σ² I."""
    return weight.T @ weight + noise_var * torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)


class LinearVAE(nn.Module):
    """A variational autoencoder without hidden layers, whose bound and likelihood both have closed forms.

    The decoder is W z + μ with noise of variance σ², the encoder N(V (x - μ), D) with D diagonal, the same for all x.

    Parameters
    ----------
    d, latent : int
        Coordinates of x and of z.
    generator : torch.Generator, optional
        Draws W and V, normal with deviation 1/√d.
    device, dtype : optional

    Examples
    --------
    >>> model, x = LinearVAE(5, 2), torch.zeros(7, 5)
    >>> bool((model.elbo(x) <= model.log_prob(x)).all())
    True
    """

    def __init__(
        self,
        d: int,
        latent: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(d, latent) < 1:
            raise ValueError(f"sizes are at least 1, found {d} coordinates and {latent} latent ones")
        empty = torch.empty(d, latent, device=device, dtype=dtype)
        self.weight = nn.Parameter(normal_(empty, d**-0.5, generator))
        self.encoder = nn.Parameter(normal_(empty.T.clone(), d**-0.5, generator))
        self.mean = nn.Parameter(empty.new_zeros(d))
        self.log_var = nn.Parameter(empty.new_zeros(latent))  # the diagonal of D
        self.log_noise_var = nn.Parameter(empty.new_zeros(()))

    def elbo(self, x: Tensor) -> Tensor:
        """Return the bound (b,) for x (b, d), exactly: the mean over z needs no draws."""
        d, _ = self.weight.shape
        axes("x", x, "b d", d=d)
        away = x - self.mean
        z = away @ self.encoder.T  # the means of q(z|x)
        spread = (self.log_var.exp() * (self.weight**2).sum(dim=0)).sum()  # of W z about W E z
        squares = ((away - z @ self.weight.T) ** 2).sum(dim=1) + spread
        reconstruction = -0.5 * (d * (math.log(2 * math.pi) + self.log_noise_var) + squares / self.log_noise_var.exp())
        return reconstruction - kl_standard_normal(z, self.log_var).sum(dim=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return :meth:`elbo`."""
        return self.elbo(x)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return log p(x) (b,) for x (b, d)."""
        return log_prob(x, self.mean, self.weight, self.log_noise_var.exp())

    @torch.no_grad()
    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw n examples, (n, d)."""
        if n < 0:
            raise ValueError(f"n counts examples, at least 0, found {n}")
        d, q = self.weight.shape
        z = standard_normal(n, q, like=self.weight, generator=generator)
        noise = standard_normal(n, d, like=self.weight, generator=generator)
        return z @ self.weight.T + self.mean + (self.log_noise_var / 2).exp() * noise
