"""A photograph through EfficientNet-Lite0, and through a residual network with nine times its multiplications."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.convolution.efficientnet import EfficientNetLite0
from dlbook.convolution.resnet import ResNet


def cases() -> Iterator[Case]:
    """Yield the answer to one photograph."""
    generator = torch.Generator().manual_seed(0)
    photograph = torch.randn(1, 3, 224, 224, generator=generator)
    small = EfficientNetLite0(generator=generator).eval().to(memory_format=torch.channels_last)
    large = ResNet((3, 4, 6, 3), width=64, classes=1000, stem="large", generator=generator).eval()

    @torch.no_grad()
    def answer(model: torch.nn.Module) -> object:
        return model(photograph)

    yield Case(
        "EfficientNetLite0",
        "one photograph of 224 x 224",
        lambda: answer(small),
        lambda: answer(large),
        "ResNet of 34 layers of this book",
    )
