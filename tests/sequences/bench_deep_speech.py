"""The bidirectional layer of Deep Speech 2, forward and backward, against `torch.nn.GRU` behind a batch normalization."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench import Case
from dlbook.sequences.deep_speech import BidirectionalGRU


class Reference(nn.Module):
    """Torch's layers: what comes in is normalized before the matrix, and both directions are added."""

    def __init__(self, d: int, h: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(d)
        self.layer = nn.GRU(d, h, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, t, d) to (b, t, h)."""
        forward, backward = self.layer(self.norm(x.mT).mT)[0].chunk(2, dim=-1)
        return forward + backward


def step(layer: nn.Module, x: Tensor) -> None:
    """Read sequences and compute all gradients."""
    layer(x).sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield the layer as the chapter trains it, and a wider one."""
    for b, t, size in ((16, 100, 64), (32, 100, 256)):
        ours = BidirectionalGRU(size, size, generator=torch.Generator().manual_seed(0))
        theirs = Reference(size, size)
        x = torch.randn(b, t, size, generator=torch.Generator().manual_seed(1))
        yield Case(
            "BidirectionalGRU",
            f"{size} units, {t} steps, batch {b}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            "torch.nn.GRU, batch normalization",
        )
