"""A step of the plain and the residual network: what the additions cost."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from bench import Case
from dlbook.convolution.resnet import ResNet


def cases() -> Iterator[Case]:
    """Yield one batch of ResNet-20 with its gradient."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(32, 3, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (32,), generator=generator)

    def step(shortcut: str) -> Callable[[], object]:
        model = ResNet(shortcut=shortcut, generator=generator)
        return lambda: torch.autograd.grad(F.cross_entropy(model(images), labels), list(model.parameters()))

    yield Case(
        "ResNet",
        "20 layers, 32 images of 32 x 32, with gradient",
        step("pad"),
        step("none"),
        "the same network without its skips",
    )
