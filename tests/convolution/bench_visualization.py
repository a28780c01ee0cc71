"""The way back with a rule of its own against the plain gradient."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.convolution.efficientnet import EfficientNetLite0
from dlbook.convolution.rectifiers import guided_backpropagation


def cases() -> Iterator[Case]:
    """Yield one question about one photograph."""
    generator = torch.Generator().manual_seed(0)
    photograph = torch.randn(1, 3, 224, 224, generator=generator)
    model = EfficientNetLite0(generator=generator).eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def gradient() -> object:
        leaf = photograph.clone().requires_grad_()
        return torch.autograd.grad(model(leaf)[:, 0].sum(), leaf)

    yield Case(
        "guided_backpropagation",
        "EfficientNet-Lite0, one photograph",
        lambda: guided_backpropagation(lambda x: model(x)[:, 0], photograph),
        gradient,
        "torch.autograd.grad",
        "one more mask at each rectifier, which is no longer torch's own",
    )
