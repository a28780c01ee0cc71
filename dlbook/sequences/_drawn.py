"""Layers of torch drawn from a given stream, as the Transformer needs them."""

import torch
from torch import Generator, nn

from dlbook._draws import normal_, undrawn, uniform_


def embedding(
    count: int, size: int, generator: Generator | None, device: torch.device | str | None, dtype: torch.dtype | None
) -> nn.Embedding:
    """Return an embedding with normal draws of deviation 1/√size: rows of length about one, good as scores."""
    layer = undrawn(nn.Embedding, count, size, device=device, dtype=dtype)
    normal_(layer.weight, size**-0.5, generator)
    return layer


def linear(
    inputs: int,
    outputs: int,
    generator: Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Linear:
    """Return a linear layer drawn as torch draws it, uniform in ±1/√inputs."""
    layer = undrawn(nn.Linear, inputs, outputs, device=device, dtype=dtype)
    for parameter in layer.parameters():
        uniform_(parameter, inputs**-0.5, generator)
    return layer
