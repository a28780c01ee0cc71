"""Batch normalization in training, forward and backward, against torch's."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.optimization.normalization import BatchNorm


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Normalize a batch and compute all gradients."""
    layer(x).sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield a batch of vectors and one of maps."""
    for shape, counterpart in (((256, 256), nn.BatchNorm1d), ((64, 32, 28, 28), nn.BatchNorm2d)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
        ours, theirs = BatchNorm(shape[1]), counterpart(shape[1])
        yield Case(
            "BatchNorm",
            f"input {' x '.join(map(str, shape))}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            f"torch.nn.{counterpart.__name__}",
        )
