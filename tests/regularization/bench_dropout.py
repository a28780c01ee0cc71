"""Dropout, forward and backward, against `torch.nn.Dropout`."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.regularization.dropout import Dropout


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Drop, and compute the gradient."""
    layer(x).sum().backward()
    x.grad = None


def cases() -> Iterator[Case]:
    """Yield a layer of units and a batch of maps, from torch's stream and from one of the layer's own."""
    for shape in ((100, 2048), (32, 64, 28, 28)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0)).requires_grad_()
        theirs = nn.Dropout(0.5)
        for words, generator in (("torch's stream", None), ("its own stream", torch.Generator().manual_seed(0))):
            ours = Dropout(0.5, generator=generator)
            yield Case(
                "Dropout",
                f"{' x '.join(f'{n:,}' for n in shape)}, {words}, forward and backward",
                lambda ours=ours, x=x: step(ours, x),
                lambda theirs=theirs, x=x: step(theirs, x),
                "torch.nn.Dropout",
            )
