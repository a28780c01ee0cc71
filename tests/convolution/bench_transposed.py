"""Transposed convolution, forward and backward, against `torch`."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from bench import Case
from dlbook.convolution.transposed import conv_transpose2d


def step(f: Callable[..., Tensor], *leaves: Tensor) -> None:
    """Compute a result and all its gradients."""
    f(*leaves).sum().backward()
    for leaf in leaves:
        leaf.grad = None


def cases() -> Iterator[Case]:
    """Yield the transpose of a convolution with stride 2."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(16, 16, 32, 32, generator=draw).requires_grad_()
    stamp = torch.randn(16, 8, 3, 3, generator=draw).requires_grad_()
    yield Case(
        "transposed.conv_transpose2d",
        "16 to 8 maps of 32 x 32, kernel 3 x 3, stride 2, batch 16, forward and backward",
        lambda: step(lambda a, w: conv_transpose2d(a, w, stride=2), x, stamp),
        lambda: step(lambda a, w: F.conv_transpose2d(a, w, stride=2), x, stamp),
        "torch.nn.functional.conv_transpose2d",
        "writes down what each pixel sends, which torch adds up in place",
    )
