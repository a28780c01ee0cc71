"""Norm penalties on weights, and what they do to each direction: Goodfellow et al. (2016), sec. 7.1 and 7.8.

A penalized objective is J(θ) + α Ω(θ), eq. (7.1).  Ω is :func:`l2`, half the squared length of the weights, or
:func:`l1`, the sum of their sizes; biases go free.  Book → code: α → ``strength``, λ_i (an eigenvalue of the Hessian) →
``curvature``, ε and τ of sec. 7.8 → ``rate`` and ``steps``.
"""

from collections.abc import Iterable
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["decay_groups", "l1", "l2", "shrinkage", "soft_threshold", "stopping_shrinkage", "weights"]


def weights(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that a penalty is for: all that have two axes or more, each once.

    Matrices, kernels and embeddings have; biases have one, and so have the scales and shifts of normalization.

    Examples
    --------
    >>> [tuple(w.shape) for w in weights(nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.Linear(5, 2)))]
    [(5, 3), (2, 5)]
    """
    return [parameter for parameter in model.parameters() if parameter.ndim >= 2]


def l2(penalized: nn.Module | Tensor | Iterable[Tensor]) -> Tensor:
    """Return half the sum of squares, whose gradient is the weight itself.

    Parameters
    ----------
    penalized : nn.Module, Tensor or tensors
        Of a module the penalty sees its :func:`weights`; of tensors, all numbers.

    Examples
    --------
    >>> import torch
    >>> l2(torch.tensor([3.0, -4.0]))
    tensor(12.5000)
    """
    first, *others = (w.square().sum() for w in _tensors(penalized))
    return sum(others, first) / 2


def l1(penalized: nn.Module | Tensor | Iterable[Tensor]) -> Tensor:
    """Return the sum of absolute values, whose gradient is the sign: a pull that does not tire near zero.

    Takes what :func:`l2` takes.  At zero autograd gives the subgradient 0.

    Examples
    --------
    >>> import torch
    >>> l1(torch.tensor([3.0, -4.0]))
    tensor(7.)
    """
    first, *others = (w.abs().sum() for w in _tensors(penalized))
    return sum(others, first)


def soft_threshold(x: Tensor, threshold: Tensor | float) -> Tensor:
    """Move every number toward zero by ``threshold``, and no further than zero.

    That is the w with the least (w - x)²/2 plus ``threshold`` times the size of w.

    Parameters
    ----------
    x : (...)
    threshold : float, or Tensor that broadcasts to x
        At least 0.

    Examples
    --------
    >>> import torch
    >>> soft_threshold(torch.tensor([-3.0, 0.5, 2.0]), 1.0)
    tensor([-2.,  0.,  1.])
    """
    if isinstance(threshold, Tensor):
        bound = threshold.to(x).expand_as(x)  # clamp is slow where it broadcasts
        return x - x.clamp(-bound, bound)
    return F.softshrink(x, threshold)  # the same in one pass


def shrinkage(curvature: Tensor, strength: float) -> Tensor:
    """Return which share λ/(λ + α) of a weight an L2 penalty leaves, along directions of the given curvatures.

    Parameters
    ----------
    curvature : (...)
        Eigenvalues of the Hessian of the loss, at least 0.
    strength : float
        More than 0.

    Examples
    --------
    >>> import torch
    >>> shrinkage(torch.tensor([9.0, 1.0, 0.0]), 1.0)
    tensor([0.9000, 0.5000, 0.0000])
    """
    if not strength > 0:
        raise ValueError(f"strength is more than 0, found {strength}")
    return curvature / (curvature + strength)


def stopping_shrinkage(curvature: Tensor, rate: float, steps: float) -> Tensor:
    """Return which share 1 - (1 - ηλ)^t of a weight gradient descent from zero has reached, along each direction.

    Parameters
    ----------
    curvature : (...)
        Eigenvalues of the Hessian of the loss.
    rate : float
        More than 0, and below 2 divided by the largest curvature, or descent diverges.
    steps : float
        At least 0; not a whole number only where ``rate`` times curvature is at most 1, or the share is NaN.

    Examples
    --------
    >>> import torch
    >>> stopping_shrinkage(torch.tensor([9.0, 1.0, 0.0]), rate=0.1, steps=2)
    tensor([0.9900, 0.1900, 0.0000])
    """
    if not (rate > 0 and steps >= 0):
        raise ValueError(f"rate is more than 0 and steps are at least 0, found {rate} and {steps}")
    return 1 - (1 - rate * curvature) ** steps


def decay_groups(model: nn.Module, strength: float) -> list[dict[str, Any]]:
    """Return two groups for an optimizer of torch: :func:`weights`, which decay, and the rest, which do not.

    Examples
    --------
    >>> import torch
    >>> optimizer = torch.optim.AdamW(decay_groups(nn.Linear(3, 2), 0.1))
    >>> [(len(group["params"]), group["weight_decay"]) for group in optimizer.param_groups]
    [(1, 0.1), (1, 0.0)]
    """
    if not strength >= 0:
        raise ValueError(f"strength is at least 0, found {strength}")
    rest = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = {"params": weights(model), "weight_decay": strength}, {"params": rest, "weight_decay": 0.0}
    return [group for group in groups if group["params"]]


def _tensors(penalized: nn.Module | Tensor | Iterable[Tensor]) -> list[Tensor]:
    """Return what a penalty sums over, and refuse nothing at all."""
    if isinstance(penalized, Tensor):
        return [penalized]
    found: list[Tensor] = [*(weights(penalized) if isinstance(penalized, nn.Module) else penalized)]
    if not found:
        raise ValueError("a penalty needs at least one tensor of weights, found none")
    return found
