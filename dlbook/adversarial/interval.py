"""Interval bound propagation: Gowal et al. (2018), arXiv:1810.12715, Sec. 3.

Every unit gets an interval that its value cannot leave while no pixel moves by more than epsilon.  A linear map takes
center μ and radius r of a box to W μ + b and abs(W) r; a map that preserves order is applied to both ends.

Paper → code: z̲, z̄ → ``lower``, ``upper``; ẑ(ε), worst-case logits → :func:`margins`, as differences to the right one.
Axes: b images, k classes, h units before the last layer.
"""

import torch
import torch.nn.functional as F
from einops import einsum
from torch import Tensor, nn

from dlbook.adversarial.attack import Bounds, check_budget, check_images, check_labels

__all__ = ["box", "certified", "margins", "propagate"]

ORDERED = (  # raising an input of these never lowers an output
    nn.ReLU, nn.Sigmoid, nn.Tanh, nn.Flatten, nn.Identity, nn.ZeroPad2d, nn.MaxPool2d, nn.AvgPool2d,
)  # fmt: skip


def box(x: Tensor, *, epsilon: float, bounds: Bounds = (0.0, 1.0)) -> tuple[Tensor, Tensor]:
    """Return the least and the greatest value of each pixel, like x (b, ...), within epsilon of it and the bounds.

    Examples
    --------
    >>> box(torch.tensor([[0.5, 1.0]]), epsilon=0.25)
    (tensor([[0.2500, 0.7500]]), tensor([[0.7500, 1.0000]]))
    """
    check_images(x, bounds)
    check_budget(epsilon=epsilon)
    return (x - epsilon).clamp(*bounds), (x + epsilon).clamp(*bounds)


def propagate(model: nn.Module, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Return bounds of ``model(x)`` that hold for every x between ``lower`` and ``upper``.

    Parameters
    ----------
    model : nn.Module
        Of ``nn.Sequential``, ``nn.Linear``, ``nn.Conv2d`` (zeros around), and layers that preserve order: ReLU,
        sigmoid, tanh, max and average pooling, padding by zeros, flattening.
    lower, upper : (b, ...)

    Examples
    --------
    >>> layer = nn.Linear(2, 1)
    >>> _ = layer.weight.data.copy_(torch.tensor([[1.0, -2.0]])), nn.init.zeros_(layer.bias)
    >>> low, high = propagate(layer, torch.tensor([[0.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    >>> low.item(), high.item()
    (-2.0, 1.0)
    """
    if lower.shape != upper.shape:
        raise ValueError(f"lower and upper are ends of one box, found {tuple(lower.shape)} and {tuple(upper.shape)}")
    if not (lower <= upper).all():
        raise ValueError("lower is nowhere above upper, found a number for which it is, or NaN")
    return _through(model, lower, upper)


def _through(model: nn.Module, lower: Tensor, upper: Tensor) -> tuple[Tensor, Tensor]:
    """Return the ends of the box behind ``model``, without another look at the ends before it."""
    if isinstance(model, nn.Sequential):
        for layer in model:
            lower, upper = _through(layer, lower, upper)
        return lower, upper
    if isinstance(model, ORDERED):
        return model(lower), model(upper)
    if isinstance(model, nn.Linear) or (isinstance(model, nn.Conv2d) and model.padding_mode == "zeros"):
        center, reach = (upper + lower) / 2, (upper - lower) / 2
        center = model(center)
        reach = _absolute(model, reach)
        return center - reach, center + reach
    raise ValueError(f"no rule for bounds of {type(model).__name__}: there are linear, convolution and ordered layers")


def _absolute(layer: nn.Linear | nn.Conv2d, reach: Tensor) -> Tensor:
    """Return abs(W) reach."""
    if isinstance(layer, nn.Linear):
        return F.linear(reach, layer.weight.abs())
    return F.conv2d(
        reach, layer.weight.abs(), None, layer.stride, layer.padding, layer.dilation, layer.groups
    )  # fmt: skip


def margins(model: nn.Sequential, x: Tensor, y: Tensor, *, epsilon: float, bounds: Bounds = (0.0, 1.0)) -> Tensor:
    """Bound from below by how much the logit of class ``y`` exceeds each of the others: (b, k), 0 at ``y`` itself.

    The last layer, linear, is merged with the difference (Gowal et al., Sec. 3), for intervals of two logits forget
    that the same units feed both.  Differentiable: the paper trains on the cross entropy of minus these margins.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2))
    >>> _ = nn.init.eye_(model[0].weight), nn.init.zeros_(model[0].bias)
    >>> margins(model, torch.tensor([[1.0, 0.0]]), torch.tensor([0]), epsilon=0.25)
    tensor([[0.0000, 0.5000]], grad_fn=<SubBackward0>)
    """
    check_labels(y, x)
    lower, upper = box(x, epsilon=epsilon, bounds=bounds)
    if not (isinstance(model, nn.Sequential) and len(model) and isinstance(model[-1], nn.Linear)):
        raise ValueError(f"the model is nn.Sequential and ends in nn.Linear, found {type(model).__name__}")
    last = model[-1]
    if len(y) and not (y.amin() >= 0 and y.amax() < last.out_features):
        raise ValueError(f"class numbers lie in 0..{last.out_features - 1}, found {int(y.amin())} to {int(y.amax())}")
    lower, upper = propagate(model[:-1], lower, upper)
    center, reach = (upper + lower) / 2, (upper - lower) / 2
    apart = last.weight[y][:, None] - last.weight  # (b, k, h)
    middle = einsum(apart, center, "b k h, b h -> b k")
    if last.bias is not None:
        middle = middle + last.bias[y][:, None] - last.bias
    return middle - einsum(apart.abs(), reach, "b k h, b h -> b k")


@torch.no_grad()
def certified(model: nn.Sequential, x: Tensor, y: Tensor, *, epsilon: float, bounds: Bounds = (0.0, 1.0)) -> Tensor:
    """Tell for which images (b,) no change by up to epsilon a pixel can take the answer from class ``y``: bool (b,).

    Exact arithmetic assumed: margins as small as the rounding of the layers prove nothing.  What is not certified
    may be safe all the same.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(2, 2))
    >>> _ = nn.init.eye_(model[0].weight), nn.init.zeros_(model[0].bias)
    >>> [bool(certified(model, torch.tensor([[1.0, 0.0]]), torch.tensor([0]), epsilon=e)) for e in (0.25, 0.75)]
    [True, False]
    """
    worst = margins(model, x, y, epsilon=epsilon, bounds=bounds)
    rivals = worst.scatter(1, y[:, None], torch.inf)
    return (rivals > 0).all(dim=1)
