"""Least squares with an L1 penalty, by soft thresholding: the lasso of Tibshirani (1996), and Beck and Teboulle (2009).

Minimized is ‖X w - y‖² / 2n + α ‖w‖₁.  Paper → code: the A, b, x and λ of Beck and Teboulle → ``features``,
``target``, weight and ``strength``, up to factors of n, by which we divide as scikit-learn does.
Axes: n examples, p features, k targets, each with weights of its own.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import torch
from torch import Tensor

from dlbook._checks import axes
from dlbook.regularization.penalties import soft_threshold

__all__ = ["ista", "kkt_violation", "largest_strength", "lasso", "lasso_objective", "lasso_path"]

CHECK_EVERY = 10  # steps between two looks at the conditions of a minimum


def lasso_objective(features: Tensor, target: Tensor, weight: Tensor, strength: float) -> Tensor:
    """Return ‖X w - y‖² / 2n + α ‖w‖₁, summed over targets.

    Parameters
    ----------
    features : (n, p)
    target : (n,) or (n, k)
    weight : (p,) or (p, k)
    strength : float

    Examples
    --------
    >>> lasso_objective(torch.eye(2), torch.tensor([3.0, 1.0]), torch.tensor([1.0, 0.0]), strength=0.5)
    tensor(1.7500)
    """
    _check(features, target, weight=weight)
    return (features @ weight - target).square().sum() / (2 * len(features)) + strength * weight.abs().sum()


def kkt_violation(features: Tensor, target: Tensor, weight: Tensor, strength: float) -> Tensor:
    """Return by how much a weight misses the conditions of a minimum, in units of the gradient; 0 at a minimum.

    With g the gradient of the squares: g = -α sign(w) where w is not zero, and g between -α and α where it is.

    Takes what :func:`lasso_objective` takes.

    Examples
    --------
    >>> kkt_violation(torch.eye(2), torch.tensor([3.0, 1.0]), torch.tensor([2.0, 0.0]), strength=0.5)
    tensor(0.)
    """
    _check(features, target, weight=weight)
    gradient = features.mT @ (features @ weight - target) / len(features)
    return _violation(gradient, weight, strength)


def largest_strength(features: Tensor, target: Tensor) -> Tensor:
    """Return the strength from which on all weights are zero: the largest size of an entry of Xᵀy / n.

    Examples
    --------
    >>> largest_strength(torch.eye(2), torch.tensor([3.0, 1.0]))
    tensor(1.5000)
    """
    _check(features, target)
    return (features.mT @ target).abs().amax() / len(features)


def ista(
    features: Tensor,
    target: Tensor,
    *,
    strength: float,
    steps: int,
    start: Tensor | None = None,
    accelerate: bool = False,
) -> Tensor:
    """Return the weight (p,) or (p, k) after steps of descent and soft thresholding: iterative shrinkage-thresholding.

    Parameters
    ----------
    features : (n, p)
    target : (n,) or (n, k)
    strength : float
        α, at least 0.
    steps : int
    start : as the result, optional
        Zero by default.
    accelerate : bool
        Take the gradient at a point ahead, as the FISTA of Beck and Teboulle does, and begin again without momentum
        wherever a step goes back on the one before.

    Examples
    --------
    >>> ista(torch.eye(2), torch.tensor([3.0, 1.0]), strength=0.5, steps=1)  # the columns are orthogonal: one step
    tensor([2., 0.])
    """
    if not strength >= 0:
        raise ValueError(f"strength is at least 0, found {strength}")
    if not steps >= 0:
        raise ValueError(f"steps are at least 0, found {steps}")
    start = _start(features, target, start)
    weights = _descend(*_squares(features, target), start, strength, accelerate)
    return next(islice(weights, steps, None))


def lasso(
    features: Tensor,
    target: Tensor,
    *,
    strength: float,
    tolerance: float = 1e-6,
    start: Tensor | None = None,
    max_steps: int = 100_000,
) -> Tensor:
    """Return the weight (p,) or (p, k) of the minimum, by accelerated steps until its conditions hold.

    Parameters
    ----------
    features : (n, p)
    target : (n,) or (n, k)
    strength : float
        α, more than 0.
    tolerance : float
        Largest :func:`kkt_violation`, as a share of :func:`largest_strength`.
    start : as the result, optional
    max_steps : int

    Raises
    ------
    ValueError
        Also if the conditions do not hold after ``max_steps``: float32 is too coarse for a small tolerance.

    Examples
    --------
    >>> lasso(torch.eye(2), torch.tensor([3.0, 1.0]), strength=0.5)
    tensor([2., 0.])
    """
    (found,) = lasso_path(
        features, target, strengths=(strength,), tolerance=tolerance, start=start, max_steps=max_steps
    )
    return found


def lasso_path(
    features: Tensor,
    target: Tensor,
    *,
    strengths: Iterable[float],
    tolerance: float = 1e-6,
    start: Tensor | None = None,
    max_steps: int = 100_000,
) -> Tensor:
    """Return the minima for several strengths, a row each: (strengths, p) or (strengths, p, k).

    Each begins where the one before ended, so that strengths that fall from :func:`largest_strength` are quick.
    Takes what :func:`lasso` takes.

    Examples
    --------
    >>> lasso_path(torch.eye(2), torch.tensor([3.0, 1.0]), strengths=(1.5, 0.5))
    tensor([[0., 0.],
            [2., 0.]])
    """
    weight = _start(features, target, start)
    if not 0 <= tolerance < math.inf:
        raise ValueError(f"tolerance is at least 0 and finite, found {tolerance}")
    allowed = tolerance * largest_strength(features, target)
    if not allowed.isfinite():
        raise ValueError(f"features and target are finite, found a largest strength of {allowed / tolerance}")
    gradient, rate = _squares(features, target)
    found = []
    for strength in strengths:
        if not strength > 0:
            raise ValueError(f"strength is more than 0, found {strength}")
        weights = _descend(gradient, rate, weight, strength, accelerate=True)
        for weight in islice(weights, 0, max_steps + 1, CHECK_EVERY):
            if _violation(gradient(weight), weight, strength) <= allowed:
                break
        else:
            raise ValueError(f"no minimum within {tolerance} after {max_steps} steps, in {features.dtype}")
        found.append(weight)
    if not found:
        raise ValueError("strengths has at least one number, found none")
    return torch.stack(found)


def _check(features: Tensor, target: Tensor, **weights: Tensor) -> tuple[int, ...]:
    """Return the shape of a weight, and refuse what would broadcast to a wrong sum: (p, 1) with a target (n,)."""
    n, p = axes("features", features, "n p", least=1)
    if target.ndim not in (1, 2) or len(target) != n:
        raise ValueError(f"target is ({n},) or ({n}, k), found shape {tuple(target.shape)}")
    shape = (p, *target.shape[1:])
    for name, weight in weights.items():
        if weight.shape != shape:
            raise ValueError(f"{name} is {shape}, found shape {tuple(weight.shape)}")
    return shape


def _squares(features: Tensor, target: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """Return the gradient of the squares, a function of the weight, and 1 / L, L their largest curvature."""
    n, p = features.shape
    if p <= n:  # then p² products a step are fewer than 2 n p
        gram, correlation = features.mT @ features / n, features.mT @ target / n
        return lambda weight: gram @ weight - correlation, _rate(gram)
    return lambda weight: features.mT @ (features @ weight - target) / n, _rate(features @ features.mT / n)


def _rate(gram: Tensor) -> Tensor:
    """Return 1 / L, finite for features that are all zero as well."""
    return 1 / torch.linalg.eigvalsh(gram)[-1].clamp(min=torch.finfo(gram.dtype).tiny)


def _start(features: Tensor, target: Tensor, start: Tensor | None) -> Tensor:
    """Return the first weight: zero, or what was given."""
    if start is None:
        return features.new_zeros(_check(features, target))
    _check(features, target, start=start)
    return start


def _violation(gradient: Tensor, weight: Tensor, strength: float) -> Tensor:
    """Return by how much the gradient of the squares misses what the penalty can cancel."""
    at_zero = (gradient.abs() - strength).clamp(min=0)
    elsewhere = (gradient + strength * weight.sign()).abs()
    return torch.where(weight == 0, at_zero, elsewhere).amax()


def _descend(
    gradient: Callable[[Tensor], Tensor], rate: Tensor, weight: Tensor, strength: float, accelerate: bool
) -> Iterator[Tensor]:
    """Yield the weight, and then one after the other."""
    ahead, t = weight, weight.new_ones(())
    while True:
        yield weight
        new = soft_threshold(ahead - rate * gradient(ahead), rate * strength)
        if accelerate:
            back = ((ahead - new) * (new - weight)).sum() > 0
            t = torch.where(back, 1.0, t)
            t_new = (1 + (1 + 4 * t.square()).sqrt()) / 2
            ahead, t = new + (t - 1) / t_new * (new - weight), t_new
        else:
            ahead = new
        weight = new
