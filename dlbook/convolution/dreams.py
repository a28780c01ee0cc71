"""Images that a network wants to see: Mordvintsev, Olah and Tyka (2015), "Inceptionism": Deep Dream.

The question is a function ``f`` that maps images (b, c, h, w) to one number for each, (b,).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import finite_images
from dlbook.convolution.rectifiers import gradient

__all__ = ["Dream", "deep_dream", "total_variation"]


class Dream(NamedTuple):
    """An image that was changed to raise a number."""

    image: Tensor  # (1, c, h, w)
    objective: list[list[float]]  # for each octave: before the first step and after each; never falls within an octave


def total_variation(x: Tensor) -> Tensor:
    """Return the mean absolute difference of neighboring pixels, down plus across: (b, c, h, w) → (b,).

    Examples
    --------
    >>> total_variation(torch.tensor([[[[0.0, 1.0], [0.0, 4.0]]]]))
    tensor([4.])
    """
    down, across = x.diff(dim=2).abs(), x.diff(dim=3).abs()
    return down.mean(dim=(1, 2, 3)) + across.mean(dim=(1, 2, 3))


def deep_dream(
    f: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    octaves: int = 3,
    scale: float = 1.4,
    steps: int = 10,
    step_size: float = 0.05,
    bounds: tuple[float, float] = (-1.0, 1.0),
    halvings: int = 6,
) -> Dream:
    """Change an image so that ``f`` sees more of what it sees: gradient ascent with a line search, coarse to fine.

    At the smallest of ``octaves`` sizes the image is moved along the gradient, which is scaled to a mean absolute value
    of 1; then what was added is enlarged by ``scale`` and put onto the image of the next size, and so on.  A step that
    would lower ``f`` is halved until it does not, and is left out after ``halvings`` attempts, so that ``f`` never
    falls within an octave.

    Parameters
    ----------
    f : callable
        Images (1, c, h, w) of several sizes to a number (1,), such as the mean square of a layer.
    x : (1, c, h, w)
    octaves, steps : int
        Sizes, and steps at each.
    scale : float
        Of the sides, from one size to the next.
    step_size : float
        Mean change of a pixel in a step, in units of ``x``.
    bounds : (float, float)
        Pixels stay inside.
    halvings : int

    Returns
    -------
    Dream

    Examples
    --------
    >>> f = lambda x: -(x - 0.5).square().mean(dim=(1, 2, 3))
    >>> dream = deep_dream(f, torch.zeros(1, 1, 8, 8), octaves=1, steps=20)
    >>> dream.image.mean().item() > 0.45, dream.objective[0][-1] > dream.objective[0][0]
    (True, True)
    """
    finite_images(x, one=True)
    if octaves < 1 or steps < 0 or halvings < 0 or not scale > 1 or not step_size > 0:
        found = f"{octaves}, {steps}, {halvings}, {scale} and {step_size}"
        raise ValueError(f"octaves >= 1, steps and halvings >= 0, scale > 1 and step_size > 0, found {found}")
    low, high = bounds
    least, most = x.new_tensor(bounds)  # as rounded as the pixels are
    if not least <= x.min() <= x.max() <= most:
        raise ValueError(f"pixels are inside {bounds}, found {float(x.min()):g} to {float(x.max()):g}")
    h, w = x.shape[-2:]
    added, objective = torch.zeros_like(x), []
    for octave in reversed(range(octaves)):
        size = [max(1, round(h / scale**octave)), max(1, round(w / scale**octave))]
        base = _resized(x, size)
        image, numbers = _ascend(
            f, (base + _resized(added, size)).clamp(low, high), steps, step_size, (low, high), halvings
        )
        objective.append(numbers)
        added = image - base
    return Dream(image, objective)


def _ascend(
    f: Callable[[Tensor], Tensor],
    image: Tensor,
    steps: int,
    step_size: float,
    bounds: tuple[float, float],
    halvings: int,
) -> tuple[Tensor, list[float]]:
    with torch.no_grad():
        numbers = [f(image).item()]
    for _ in range(steps):
        direction = gradient(f, image)
        direction = direction / direction.abs().mean().clamp(min=1e-12)
        for halving in range(halvings + 1):
            moved = (image + step_size * 0.5**halving * direction).clamp(*bounds)
            with torch.no_grad():
                number = f(moved).item()
            if number >= numbers[-1]:
                image = moved
                break
        else:
            number = numbers[-1]
        numbers.append(number)
    return image, numbers


def _resized(x: Tensor, size: list[int]) -> Tensor:
    if list(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", antialias=True, align_corners=False)
