"""The adversarial patch: Brown, Mané, Roy, Abadi and Gilmer (2017), arXiv:1712.09665, Sec. 3.

    p̂ = argmax over p of E[log P(ŷ | A(p, x, l, t))]

A puts the patch p on image x at place l, scaled and turned by t; the expectation is over images, places and
transformations, so one patch must serve for all of them.  Nothing limits how much its pixels change.  Paper → code:
p → ``patch``, A → :func:`place`, l and t → :class:`Places`, ŷ → ``target``.  Axes: b images, c channels, h and w
pixels of an image, s pixels of the patch.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from dlbook._checks import axes
from dlbook.adversarial.attack import Bounds, Model, check_budget, check_images, logits, undisturbed

__all__ = ["Places", "place", "random_places", "train_patch"]


class Places(NamedTuple):
    """Where each of b images gets its patch.

    Attributes
    ----------
    center : (b, 2)
        Row and column, in pixels from the upper left corner of the image.
    side : (b,)
        Diameter of the disk, in pixels of the image.
    angle : (b,)
        By which the patch is turned counterclockwise, in radians.
    """

    center: Tensor
    side: Tensor
    angle: Tensor


def _check_floats(**images: Tensor) -> None:
    for name, image in images.items():
        if not isinstance(image, Tensor) or not image.is_floating_point():
            raise ValueError(f"{name} is a tensor of floats, found {getattr(image, 'dtype', type(image).__name__)}")


def random_places(
    x: Tensor, *, sides: tuple[float, float], turn: float = 0.0, generator: Generator | None = None
) -> Places:
    """Draw places for images (b, c, h, w) at which the whole disk is inside.

    Parameters
    ----------
    x : (b, c, h, w)
    sides : (float, float)
        Least and greatest diameter, in pixels of the image; the draw is uniform.
    turn : float
        Angles are uniform in ±turn, in radians.
    generator : torch.Generator, optional
        Draws where it lives.

    Examples
    --------
    >>> draw = torch.Generator().manual_seed(0)
    >>> places = random_places(torch.zeros(2, 1, 28, 28), sides=(7, 9), generator=draw)
    >>> bool((places.center - places.side[:, None] / 2 >= 0).all())
    True
    """
    b, _, h, w = axes("x", x, "b c h w")
    _check_floats(x=x)
    if not 0 < sides[0] <= sides[1] <= min(h, w):
        raise ValueError(f"sides are two diameters, 0 < least <= greatest <= {min(h, w)} pixels, found {sides}")
    if not 0 <= turn < math.inf:
        raise ValueError(f"turn is a finite angle of at least 0, in radians, found {turn}")
    device = x.device if generator is None else generator.device
    share = torch.rand(b, 4, generator=generator, device=device).to(x.device)
    side = sides[0] + (sides[1] - sides[0]) * share[:, 0]
    room = x.new_tensor([h, w], dtype=side.dtype) - side[:, None]
    return Places(side[:, None] / 2 + room * share[:, 1:3], side, turn * (2 * share[:, 3] - 1))


def place(x: Tensor, patch: Tensor, places: Places) -> Tensor:
    """Return images (b, c, h, w) with a patch (c, s, s), as a disk, laid over each; differentiable in both.

    Each pixel of an image asks which point of the patch lies over its center; between the patch's pixels, colors are
    interpolated.

    Examples
    --------
    >>> places = Places(torch.tensor([[1.5, 2.5]]), torch.tensor([3.0]), torch.tensor([0.0]))
    >>> place(torch.zeros(1, 1, 4, 4), torch.ones(1, 3, 3), places)[0, 0]
    tensor([[0., 1., 1., 1.],
            [0., 1., 1., 1.],
            [0., 1., 1., 1.],
            [0., 0., 0., 0.]])
    """
    b, c, h, w = axes("x", x, "b c h w")
    axes("patch", patch, "c s s", c=c, least=1)
    _check_floats(x=x, patch=patch)
    axes("places.center", places.center, "b 2", b=b)
    axes("places.side", places.side, "b", b=b)
    axes("places.angle", places.angle, "b", b=b)
    row = torch.arange(h, device=x.device)[:, None] + 0.5 - places.center[:, 0, None, None]  # (b, h, 1)
    column = torch.arange(w, device=x.device) + 0.5 - places.center[:, 1, None, None]  # (b, 1, w)
    cos, sin = (f(places.angle)[:, None, None] for f in (torch.cos, torch.sin))
    half = places.side[:, None, None] / 2
    down, right = (cos * row + sin * column) / half, (cos * column - sin * row) / half  # the patch reaches from -1 to 1
    wide = patch if patch.dtype == torch.float64 else patch.float()  # places need more digits than colors
    grid = torch.stack([right, down], dim=-1).to(wide.dtype)  # grid_sample wants x before y
    drawn = F.grid_sample(wide.expand(b, -1, -1, -1), grid, padding_mode="border", align_corners=False)
    inside = (down.square() + right.square() <= 1)[:, None]
    return torch.where(inside, drawn.to(x.dtype), x)


def train_patch(
    model: Model,
    x: Tensor,
    target: int,
    *,
    size: int,
    sides: tuple[float, float],
    turn: float = 0.0,
    steps: int = 200,
    batch: int = 32,
    step_size: float = 0.05,
    generator: Generator | None = None,
    bounds: Bounds = (0, 1),
) -> tuple[Tensor, list[float]]:
    """Train a patch (c, size, size) that makes a model say ``target``, whatever it lies on and wherever it lies.

    Parameters
    ----------
    model : images (b, ...) to logits (b, k)
    x : (n, c, h, w)
        Images to lay it on, floats inside ``bounds``.
    target : int
    size : int
        Pixels along a side of the patch.
    sides, turn : (float, float), float
        Diameters in pixels of the images, and angles, as for :func:`random_places`.
    steps, batch, step_size : int, int, float
        Steps of Adam, images a step, and its rate, in the units of ``x``.
    generator : torch.Generator, optional
        Draws images and places, where it lives.
    bounds : (float, float)

    Returns
    -------
    patch : (c, size, size)
    losses : list of float
        Mean of -log P(target) at each step, in nats.

    Examples
    --------
    >>> def votes(x):  # for white, against white
    ...     return torch.stack([x.mean(dim=(1, 2, 3)), -x.mean(dim=(1, 2, 3))], dim=1)
    >>> draw = torch.Generator().manual_seed(0)
    >>> patch, losses = train_patch(votes, torch.zeros(5, 1, 8, 8), 0, size=3, sides=(3, 3), generator=draw)
    >>> patch.shape, losses[-1] < losses[0]
    (torch.Size([1, 3, 3]), True)
    """
    check_images(x, bounds)
    n, c, _, _ = axes("x", x, "n c h w", least=1)
    check_budget(step_size=step_size)
    if min(size, steps, batch) < 1:
        raise ValueError(f"size, steps and batch are at least 1, found size={size}, steps={steps}, batch={batch}")
    random_places(x[:1], sides=sides, turn=turn, generator=torch.Generator())  # refuses what does not fit
    device = x.device if generator is None else generator.device
    losses = []
    with undisturbed(model):
        x = x.detach().clone()
        wanted = torch.full((batch,), target, device=x.device)
        wide = x.dtype if x.dtype == torch.float64 else torch.float32
        patch = torch.full((c, size, size), sum(bounds) / 2, device=x.device, dtype=wide, requires_grad=True)
        adam = torch.optim.Adam([patch], step_size)
        for _ in range(steps):
            rows = torch.randint(n, (batch,), generator=generator, device=device).to(x.device)
            places = random_places(x[rows], sides=sides, turn=turn, generator=generator)
            answer = logits(model, place(x[rows], patch, places), wanted)
            loss = F.cross_entropy(answer if answer.dtype == torch.float64 else answer.float(), wanted)
            (slope,) = torch.autograd.grad(loss, patch)
            patch.grad = slope.where(slope.isfinite(), 0)
            adam.step()
            patch.data.clamp_(*bounds)
            losses.append(loss.item())
    return patch.detach().to(x.dtype), losses
