"""Gated recurrent units, forward and backward, against `torch.nn.GRU`."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.sequences.gru import GRU


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Read sequences and compute all gradients."""
    layer(x)[0].sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield a layer as the chapter trains it, a larger one, and two layers in both directions."""
    for size, steps, batch, form in (
        (128, 32, 32, {}),
        (256, 64, 64, {}),
        (64, 32, 32, {"num_layers": 2, "bidirectional": True}),
    ):
        ours = GRU(size, size, **form, generator=torch.Generator().manual_seed(0))
        theirs = nn.GRU(size, size, batch_first=True, **form)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(batch, steps, size, generator=torch.Generator().manual_seed(1))
        kind = "two layers in both directions, " if form else ""
        yield Case(
            "GRU",
            f"{kind}{size} units, {steps} steps, batch {batch}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            "torch.nn.GRU",
        )
