"""One perturbation for all images.

Algorithm 1 of Moosavi-Dezfooli et al. (2017), arXiv:1610.08401, and the stochastic gradient ascent of Shafahi et al.
(2018), arXiv:1811.11304.

Paper → code: v and, in 2018, δ → ``v``, ``perturbation``; ξ and, in 2018, ε → ``epsilon``; p → ``norm``; δ of 2017 →
``delta``, the share of images that may stay unfooled; β → ``cap``; the class that the model names, k̂(x) → ``_answers``.
The page's g is ``gradient``.  Axes: b images; v is (1, ...), one image.  Sizes are in the units of x: 10 of 255 levels
are 10 / 255.
"""

import math
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dlbook.adversarial.attack import Bounds, Model, check_budget, check_images, check_norm, logits, undisturbed
from dlbook.adversarial.deepfool import deepfool

__all__ = ["NORMS", "Universal", "fooling_rate", "project", "universal_ascent", "universal_perturbation"]

NORMS = ("linf", "l2")


class Universal(NamedTuple):
    """One perturbation, and how it came about.

    Attributes
    ----------
    perturbation : (1, ...)
        To be added to any image, and the sum clipped to the bounds; its norm is at most epsilon.
    fooling_rate : float
        The share of the images it was computed from whose answer it changes.  On new images it will be lower.
    history : list of float
        That share after each pass over the images; the perturbation is that of the best pass, the last of them if
        several are equally good.
    """

    perturbation: Tensor
    fooling_rate: float
    history: list[float]


def project(v: Tensor, epsilon: float, norm: str = "linf") -> Tensor:
    """Return the point nearest to ``v`` among those of norm at most ``epsilon``: the operator P of 2017.

    ``v`` is one perturbation (1, ...); :func:`dlbook.adversarial.pgd.project` has a ball around each image of a batch.

    Examples
    --------
    >>> project(torch.tensor([[3.0, -4.0]]), 1, "l2"), project(torch.tensor([[3.0, -0.5]]), 1)
    (tensor([[ 0.6000, -0.8000]]), tensor([[ 1.0000, -0.5000]]))
    """
    _check(epsilon, norm)
    if norm == "linf":
        return v.clamp(-epsilon, epsilon)
    length = torch.linalg.vector_norm(v.to(_wide(v)))  # squares overflow in half precision
    return (v * (epsilon / length)).to(v.dtype) if length > epsilon else v


def fooling_rate(model: Model, x: Tensor, v: Tensor, *, bounds: Bounds = (0.0, 1.0), batch_size: int = 500) -> float:
    """Return the share of images whose answer changes when ``v`` is added: k̂(x + v) ≠ k̂(x).

    It asks for no label: an image on which the model was wrong counts if the wrong answer changes.  An image counts
    only if the logits are finite before and after.

    Parameters
    ----------
    model : callable
        Images (b, ...) to logits (b, k).
    x : (b, ...)
    v : (1, ...) or (b, ...)
        One perturbation for all, or one for each.
    bounds : two floats
        The sums are clipped to them.
    batch_size : int
        How many images the model sees at once.

    Examples
    --------
    >>> model = lambda x: torch.cat([x, 0.5 - x], dim=1)  # class 0 where x > 1/4
    >>> fooling_rate(model, torch.tensor([[0.1], [0.2], [0.4], [0.5]]), torch.tensor([[-0.3]]))
    0.5
    """
    _check_set(x, bounds, batch_size)
    if v.shape[1:] != x.shape[1:] or len(v) not in (1, len(x)):
        one = (1, *x.shape[1:])
        raise ValueError(f"v is {one}, or one for each image, {tuple(x.shape)}, found shape {tuple(v.shape)}")
    if not (v.is_floating_point() and v.isfinite().all()):
        raise ValueError(f"v holds finite floats in the units of x, found {v.dtype} with {v.max().item()}")
    with undisturbed(model), torch.no_grad():
        moved = (x + v).clamp(*bounds).to(x.dtype)
        after, before = _answers(model, moved, batch_size), _answers(model, x, batch_size)
        return ((after != before) & (after >= 0) & (before >= 0)).double().mean().item()


