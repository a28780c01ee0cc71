"""`slice_2d` against a loop that writes the parameters into the model."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from bench import Case
from dlbook.backprop.mlp import MLP
from dlbook.optimization.landscape import filter_normalized, flat_loss, slice_2d


def cases() -> Iterator[Case]:
    """Yield the plane of the chapter: a network with two hidden layers, 25 x 25 points, 1,000 images."""
    draw = torch.Generator().manual_seed(0)
    model = MLP((784, 64, 64, 10), generator=draw)
    x, y = torch.rand(1000, 784, generator=draw), torch.randint(10, (1000,), generator=draw)
    f, theta = flat_loss(model, lambda net: F.cross_entropy(net(x), y))
    raw = torch.randn(2, len(theta), generator=draw)
    first, second = (filter_normalized(d, theta, model) for d in raw)
    steps = torch.linspace(-1, 1, 25)

    @torch.no_grad()
    def loop() -> Tensor:
        rows = []
        for b in steps:
            for a in steps:
                vector_to_parameters(theta + a * first + b * second, model.parameters())
                rows.append(F.cross_entropy(model(x), y))
        vector_to_parameters(theta, model.parameters())
        return torch.stack(rows).view(25, 25)

    yield Case(
        "slice_2d",
        "55,050 parameters, 25 x 25 points, 1,000 images",
        lambda: slice_2d(f, theta, first, second, steps, steps),
        loop,
        "a loop with torch.nn.utils.vector_to_parameters",
    )
