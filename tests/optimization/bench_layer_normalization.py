"""Normalizations of single examples, forward and backward, against torch's."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.optimization.layer_normalization import GroupNorm, LayerNorm, RMSNorm


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Normalize a batch and compute all gradients."""
    layer(x).sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield sequences for two of them, and maps in eight groups for the third."""
    for ours, theirs, shape in (
        (LayerNorm(256), nn.LayerNorm(256), (32, 64, 256)),
        (RMSNorm(256), nn.RMSNorm(256), (32, 64, 256)),
        (GroupNorm(8, 32), nn.GroupNorm(8, 32), (64, 32, 28, 28)),
    ):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
        name = type(ours).__name__
        yield Case(
            name,
            f"input {' x '.join(map(str, shape))}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            f"torch.nn.{name}",
        )
