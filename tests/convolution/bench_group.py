"""Group convolutions, forward and backward, against plain layers of `torch` with as many planes."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench import Case
from dlbook.convolution.group import P4Conv2d, P4MConv2d


def step(layer: nn.Module, x: Tensor) -> None:
    """Compute a result and the gradients of the parameters."""
    layer(x).sum().backward()
    layer.zero_grad()


def cases() -> Iterator[Case]:
    """Yield a layer on each group, with 32 planes in and 64 out."""
    draw = torch.Generator().manual_seed(0)
    planes = torch.randn(16, 32, 28, 28, generator=draw)
    plain = nn.Conv2d(32, 64, 3, padding=1)
    for kind in (P4Conv2d, P4MConv2d):
        layer = kind(32 // kind.order, 64 // kind.order, 3, padding=1)
        maps = planes.unflatten(1, (-1, kind.order))
        yield Case(
            f"group.{kind.__name__}",
            "32 to 64 planes of 28 x 28, kernel 3 x 3, batch 16, forward and backward",
            lambda layer=layer, maps=maps: step(layer, maps),
            lambda: step(plain, planes),
            "torch.nn.Conv2d",
            f"the same work with a {kind.order}th of the parameters; the poses are written out at each call",
        )
