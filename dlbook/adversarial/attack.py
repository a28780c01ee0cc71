"""What all attacks share: what they return, what they refuse, and how they look into a model without leaving a trace.

Words: an attack is *untargeted* if any wrong class will do, and *targeted* if it must be a given one.  Axes: b images,
k classes; the axes of one image are whatever the model takes.  Sizes of perturbations are in the units of the images:
epsilon = 8 / 255 is eight steps of gray where white is 1.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbook._checks import axes

__all__ = [
    "Attack", "Bounds", "Model", "ascent", "check_budget", "check_images", "check_labels", "check_norm", "logits",
    "turned", "undisturbed",
]  # fmt: skip

Model = Callable[[Tensor], Tensor]  # images (b, ...) to logits (b, k): a module, a function, a composition
Bounds = tuple[float, float]  # the least and the largest value that a pixel may have


class Attack(NamedTuple):
    """What an attack found.

    Attributes
    ----------
    adversarial : (b, ...)
        The images as changed, inside the bounds, with the shape, dtype and device of those attacked; without gradients.
    success : (b,) bool
        Whether the answer was turned: untargeted, from the label given to another class; targeted, from another class
        to the target.  An image on which the model was wrong before the attack is no success of the attack.
    iterations : (b,) int64
        Steps along a gradient that the image took.
    """

    adversarial: Tensor
    success: Tensor
    iterations: Tensor


@contextmanager
def undisturbed(model: Model) -> Iterator[None]:
    """Let an attack use ``model`` in evaluation mode and with gradients, and leave all as it was.

    Modules are switched to evaluation, so that dropout does not draw and running statistics do not move; each of
    them gets its own mode back, even if the attack raises.  Gradients are recorded although the caller may have
    switched them off; those of the parameters stay untouched as long as only ``torch.autograd.grad`` is called.

    Examples
    --------
    >>> layer = nn.Dropout()
    >>> with undisturbed(layer):
    ...     print(layer.training)
    False
    >>> layer.training
    True
    """
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, nn.Module) else []
    try:
        for module, _ in modes:
            module.training = False
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for module, mode in modes:
            module.training = mode


def check_images(x: Tensor, bounds: Bounds) -> None:
    """Refuse what is not a batch (b, ...) of finite floats inside ``bounds``.

    Examples
    --------
    >>> check_images(torch.tensor([[0.5, 1.5]]), (0, 1))
    Traceback (most recent call last):
        ...
    ValueError: pixels of x lie in bounds=(0, 1), found 0.5 to 1.5
    """
    if not isinstance(x, Tensor):
        raise ValueError(f"x is a tensor, found {type(x).__name__}")
    low, high = bounds
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"bounds are two finite numbers, the lesser first, found {bounds}")
    if x.ndim < 2 or not x.is_floating_point():
        hint = ": x / 255 makes floats between 0 and 1 of bytes" if x.dtype == torch.uint8 else ""
        raise ValueError(f"x is a batch (b, ...) of floats, found {x.dtype} {tuple(x.shape)}{hint}")
    if x.numel():
        least, most = x.amin().item(), x.amax().item()
        if not (low <= least and most <= high):  # also where they are NaN
            raise ValueError(f"pixels of x lie in bounds={bounds}, found {least:g} to {most:g}")


def check_labels(y: Tensor, x: Tensor, *, name: str = "y") -> None:
    """Refuse what is not one class number, int64, for each image of ``x``."""
    if not isinstance(y, Tensor):
        raise ValueError(f"{name} is a tensor, found {type(y).__name__}")
    axes(name, y, "b", b=len(x))
    if y.dtype != torch.int64:
        raise ValueError(f"{name} holds class numbers of dtype torch.int64, found {y.dtype}")


def check_budget(**budgets: float) -> None:
    """Refuse a size that is negative, infinite or no number.

    Examples
    --------
    >>> check_budget(epsilon=-0.1)
    Traceback (most recent call last):
        ...
    ValueError: epsilon is a finite size of at least 0, in the units of x, found -0.1
    """
    for name, size in budgets.items():
        if not (math.isfinite(size) and size >= 0):
            raise ValueError(f"{name} is a finite size of at least 0, in the units of x, found {size}")


def logits(model: Model, x: Tensor, y: Tensor | None = None) -> Tensor:
    """Return ``model(x)`` after a look at its shape (b, k), and at the classes in ``y`` if there are any."""
    answer = model(x)
    if answer.ndim != 2 or len(answer) != len(x) or answer.shape[1] < 2:
        raise ValueError(f"the model returns logits ({len(x)}, k) with k >= 2, found shape {tuple(answer.shape)}")
    k = answer.shape[1]
    if y is not None and len(y) and not (y.amin() >= 0 and y.amax() < k):
        raise ValueError(f"class numbers lie in 0..{k - 1}, found {int(y.amin())} to {int(y.amax())}")
    return answer


def check_norm(norm: str, *known: str) -> None:
    """Refuse a norm that is not among ``known``.

    Examples
    --------
    >>> check_norm("l3", "linf", "l2")
    Traceback (most recent call last):
        ...
    ValueError: norm is one of linf, l2, found 'l3'
    """
    if norm not in known:
        raise ValueError(f"norm is one of {', '.join(known)}, found {norm!r}")


def turned(answer: Tensor, y: Tensor, *, targeted: bool) -> Tensor:
    """Tell (b,) where logits ``answer`` (b, k) are what an attack wants; an answer that is not finite never is.

    Examples
    --------
    >>> answer = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.0, torch.nan]])
    >>> turned(answer, torch.tensor([0, 0, 0]), targeted=False)
    tensor([ True, False, False])
    """
    hit = answer.argmax(dim=1) == y
    return (hit if targeted else ~hit) & answer.isfinite().all(dim=1)


def ascent(model: Model, x: Tensor, y: Tensor, *, targeted: bool) -> tuple[Tensor, Tensor]:
    """Return the gradient by the images ``x`` of what an attack wants to grow, like ``x``, and the logits (b, k).

    That is the cross-entropy with ``y``, or, if ``y`` are targets, its negative.  Losses are summed, not averaged, so
    that no image's gradient depends on the others.  Slopes that are not finite come back as zeros.  To be called
    inside of :func:`undisturbed`.

    Examples
    --------
    >>> ascent(lambda x: x, torch.tensor([[1.0, 1.0]]), torch.tensor([0]), targeted=False)[0]
    tensor([[-0.5000,  0.5000]])
    """
    x = x.detach().clone().requires_grad_()
    answer = logits(model, x, y)
    if not answer.requires_grad:
        raise ValueError("the logits do not depend on the images in a way that autograd can follow")
    loss = F.cross_entropy(answer if answer.dtype == torch.float64 else answer.float(), y, reduction="sum")
    (slope,) = torch.autograd.grad(-loss if targeted else loss, x)
    return slope.where(slope.isfinite(), 0), answer.detach()
