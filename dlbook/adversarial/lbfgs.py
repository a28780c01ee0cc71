"""The first attack on deep networks: Szegedy et al. (2014), arXiv:1312.6199, Sec. 4.1.

    minimize c ‖r‖² + loss(x + r, target), with x + r inside the bounds

by L-BFGS with box constraints, for the largest c whose minimizer still reaches the target: a large c makes r small.
(The paper prints c |r| and "the minimum c > 0"; the second would make r long, and the first is today read as a square.)
Paper → code: l → ``target``, x + r → ``adversarial``, loss_f → cross-entropy.  Axes: b images, k classes.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize
from torch import Tensor

from dlbook.adversarial.attack import (
    Attack,
    Bounds,
    Model,
    check_images,
    check_labels,
    logits,
    turned,
    undisturbed,
)

__all__ = ["lbfgs", "penalized"]


def penalized(
    model: Model, x: Tensor, target: Tensor, *, c: float, max_iter: int = 50, bounds: Bounds = (0, 1)
) -> tuple[Tensor, int]:
    """Minimize c ‖r‖² + loss(x + r, target) for one image and return x + r, like ``x``, and the gradients that it took.

    Parameters
    ----------
    model : images (1, ...) to logits (1, k)
    x : (1, ...)
    target : (1,) int64
    c : float
        Price of a squared unit of change, in nats.
    max_iter : int
        Iterations of L-BFGS-B, each of one gradient or a few.
    bounds : (float, float)

    Examples
    --------
    >>> x, target = torch.tensor([[0.6, 0.4]]), torch.tensor([1])
    >>> near, _ = penalized(lambda x: x, x, target, c=10.0)
    >>> far, _ = penalized(lambda x: x, x, target, c=1.0)
    >>> bool((near - x).norm() < (far - x).norm())
    True
    """
    if len(x) != 1:
        raise ValueError(f"the penalized problem is that of one image, x has shape (1, ...), found {tuple(x.shape)}")
    flat = x.detach().double().flatten().cpu().numpy()

    def price_and_slope(z: np.ndarray) -> tuple[float, np.ndarray]:
        seen = torch.from_numpy(z).view(x.shape).to(x).requires_grad_()
        answer = logits(model, seen, target)
        loss = F.cross_entropy(answer if answer.dtype == torch.float64 else answer.float(), target)
        (slope,) = torch.autograd.grad(loss, seen)
        r, value = z - flat, loss.item()
        if not (math.isfinite(value) and slope.isfinite().all()):
            return math.inf, 2 * c * r  # the line search turns back
        return value + c * r @ r, slope.double().flatten().cpu().numpy() + 2 * c * r

    found = minimize(
        price_and_slope, flat, jac=True, method="L-BFGS-B", bounds=[bounds] * flat.size, options={"maxiter": max_iter}
    )
    return torch.from_numpy(found.x).view(x.shape).to(x), int(found.nfev)


def lbfgs(
    model: Model,
    x: Tensor,
    target: Tensor,
    *,
    c: float = 1.0,
    searches: int = 8,
    max_iter: int = 50,
    bounds: Bounds = (0, 1),
) -> Attack:
    """Find, image by image, a small change after which the model answers ``target``.

    Parameters
    ----------
    model : images (b, ...) to logits (b, k)
    x : (b, ...)
        Floats inside ``bounds``.
    target : (b,) int64
    c : float
        Where the search for c begins; positive.  It goes by factors of 10 until one c reaches the target and a larger
        one does not, and then halves the interval between their logarithms.
    searches : int
        How many values of c are tried.
    max_iter : int
        Iterations of L-BFGS-B for each.
    bounds : (float, float)

    Returns
    -------
    Attack
        The shortest change that reached the target; where none did, or the answer was the target already, the image as
        it was.  ``iterations`` counts gradients.

    Examples
    --------
    >>> attack = lbfgs(lambda x: x, torch.tensor([[0.6, 0.4]]), torch.tensor([1]))
    >>> attack.success, bool(attack.adversarial[0, 1] - attack.adversarial[0, 0] < 0.01)  # hardly beyond the tie
    (tensor([True]), True)
    """
    if not 0 < c < math.inf or min(searches, max_iter) < 1:
        given = f"c={c}, searches={searches}, max_iter={max_iter}"
        raise ValueError(f"c, searches and max_iter are positive and finite, found {given}")
    check_images(x, bounds)
    check_labels(target, x, name="target")
    found = x.detach().clone()
    success, iterations = torch.zeros_like(target, dtype=torch.bool), torch.zeros_like(target)
    if not len(x):
        return Attack(found, success, iterations)
    with undisturbed(model):
        x, target, found = x.detach().clone(), target.clone(), found.clone()  # not of inference mode any more
        success, iterations = success.clone(), iterations.clone()
        with torch.no_grad():
            was = turned(logits(model, x, target), target, targeted=True)
        for i in (~was).nonzero()[:, 0].tolist():
            one, wanted, size = x[i : i + 1], target[i : i + 1], math.inf
            reached, failed, price = 0.0, math.inf, c
            for _ in range(searches):
                moved, count = penalized(model, one, wanted, c=price, max_iter=max_iter, bounds=bounds)
                iterations[i] += count
                with torch.no_grad():
                    hit = bool(turned(logits(model, moved), wanted, targeted=True))
                reached, failed = (price, failed) if hit else (reached, price)
                length = (moved - one).double().norm().item()
                if hit and length < size:
                    found[i], size, success[i] = moved[0], length, True
                if reached == 0:
                    price = failed / 10
                else:
                    price = 10 * reached if failed == math.inf else math.sqrt(reached * failed)
    return Attack(found, success, iterations)
