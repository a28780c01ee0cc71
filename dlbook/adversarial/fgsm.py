"""The fast gradient sign method: Goodfellow, Shlens and Szegedy (2015), arXiv:1412.6572, Sec. 4, and its twins.

The loss J(θ, x, y) is replaced by its tangent at the image, J + gᵀη, and the tangent is made as large as the budget
lets it: η = ε sign(g) if no pixel may move by more than ε (the paper's), and the maximizers in balls of L2 and L1.
Pixels end at black and white; ours are the maximizers under both limits.  Paper → code: x, y, ε, ∇ₓJ → ``x, y, epsilon,
slope``; η (r on the page) → ``step``.  Axes: b images, k classes, n pixels of one image with its channels.
"""

import torch
from torch import Tensor

from dlbook.adversarial.attack import (
    Attack,
    Bounds,
    Model,
    ascent,
    check_budget,
    check_images,
    check_labels,
    check_norm,
    logits,
    turned,
    undisturbed,
)  # fmt: skip

__all__ = ["fgsm", "steepest", "stretch"]


def stretch(direction: Tensor, low: Tensor, high: Tensor, *, epsilon: float, most: float = float("inf")) -> Tensor:
    """Return clip(t · direction, low, high) (b, n) with the largest t <= ``most`` that keeps its length <= epsilon.

    The length is Euclidean, of each row.  As t grows, entries meet their walls one after the other; the others share
    what is left of ε².  Each pass solves for t with the entries now at a wall, until no entry joins them.

    Parameters
    ----------
    direction : (b, n)
    low, high : (b, n)
        Walls; low <= 0 <= high.
    epsilon, most : float

    Examples
    --------
    >>> low, high = torch.tensor([[-9.0, -9.0]]), torch.tensor([[3.0, 9.0]])
    >>> stretch(torch.tensor([[1.0, 1.0]]), low, high, epsilon=5)  # 3, and the root of 25 - 9
    tensor([[3., 4.]])
    """
    unit = direction.abs().amax(dim=1, keepdim=True)  # so that squares neither overflow nor vanish
    direction, most_t = direction / unit.where(unit > 0, 1), torch.where(unit > 0, unit * most, 0)
    size, wall = direction.abs(), torch.where(direction > 0, high, -low)
    t = torch.zeros_like(unit)
    at_wall = torch.zeros_like(direction, dtype=torch.bool)
    while True:
        left = (epsilon**2 - wall.where(at_wall, 0).square().sum(dim=1, keepdim=True)).clamp_min(0)
        free = (size * ~at_wall).square().sum(dim=1, keepdim=True)
        t = torch.where(free > 0, (left / free.where(free > 0, 1)).sqrt(), t).minimum(most_t)
        joined = at_wall | (t * size > wall)
        if torch.equal(joined, at_wall):
            return torch.where(at_wall, wall, t * size) * direction.sign()
        at_wall = joined


def steepest(slope: Tensor, x: Tensor, *, epsilon: float, norm: str = "linf", bounds: Bounds = (0, 1)) -> Tensor:
    """Return the step η that makes slope · η greatest, with ‖η‖ <= epsilon and x + η inside ``bounds``, like ``x``.

    Parameters
    ----------
    slope, x : (b, ...)
        Where a pixel's slope is zero it stays as it is.
    epsilon : float
        In the units of ``x``.
    norm : {"linf", "l2", "l1"}
        Of one image with all its channels.
    bounds : (float, float)

    Examples
    --------
    >>> x, slope = torch.tensor([[0.5, 0.5, 0.5]]), torch.tensor([[4.0, -3.0, 0.0]])
    >>> for norm in ("linf", "l2", "l1"):
    ...     print(norm, x + steepest(slope, x, epsilon=0.1, norm=norm))
    linf tensor([[0.6000, 0.4000, 0.5000]])
    l2 tensor([[0.5800, 0.4400, 0.5000]])
    l1 tensor([[0.6000, 0.5000, 0.5000]])
    """
    check_norm(norm, "linf", "l2", "l1")
    g, low, high = slope.flatten(1), bounds[0] - x.flatten(1), bounds[1] - x.flatten(1)
    if norm == "linf":
        step = (epsilon * g.sign()).clamp(low, high)
    elif norm == "l2":
        step = stretch(g, low, high, epsilon=epsilon)
    else:  # the steepest pixel takes what its wall leaves it, then the next
        room = torch.where(g > 0, high, -low)
        order = g.abs().argsort(dim=1, descending=True, stable=True)
        room = room.gather(1, order)
        spent = room.cumsum(dim=1) - room
        taken = (epsilon - spent).clamp_min(0).minimum(room)
        step = torch.zeros_like(g).scatter(1, order, taken) * g.sign()
    return step.view_as(x)


def fgsm(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    norm: str = "linf",
    bounds: Bounds = (0, 1),
    targeted: bool = False,
) -> Attack:
    """Take the one step that makes the linearized loss greatest.

    Parameters
    ----------
    model : images (b, ...) to logits (b, k)
    x : (b, ...)
        Floats inside ``bounds``.
    y : (b,) int64
        The classes to get away from or, if ``targeted``, to go to.
    epsilon : float
        The greatest size of the change, in the units of ``x``.
    norm : {"linf", "l2", "l1"}
        Greatest change of a pixel, Euclidean length, or sum of the changes.
    bounds : (float, float)
        The least and the greatest value of a pixel.
    targeted : bool

    Examples
    --------
    >>> attack = fgsm(lambda x: x, torch.tensor([[0.6, 0.4]]), torch.tensor([0]), epsilon=0.25)
    >>> attack.adversarial, attack.success
    (tensor([[0.3500, 0.6500]]), tensor([True]))
    """
    check_budget(epsilon=epsilon)
    check_norm(norm, "linf", "l2", "l1")
    check_images(x, bounds)
    check_labels(y, x)
    if not len(x):
        return Attack(x.detach().clone(), torch.zeros_like(y, dtype=torch.bool), torch.zeros_like(y))
    with undisturbed(model):
        x, y = x.detach().clone(), y.clone()  # tensors of inference mode cannot be differentiated by
        slope, before = ascent(model, x, y, targeted=targeted)
        wide = x if x.dtype == torch.float64 else x.float()
        step = steepest(slope.to(wide), wide, epsilon=epsilon, norm=norm, bounds=bounds)
        adversarial = (wide + step).clamp(*bounds).to(x)
        with torch.no_grad():
            after = logits(model, adversarial)
    was = turned(before, y, targeted=targeted)
    return Attack(adversarial, turned(after, y, targeted=targeted) & ~was, torch.ones_like(y))
