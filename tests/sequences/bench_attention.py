"""Attention, forward and backward, against `torch.nn.functional.scaled_dot_product_attention`."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench import Case
from dlbook.sequences.attention import dot_product_attention, fused_attention


def look(call: Callable[..., Tensor], inputs: list[Tensor], mask: Tensor) -> None:
    """Look once and compute all gradients."""
    call(*inputs, mask).sum().backward()
    for x in inputs:
        x.grad = None


def cases() -> Iterator[Case]:
    """Yield the looks of a short and of a long sentence, with weights and without."""
    for batch, length, features in ((64, 8, 64), (16, 128, 64), (4, 512, 64)):
        stream = torch.Generator().manual_seed(0)
        inputs = [torch.randn(batch, length, features, generator=stream).requires_grad_() for _ in range(3)]
        mask = torch.ones(length, length, dtype=torch.bool).tril()
        for name, call, note in (
            ("fused_attention", fused_attention, ""),
            (
                "dot_product_attention",
                lambda *x: dot_product_attention(*x)[0],
                "it stores the weights, which a reader wants to see",
            ),
        ):
            yield Case(
                name,
                f"{batch} x {length} queries and keys of {features}, with a mask, forward and backward",
                lambda call=call, inputs=inputs, mask=mask: look(call, inputs, mask),
                lambda inputs=inputs, mask=mask: look(F.scaled_dot_product_attention, inputs, mask),
                "torch.nn.functional.scaled_dot_product_attention",
                note,
            )
