"""Interval bounds by center and radius against the four products of positive and negative weights."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.adversarial.interval import margins


def plain(model: nn.Sequential, x: Tensor, y: Tensor) -> Tensor:
    """Bound the difference of two logits by the difference of their bounds."""
    low, high = (x - 0.1).clamp(0, 1), (x + 0.1).clamp(0, 1)
    for layer in model:
        if isinstance(layer, nn.Linear | nn.Conv2d):
            more, less, bias = layer.weight.clamp(min=0), layer.weight.clamp(max=0), layer.bias
            options = {"stride": layer.stride, "padding": layer.padding} if isinstance(layer, nn.Conv2d) else {}
            apply = F.conv2d if options else F.linear
            low, high = (
                apply(low, more, bias, **options) + apply(high, less, None, **options),  # type: ignore[arg-type]
                apply(high, more, bias, **options) + apply(low, less, None, **options),  # type: ignore[arg-type]
            )
        else:
            low, high = layer(low), layer(high)
    return low.gather(1, y[:, None]) - high


def cases() -> Iterator[Case]:
    """Yield bounds, forward and backward, for a batch as training has it."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip
    x, y = torch.rand(128, 1, 28, 28), torch.randint(0, 10, (128,))
    yield Case(
        "interval.margins",
        "28 x 28, batch 128, forward and backward",
        lambda: F.cross_entropy(-margins(model, x, y, epsilon=0.1), y).backward(),
        lambda: F.cross_entropy(-plain(model, x, y), y).backward(),
        "four products a layer",
    )
