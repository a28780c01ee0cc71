"""A masked convolution, forward and backward, against `torch.nn.Conv2d` of the same size."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.generative.pixelcnn import MaskedConv2d


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Convolve and compute all gradients."""
    layer(x).sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield a layer as the chapter trains it, and a larger one."""
    for channels, side, batch in ((16, 14, 16), (64, 28, 16)):
        ours = MaskedConv2d(channels, channels, 3, mask="B", generator=torch.Generator().manual_seed(0))
        theirs = nn.Conv2d(channels, channels, 3, padding=1)
        theirs.load_state_dict(ours.conv.state_dict())
        x = torch.randn(batch, channels, side, side, generator=torch.Generator().manual_seed(1))
        yield Case(
            "MaskedConv2d",
            f"{channels} channels, 3 x 3, batch {batch}, {side} x {side}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            "torch.nn.Conv2d, which looks ahead",
        )
