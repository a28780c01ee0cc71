"""Long short-term memory, forward and backward, against `torch.nn.LSTM`."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.sequences.lstm import LSTM


def step(layer: nn.Module, x: torch.Tensor) -> None:
    """Read sequences and compute all gradients."""
    layer(x)[0].sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield a layer as the chapter trains it, a larger one, two layers in both directions, and one with peepholes."""
    for size, steps, batch, form in (
        (128, 32, 32, {}),
        (256, 64, 64, {}),
        (64, 32, 32, {"num_layers": 2, "bidirectional": True}),
        (256, 64, 64, {"peephole": True}),
    ):
        ours = LSTM(size, size, **form, generator=torch.Generator().manual_seed(0))
        peephole = form.get("peephole", False)
        theirs = nn.LSTM(size, size, batch_first=True, **({} if peephole else form))
        theirs.load_state_dict(ours.state_dict(), strict=not peephole)
        x = torch.randn(batch, steps, size, generator=torch.Generator().manual_seed(1))
        kind = "with peepholes, " if peephole else "two layers in both directions, " if form else ""
        yield Case(
            "LSTM",
            f"{kind}{size} units, {steps} steps, batch {batch}, forward and backward",
            lambda ours=ours, x=x: step(ours, x),
            lambda theirs=theirs, x=x: step(theirs, x),
            "torch.nn.LSTM, which has no peepholes" if peephole else "torch.nn.LSTM",
            note="peepholes: a loop over the steps in Python, where torch has one kernel" if peephole else "",
        )
