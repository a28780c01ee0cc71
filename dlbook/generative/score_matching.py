"""Scores, and the best denoiser in closed form: Vincent (2011), Neural Computation 23(7), 1661-1674.

The score is the gradient of the log density with respect to x, ∇ log q(x).  Vincent's eq. (9) → :func:`denoising_loss`.
See Song and Ermon (2019), arXiv:1907.05600, for their use in drawing examples.  For data that are n points of equal
weight, noised to √ᾱ x_i + √(1 - ᾱ) ε, everything is known.  Axes: b examples, n points, d coordinates.
"""

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = ["best_guess", "best_noise", "denoising_loss", "log_density", "score_from_noise"]


def _log_joint(x: Tensor, points: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Return log q(x | x_i) + log 1/n, (b, n), up to the constant of the normal."""
    _, d = axes("points", points, "n d", least=1)
    axes("x", x, "b d", d=d)
    alpha_bar = torch.as_tensor(alpha_bar).to(x)
    return -torch.cdist(x, alpha_bar.sqrt() * points).square() / (2 * (1 - alpha_bar))


def log_density(x: Tensor, points: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Return the log density (b,) of noised points: a mixture of n normals of variance 1 - ᾱ.

    Parameters
    ----------
    x : (b, d)
    points : (n, d)
    alpha_bar : float
        Less than 1.

    Examples
    --------
    >>> log_density(torch.zeros(1, 2), torch.zeros(3, 2), 0.0)  # -log 2π
    tensor([-1.8379])
    """
    n, d = points.shape
    spread = 2 * torch.pi * (1 - torch.as_tensor(alpha_bar).to(x))
    return _log_joint(x, points, alpha_bar).logsumexp(dim=1) - torch.tensor(n).to(x).log() - d / 2 * spread.log()


def best_guess(x: Tensor, points: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Return E[x_0 | x_t = x], (b, d): the average of the points, each weighted by how well it explains x.

    No network can do better in squared error on these points; the weights are a softmax of distances.

    Parameters
    ----------
    x : (b, d)
    points : (n, d)
    alpha_bar : float

    Examples
    --------
    >>> best_guess(torch.zeros(1, 1), torch.tensor([[-1.0], [1.0]]), 0.5)  # undecided
    tensor([[0.]])
    """
    return _log_joint(x, points, alpha_bar).softmax(dim=1) @ points


def best_noise(x: Tensor, points: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Return E[ε | x_t = x], (b, d): what the loss of diffusion asks a network for, if these points are all the data.

    Examples
    --------
    >>> best_noise(torch.ones(1, 1), torch.zeros(1, 1), 0.75)  # all of x is noise, of deviation 1/2
    tensor([[2.]])
    """
    alpha = torch.as_tensor(alpha_bar).to(x)
    return (x - alpha.sqrt() * best_guess(x, points, alpha)) / (1 - alpha).sqrt()


def score_from_noise(noise: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """Return the score -E[ε | x_t] / √(1 - ᾱ) of what the noise was predicted for, of the shape of ``noise``.

    Examples
    --------
    >>> score_from_noise(torch.ones(1), 0.75)
    tensor([-2.])
    """
    return -noise / (1 - torch.as_tensor(alpha_bar).to(noise)).sqrt()


def denoising_loss(score: Tensor, noise: Tensor, std: float) -> Tensor:
    """Return half the mean squared distance of a score at x + std ε to -ε / std, Vincent (2011), eq. (9).

    Parameters
    ----------
    score, noise : (b, d)
    std : float

    Examples
    --------
    >>> denoising_loss(torch.zeros(1, 2), torch.ones(1, 2), 0.5)
    tensor(4.)
    """
    axes("noise", noise, " ".join(map(str, score.shape)))
    return (score + noise / std).square().flatten(1).sum(dim=1).mean() / 2
