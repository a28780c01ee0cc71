"""DeepFool: Moosavi-Dezfooli, Fawzi and Frossard (2016), arXiv:1511.04599, Algorithm 2.

The least change of an image that changes a classifier's mind, estimated: replace the classifier by its tangents, go to
the nearest of the hyperplanes that they make, and repeat.  The paper's images have no bounds.  Ours do, and a step that
is clipped falls short, again and again, of a hyperplane that comes nearer: so a step is never vanishingly small.

Paper -> code: f'_k = f_k - f_khat -> gap, w'_k -> w, eta -> overshoot, q of eqs. (11), (12) -> the dual of ``norm``.
Axes: b images, k classes, c of them that are candidates; the axes of one image are whatever the model takes.
"""

from typing import Literal

import torch
from torch import Tensor

from dlbook._checks import axes
from dlbook.adversarial.attack import Attack, Bounds, Model, check_images, check_norm, logits, turned, undisturbed

__all__ = ["deepfool", "nearest_face"]

Norm = Literal["l2", "linf"]


def nearest_face(model: Model, x: Tensor, classes: Tensor, *, norm: Norm = "l2") -> tuple[Tensor, Tensor]:
    """Find the nearest hyperplane on which the linearized model ties two classes: eqs. (8) and (9).

    The model is used as it is, in its own mode, and gradients have to be on: see :func:`deepfool` for what is safe.

    Parameters
    ----------
    model : callable
        Logits (b, k) of images.
    x : (b, ...)
    classes : (b, c) int64
        For each image the class whose cell is to be left, and then those into which it may be left.
    norm : {"l2", "linf"}
        In which the way is short: eq. (9), or eq. (12) with q = 1.

    Returns
    -------
    distance : (b,)
        At least in float32. Zero where no class has a finite slope other than zero.
    direction : (b, ...)
        Of ``norm`` one, or zero there: ``x + distance * direction`` lies on the hyperplane.

    Examples
    --------
    Two classes in the plane, with the logits 0 and 3 u + 4 v - 10: from the origin the line lies 2 away.

    >>> def model(x):
    ...     return torch.stack([0 * x[:, 0], 3 * x[:, 0] + 4 * x[:, 1] - 10], dim=1)
    >>> nearest_face(model, torch.zeros(1, 2), torch.tensor([[0, 1]]))
    (tensor([2.]), tensor([[0.6000, 0.8000]]))
    """
    axes("classes", classes, "b c", b=len(x))
    x = x.detach().clone().requires_grad_()
    answer = logits(model, x)
    if not answer.requires_grad:
        raise ValueError("the logits do not depend on the images in a way that autograd can follow")
    scores = answer.gather(1, classes)
    gaps = scores[:, 1:] - scores[:, :1]
    wide = torch.promote_types(x.dtype, torch.float32)  # squares of half-precision slopes would overflow
    nearest = torch.full((len(x),), torch.inf, dtype=wide, device=x.device)
    direction = torch.zeros_like(x, dtype=wide)
    for gap in gaps.unbind(1):
        (w,) = torch.autograd.grad(gap.sum(), x, retain_graph=True)
        w = w.to(wide)
        slope = torch.linalg.vector_norm(w.flatten(1), ord=2 if norm == "l2" else 1, dim=1)
        distance = gap.detach().to(wide).abs() / slope
        closer = (distance < nearest) & slope.isfinite()  # False where the slope is zero, or NaN
        nearest = torch.where(closer, distance, nearest)
        unit = w / _each(slope, w) if norm == "l2" else w.sign()
        direction = torch.where(_each(closer, w), unit, direction)
    return nearest.where(nearest.isfinite(), 0), direction


def deepfool(
    model: Model,
    x: Tensor,
    *,
    overshoot: float = 0.02,
    max_iter: int = 50,
    bounds: Bounds = (0, 1),
    norm: Norm = "l2",
    candidates: int | None = 10,
) -> Attack:
    """Look for the least change that leaves the model's own prediction.

    Parameters
    ----------
    model : callable
        Logits (b, k) of images.
    x : (b, ...)
        Floats inside ``bounds``.
    overshoot : float
        By which share each step goes further than to the hyperplane, where the classes only tie. The paper has 0.02.
        A step that clipping has made short is lengthened to a tenth of this share of the way so far.
    max_iter : int
        Images that are not turned after so many steps are returned as far as they came.
    bounds : (float, float)
        Each step is clipped to these; the paper has none. Wide ones, (-1e6, 1e6), give the paper's algorithm.
    norm : {"l2", "linf"}
        Which norm is to be small.
    candidates : int or None
        How many of the classes that score best at ``x`` take part, its own among them; None for all.

    Returns
    -------
    Attack
        ``success`` where the model's own prediction at ``x`` was left; ``iterations`` are steps taken.

    Raises
    ------
    ValueError
        If an argument is not as above.

    Examples
    --------
    >>> def model(x):
    ...     return torch.stack([0 * x[:, 0], 3 * x[:, 0] + 4 * x[:, 1] - 10], dim=1)
    >>> found = deepfool(model, torch.zeros(1, 2), bounds=(-9, 9))
    >>> found.adversarial, found.iterations.item()
    (tensor([[1.2240, 1.6320]]), 1)
    """
    check_images(x, bounds)
    if not 0 <= overshoot < torch.inf:
        raise ValueError(f"overshoot is a finite share of at least 0, found {overshoot}")
    if max_iter < 1:
        raise ValueError(f"max_iter is at least 1, found {max_iter}")
    check_norm(norm, "l2", "linf")
    if candidates is not None and candidates < 2:
        raise ValueError(f"candidates is at least 2, the own class and one other, or None for all, found {candidates}")
    with undisturbed(model):
        seen = x.detach().clone()  # what the model is shown, and what is returned
        iterations = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        success = torch.zeros(len(x), dtype=torch.bool, device=x.device)
        if not len(x):
            return Attack(seen, success, iterations)
        with torch.no_grad():
            classes = logits(model, seen).argsort(dim=1, descending=True, stable=True)[:, :candidates]
        wide = torch.promote_types(x.dtype, torch.float32)  # half precision would lose small steps
        start, point = seen.to(wide, copy=True), seen.to(wide, copy=True)
        running = torch.arange(len(x), device=x.device)
        for _ in range(max_iter):
            before, way = point[running], point[running] - start[running]
            distance, direction = nearest_face(model, seen[running], classes[running], norm=norm)
            distance = torch.maximum(distance, 0.1 * overshoot * _length(way, norm))
            point[running] = (before + _each((1 + overshoot) * distance, way) * direction).clamp(*bounds)
            seen[running] = point[running].to(x.dtype)
            with torch.no_grad():
                scores = logits(model, seen[running])
            left = turned(scores, classes[running, 0], targeted=False)
            moved = (point[running] != before).flatten(1).any(dim=1)
            success[running] = left
            iterations[running] += moved
            running = running[moved & ~left]
            if not len(running):
                break
    return Attack(seen, success, iterations)


def _length(way: Tensor, norm: Norm) -> Tensor:
    """Return the norms (b,) of ``way`` (b, ...)."""
    return torch.linalg.vector_norm(way.flatten(1), ord=2 if norm == "l2" else torch.inf, dim=1)


def _each(one: Tensor, like: Tensor) -> Tensor:
    """Give ``one`` (b,) the axes of ``like`` (b, ...)."""
    return one.reshape(-1, *[1] * (like.ndim - 1))
