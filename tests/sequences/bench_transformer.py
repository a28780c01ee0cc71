"""Layers of the Transformer, forward and backward, against torch's."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.sequences.transformer import DecoderLayer, EncoderLayer


def step(layer: nn.Module, *inputs: torch.Tensor, **options: object) -> None:
    """Compute outputs and all gradients."""
    layer(*inputs, **options).sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield both kinds of layer, as the chapter has them and as in the base model of the paper."""
    for size, heads, hidden, steps, batch in ((64, 4, 256, 9, 128), (512, 8, 2048, 32, 8)):
        draws = torch.Generator().manual_seed(0)
        x, memory = (torch.randn(batch, steps, size, generator=draws) for _ in range(2))
        future = torch.ones(steps, steps, dtype=torch.bool).triu(1)
        words = f"{size} features, {heads} heads, {steps} places, batch {batch}, forward and backward"
        for kind, inputs, name in ((EncoderLayer, (x,), "src_mask"), (DecoderLayer, (x, memory), "tgt_mask")):
            ours = kind(size, heads, hidden, 0.0, generator=draws)
            counterpart = f"Transformer{kind.__name__}"
            theirs = getattr(nn, counterpart)(size, heads, hidden, 0.0, batch_first=True)
            theirs.load_state_dict(ours.state_dict())
            yield Case(
                kind.__name__,
                words,
                lambda ours=ours, inputs=inputs: step(ours, *inputs, causal=True),
                lambda theirs=theirs, inputs=inputs, options={name: future}: step(theirs, *inputs, **options),
                f"torch.nn.{counterpart}",
            )
