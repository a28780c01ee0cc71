"""Max pooling and unpooling against `torch`."""

from collections.abc import Iterator

import torch
from torch.nn import functional as F

from bench import Case
from dlbook.convolution.pooling import max_pool2d, max_unpool2d


def cases() -> Iterator[Case]:
    """Yield pooling with its indices, and the way back."""
    x = torch.randn(16, 16, 32, 32, generator=torch.Generator().manual_seed(0))
    values, indices = max_pool2d(x, 2, return_indices=True)
    yield Case(
        "pooling.max_pool2d",
        "16 maps of 32 x 32, windows 2 x 2, batch 16, with indices, forward",
        lambda: max_pool2d(x, 2, return_indices=True),
        lambda: F.max_pool2d(x, 2, return_indices=True),
        "torch.nn.functional.max_pool2d",
        "windows are written down before they are compared",
    )
    yield Case(
        "pooling.max_unpool2d",
        "16 maps of 16 x 16, windows 2 x 2, batch 16, forward",
        lambda: max_unpool2d(values, indices, 2),
        lambda: F.max_unpool2d(values, indices, 2),
        "torch.nn.functional.max_unpool2d",
    )
