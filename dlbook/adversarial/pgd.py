"""Projected gradient descent: Madry et al. (2018), arXiv:1706.06083, Sec. 2.1, and iterated FGSM as its special case.

    x ← Π(x + α sign ∇ₓ L(θ, x, y)),  Π: the nearest image within ε of the first

Kurakin, Goodfellow and Bengio (2017), arXiv:1607.02533, Sec. 2.2, take the steps from the image itself
(``random_start=False``), Madry et al. from random points near it, and start again.  Paper → code: S, α, ε → the ball of
``norm``, ``step_size``, ``epsilon``.  Axes: b images, k classes.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

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
from dlbook.adversarial.fgsm import steepest, stretch

__all__ = ["pgd", "project", "random_in_ball"]


def project(moved: Tensor, x: Tensor, *, epsilon: float, norm: str = "linf", bounds: Bounds = (0, 1)) -> Tensor:
    """Return the images nearest to ``moved`` (b, ...) that are within epsilon of ``x`` and inside ``bounds``.

    "Nearest" is Euclidean; ``x`` lies inside ``bounds``; ``norm`` is "linf" or "l2".

    Examples
    --------
    >>> x, moved = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> project(moved, x, epsilon=0.5), project(moved, x, epsilon=0.5, norm="l2")
    (tensor([[0.5000, 0.5000]]), tensor([[0.3000, 0.4000]]))
    """
    check_norm(norm, "linf", "l2")
    if norm == "linf":
        return moved.clamp(x - epsilon, x + epsilon).clamp(*bounds)
    center = x.flatten(1)
    low, high = bounds[0] - center, bounds[1] - center
    step = stretch(moved.flatten(1) - center, low, high, epsilon=epsilon, most=1)
    return (x + step.view_as(x)).clamp(*bounds)  # the sum may round to just outside


def random_in_ball(
    x: Tensor, *, epsilon: float, norm: str = "linf", bounds: Bounds = (0, 1), generator: Generator | None = None
) -> Tensor:
    """Draw a point like ``x`` (b, ...), uniform in the ball of each image, and clip it into ``bounds``.

    Examples
    --------
    >>> x = torch.full((2, 3), 0.5)
    >>> near = random_in_ball(x, epsilon=0.1, norm="l2", generator=torch.Generator().manual_seed(0))
    >>> bool(((near - x).norm(dim=1) <= 0.1).all())
    True
    """
    check_norm(norm, "linf", "l2")
    room = torch.empty_like(x, device=x.device if generator is None else generator.device)
    if norm == "linf":
        step = epsilon * room.uniform_(-1, 1, generator=generator)
    else:  # the direction of a normal draw; a ball of radius r ε holds the share r^n of all
        direction = room.normal_(generator=generator).flatten(1)
        share = room.new_empty(len(x), 1).uniform_(generator=generator)
        step = (epsilon * share ** (1 / direction.shape[1]) * F.normalize(direction)).view(x.shape)
    return (x + step.to(x.device)).clamp(*bounds)


def pgd(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    step_size: float | None = None,
    steps: int = 40,
    restarts: int = 1,
    norm: str = "linf",
    random_start: bool = True,
    early_stop: bool = True,
    generator: Generator | None = None,
    bounds: Bounds = (0, 1),
    targeted: bool = False,
) -> Attack:
    """Climb the loss inside of a ball around each image, from one or more starts.

    Parameters
    ----------
    model : images (b, ...) to logits (b, k)
    x : (b, ...)
        Floats inside ``bounds``.
    y : (b,) int64
        The classes to get away from or, if ``targeted``, to go to.
    epsilon : float
        Radius of the ball, in the units of ``x``.
    step_size : float, optional
        α, of each step; by default 2.5 epsilon / steps, so that the border can be reached from any start.
    steps, restarts : int
    norm : {"linf", "l2"}
        Of the ball; it also says what a step is: α times the sign of the gradient, or α along the gradient.
    random_start : bool
        False begins at ``x`` itself: with "linf" this is iterated FGSM, also called the basic iterative method.
    early_stop : bool
        Whether an image leaves as soon as its answer is turned, and an image that the model gets wrong anyway is left
        alone.  False takes all steps, as for the training of Madry et al.; restarts are still for the unturned only.
    generator : torch.Generator, optional
        Draws the starts, where it lives; by default PyTorch's own, of the device of ``x``.
    bounds : (float, float)
        The least and the greatest value of a pixel.
    targeted : bool

    Returns
    -------
    Attack
        Of an image that no start turned, the end with the greatest loss (targeted: the smallest).

    Examples
    --------
    >>> x, y = torch.tensor([[0.6, 0.4], [0.4, 0.6]]), torch.tensor([0, 0])
    >>> attack = pgd(lambda x: x, x, y, epsilon=0.25, step_size=0.0625, random_start=False)
    >>> attack.adversarial, attack.success, attack.iterations
    (tensor([[0.4750, 0.5250],
            [0.4000, 0.6000]]), tensor([ True, False]), tensor([2, 0]))
    """
    alpha = 2.5 * epsilon / max(steps, 1) if step_size is None else step_size
    check_budget(epsilon=epsilon, step_size=alpha)
    check_norm(norm, "linf", "l2")
    if min(steps, restarts) < 1:
        raise ValueError(f"steps and restarts are at least 1, found steps={steps}, restarts={restarts}")
    check_images(x, bounds)
    check_labels(y, x)
    if not len(x):
        return Attack(x.detach().clone(), torch.zeros_like(y, dtype=torch.bool), torch.zeros_like(y))
    with undisturbed(model):
        dtype, y = x.dtype, y.clone()
        x = x.detach().clone() if dtype == torch.float64 else x.detach().float().clone()  # small steps need digits
        with torch.no_grad():
            was = turned(logits(model, x.to(dtype), y), y, targeted=targeted)
        done = was.clone() if early_stop else torch.zeros_like(was)
        found, iterations = x.clone(), torch.zeros_like(y)
        best = torch.full(y.shape, -math.inf, device=x.device)
        for _ in range(restarts):
            start = x
            if random_start:
                start = random_in_ball(x, epsilon=epsilon, norm=norm, bounds=bounds, generator=generator)
            rows = (~done).nonzero()[:, 0]
            now, home, want = start[rows], x[rows], y[rows]
            for step in range(steps + 1):
                if not len(rows):
                    break
                if step < steps:
                    slope, answer = ascent(model, now.to(dtype), want, targeted=targeted)
                else:
                    with torch.no_grad():
                        slope, answer = now, logits(model, now.to(dtype))
                hit = turned(answer, want, targeted=targeted)
                leaves = torch.ones_like(hit) if step == steps else hit & early_stop
                if leaves.any():
                    loss = F.cross_entropy(answer.float(), want, reduction="none") * (-1 if targeted else 1)
                    better = leaves & (hit | (loss > best[rows]))
                    found[rows[better]], best[rows[better]], done[rows[leaves & hit]] = now[better], loss[better], True
                    rows, now, home, want, slope = (part[~leaves] for part in (rows, now, home, want, slope))
                iterations[rows] += 1
                now = now + steepest(slope.to(now), now, epsilon=alpha, norm=norm, bounds=(-math.inf, math.inf))
                now = project(now, home, epsilon=epsilon, norm=norm, bounds=bounds)
    return Attack(found.to(dtype), done & ~was, iterations)
