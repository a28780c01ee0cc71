"""Multi-head attention, forward and backward, against `torch.nn.MultiheadAttention`."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.sequences.multi_head import MultiHeadAttention


def step(layer: nn.Module, x: torch.Tensor, **options: object) -> None:
    """Attend and compute all gradients."""
    layer(x, x, x, **options)[0].sum().backward()
    for parameter in layer.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield sentences as the chapter has them, longer ones with a causal mask, and the base model of the paper."""
    for size, heads, steps, batch, causal in ((64, 4, 9, 128, False), (96, 4, 128, 32, True), (512, 8, 64, 8, True)):
        ours = MultiHeadAttention(size, heads, generator=torch.Generator().manual_seed(0))
        theirs = nn.MultiheadAttention(size, heads, batch_first=True)
        theirs.load_state_dict(ours.state_dict())
        x = torch.randn(batch, steps, size, generator=torch.Generator().manual_seed(1))
        mask = torch.ones(steps, steps, dtype=torch.bool).triu(1) if causal else None
        yield Case(
            "MultiHeadAttention",
            f"{'causal, ' if causal else ''}{size} features, {heads} heads, {steps} places, batch {batch}, both ways",
            lambda ours=ours, x=x, causal=causal: step(ours, x, causal=causal),
            lambda theirs=theirs, x=x, mask=mask, causal=causal: step(
                theirs, x, need_weights=False, attn_mask=mask, is_causal=causal
            ),
            "torch.nn.MultiheadAttention",
        )