def universal_perturbation(
    model: Model,
    x: Tensor,
    *,
    epsilon: float,
    norm: str = "linf",
    delta: float = 0.2,
    max_epochs: int = 10,
    batch_size: int = 1,
    overshoot: float = 0.02,
    max_iter: int = 50,
    candidates: int | None = 10,
    bounds: Bounds = (0.0, 1.0),
    generator: Generator,
) -> Universal:
    """Push image after image over its nearest boundary, and keep the sum of the pushes small; Algorithm 1 of 2017.

    Parameters
    ----------
    model : callable
        Images (b, ...) to logits (b, k).
    x : (b, ...)
        The images to learn from; no labels are needed.
    epsilon : float
        Greatest norm of the perturbation, in the units of ``x``.
    norm : {"linf", "l2"}
    delta : float
        Stop when a share of 1 - delta is fooled.
    max_epochs : int
        Passes over ``x`` at most; the paper sets no limit.
    batch_size : int
        1 is the paper's algorithm.  A larger batch moves by the mean of its pushes: fewer, shorter and smoother steps.
    overshoot, max_iter, candidates
        Those of DeepFool; a push that does not reach a boundary in ``max_iter`` steps is left out.
    bounds : two floats
        Of what the model sees, after every push.  The paper has none: wide ones, (-9, 9), give its algorithm.
    generator : torch.Generator
        Shuffles the images before every pass.

    Examples
    --------
    >>> model = lambda x: torch.stack([x.sum(1), 1 - x.sum(1)], dim=1)  # class 0 where the sum is above 1/2
    >>> x = torch.tensor([[0.4, 0.3], [0.3, 0.4], [0.5, 0.3]])
    >>> found = universal_perturbation(model, x, epsilon=0.2, generator=torch.Generator().manual_seed(0))
    >>> found.fooling_rate, bool(found.perturbation.abs().max() <= 0.2)
    (1.0, True)
    """
    _check(epsilon, norm)
    _check_set(x, bounds, batch_size)
    _check_counts(max_epochs=max_epochs)
    push = partial(deepfool, model, overshoot=overshoot, max_iter=max_iter, bounds=bounds, candidates=candidates)
    push(x[:0])  # no image: it refuses what it cannot use, and computes nothing
    if not 0 <= delta < 1:
        raise ValueError(f"delta is a share of images, at least 0 and below 1, found {delta}")
    with undisturbed(model):
        x = x.detach()
        v = torch.zeros_like(x[:1], dtype=_wide(x))  # half precision would lose small pushes
        with torch.no_grad():
            answers = _answers(model, x, 500)
        best, history = v, list[float]()
        while len(history) < max_epochs and max(history, default=-1.0) < 1 - delta:
            for chosen in _shuffled(len(x), batch_size, generator):
                moved = (x[chosen] + v).clamp(*bounds).to(x.dtype)
                with torch.no_grad():
                    moved = moved[_answers(model, moved, 500) == answers[chosen]]  # those not yet fooled
                if not len(moved):
                    continue
                found = push(moved)
                if found.success.any():
                    pushes = (found.adversarial - moved)[found.success].to(v.dtype)
                    v = project(v + pushes.mean(dim=0, keepdim=True), epsilon, norm)
            history.append(fooling_rate(model, x, v.to(x.dtype), bounds=bounds))
            best = v.to(x.dtype) if history[-1] == max(history) else best
        return Universal(best, max(history), history)


