"""Three forms of one convolution, and the layer, forward and backward, against `torch`."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import Case
from dlbook.convolution.convolution import Conv2d, conv2d, conv2d_fft, conv2d_unfold


def step(f: Callable[..., Tensor], *leaves: Tensor) -> None:
    """Compute a result and all its gradients."""
    f(*leaves).sum().backward()
    for leaf in leaves:
        leaf.grad = None


def cases() -> Iterator[Case]:
    """Yield a small and a large kernel in three forms, and the layer."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(16, 16, 32, 32, generator=draw).requires_grad_()
    notes = {
        "conv2d": "one product a row of the kernel, to be read; Conv2d is the layer for use",
        "conv2d_unfold": "writes down each patch, which torch's kernels read in place",
        "conv2d_fft": "spectra are complex and stored; what it costs does not depend on the kernel",
    }
    for side in (3, 15):
        weight = torch.randn(32, 16, side, side, generator=draw).requires_grad_()
        for form in (conv2d, conv2d_unfold, conv2d_fft):
            yield Case(
                f"convolution.{form.__name__}",
                f"16 to 32 maps of 32 x 32, kernel {side} x {side}, batch 16, forward and backward",
                lambda form=form, weight=weight, p=side // 2: step(lambda a, w: form(a, w, padding=p), x, weight),
                lambda weight=weight, p=side // 2: step(lambda a, w: F.conv2d(a, w, padding=p), x, weight),
                "torch.nn.functional.conv2d",
                notes[form.__name__],
            )
    ours, theirs = (kind(16, 32, 3, padding=1, padding_mode="circular") for kind in (Conv2d, nn.Conv2d))
    yield Case(
        "convolution.Conv2d",
        "16 to 32 maps of 32 x 32, kernel 3 x 3, circular, batch 16, forward and backward",
        lambda: step(ours, x),
        lambda: step(theirs, x),
        "torch.nn.Conv2d",
    )
