"""The U-Net, forward and backward, against its twin with torch's own pixel shuffling and memory order."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.generative.unet import UNet, time_features


class Plain(UNet):
    """The same layers, called without checks, with weights as torch stores them."""

    def __init__(self, *, classes: int) -> None:
        super().__init__(classes=classes)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.data = layer.weight.data.contiguous(memory_format=torch.contiguous_format)

    def forward(self, x: Tensor, time: Tensor, y: Tensor | None = None) -> Tensor:
        """Return what the U-Net returns, of labels (b,) that are given."""
        known = F.silu(self.time(time_features(time, self.width)) + self.label(y))
        high = self.high(self.enter(F.pixel_unshuffle(x, 2)), known)
        low = self.low(self.bottom(self.down(high), known), known)
        both = torch.cat([high, F.interpolate(self.up(low), scale_factor=2)], dim=1)
        return F.pixel_shuffle(self.leave(F.silu(self.norm(self.last(self.merge(both), known)))), 2)


def step(model: nn.Module, x: Tensor, time: Tensor, y: Tensor) -> None:
    """Predict and compute all gradients."""
    model(x, time, y).square().sum().backward()
    for parameter in model.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield the batch of the chapter and a larger one."""
    for batch in (16, 128):
        ours, theirs = UNet(classes=10), Plain(classes=10)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(batch, 1, 28, 28, generator=torch.Generator().manual_seed(1))
        time, y = torch.full((batch,), 0.5), torch.zeros(batch, dtype=torch.int64)
        yield Case(
            "UNet",
            f"28 x 28, batch {batch}, forward and backward",
            lambda ours=ours, x=x, time=time, y=y: step(ours, x, time, y),
            lambda theirs=theirs, x=x, time=time, y=y: step(theirs, x, time, y),
            "torch.nn layers in torch's memory order",
        )