def universal_ascent(
    model: Model,
    x: Tensor,
    *,
    epsilon: float,
    norm: str = "linf",
    step_size: float,
    epochs: int,
    batch_size: int = 100,
    cap: float = math.inf,
    bounds: Bounds = (0.0, 1.0),
    generator: Generator,
) -> Universal:
    """Climb the mean loss of all images by steps along the gradient of batches; Algorithm 1 of 2018.

    Parameters
    ----------
    model, x, epsilon, norm, bounds
        As in :func:`universal_perturbation`.  The labels are the model's own answers.
    step_size : float
        Length of each step in ``norm``: in "linf" a step is ``step_size`` times the sign of the gradient.
    epochs, batch_size : int
        Passes over ``x``, and images a step.
    cap : float
        The loss of an image counts up to here, in nats, so that what is fooled far enough pulls no longer.
    generator : torch.Generator
        Shuffles the images before every pass.

    Examples
    --------
    >>> model = lambda x: torch.stack([x.sum(1), 1 - x.sum(1)], dim=1)
    >>> x = torch.tensor([[0.4, 0.3], [0.3, 0.4], [0.5, 0.3]])
    >>> stream = torch.Generator().manual_seed(0)
    >>> universal_ascent(model, x, epsilon=0.25, step_size=0.25, epochs=1, generator=stream).perturbation
    tensor([[-0.2500, -0.2500]])
    """
    _check(epsilon, norm)
    _check_set(x, bounds, batch_size)
    _check_counts(epochs=epochs)
    check_budget(step_size=step_size)
    if not cap > 0:
        raise ValueError(f"cap is a loss above 0, in nats, found {cap}")
    with undisturbed(model):
        x = x.detach()
        v = torch.zeros_like(x[:1], dtype=_wide(x))
        with torch.no_grad():
            answers = _answers(model, x, 500).clamp(min=0)
        best, history = v, list[float]()
        for _ in range(epochs):
            for chosen in _shuffled(len(x), batch_size, generator):
                each = v.repeat(len(chosen), *[1] * (x.ndim - 1)).requires_grad_()
                scores = logits(model, (x[chosen] + each).clamp(*bounds).to(x.dtype)).to(v.dtype)
                if not scores.requires_grad:
                    raise ValueError("the logits do not depend on the images in a way that autograd can follow")
                loss = F.cross_entropy(scores, answers[chosen], reduction="none").clamp(max=cap).mean()
                (slopes,) = torch.autograd.grad(loss, each)
                gradient = slopes.where(slopes.isfinite(), 0).sum(dim=0, keepdim=True)
                v = project(v + step_size * _steepest(gradient, norm), epsilon, norm)
            history.append(fooling_rate(model, x, v.to(x.dtype), bounds=bounds))
            best = v.to(x.dtype) if history[-1] == max(history) else best
        return Universal(best, max(history), history)


def _steepest(gradient: Tensor, norm: str) -> Tensor:
    """Return the direction of length 1 that climbs fastest, or zero where there is no slope."""
    if norm == "linf":
        return gradient.sign()
    largest = gradient.abs().max()
    gradient = gradient / largest.where(largest > 0, 1)  # so that squares neither overflow nor vanish
    return gradient / torch.linalg.vector_norm(gradient).clamp(min=1)


def _answers(model: Model, x: Tensor, batch_size: int) -> Tensor:
    """Return the class of the largest logit of each image, k̂(x), and -1 where a logit is not finite.

    Each part is a copy, for there are models whose first layer writes into its input.
    """
    answers = torch.cat([logits(model, part.clone()) for part in x.split(batch_size)])
    return answers.argmax(dim=1).where(answers.isfinite().all(dim=1), -1)


def _wide(x: Tensor) -> torch.dtype:
    return torch.promote_types(x.dtype, torch.float32)


def _shuffled(n: int, batch_size: int, generator: Generator) -> tuple[Tensor, ...]:
    """Return the numbers 0 to n - 1 in random order, in batches."""
    return torch.randperm(n, generator=generator, device=generator.device).cpu().split(batch_size)


def _check(epsilon: float, norm: str) -> None:
    check_budget(epsilon=epsilon)
    check_norm(norm, *NORMS)


def _check_set(x: Tensor, bounds: Bounds, batch_size: int) -> None:
    check_images(x, bounds)
    if not len(x):
        raise ValueError("a perturbation is universal for at least one image, found none")
    _check_counts(batch_size=batch_size)


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} is at least 1, found {count}")
