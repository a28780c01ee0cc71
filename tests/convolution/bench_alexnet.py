"""AlexNet, its normalization and its small relative, against layers of `torch`; images per second can be read off."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.convolution.alexnet import AlexNet, SmallAlexNet
from dlbook.convolution.response_norm import LocalResponseNorm
from dlbook.regularization.augmentation import random_crop_and_flip


def cases() -> Iterator[Case]:
    """Yield the normalization, both networks, and the crops."""
    draw = torch.Generator().manual_seed(0)
    maps = torch.randn(8, 96, 55, 55, generator=draw).relu_()
    ours, theirs = LocalResponseNorm(), _torch_norm()
    yield Case(
        "LocalResponseNorm",
        "8 x 96 maps of 55 x 55",
        lambda: ours(maps),
        lambda: theirs(maps),
        "torch.nn.LocalResponseNorm",
    )

    def plain() -> nn.Sequential:
        def conv(*sizes: int, **options: Any) -> list[nn.Module]:
            return [nn.Conv2d(*sizes, **options), nn.ReLU()]

        return nn.Sequential(
            *conv(3, 96, 11, stride=4), _torch_norm(), nn.MaxPool2d(3, 2),
            *conv(96, 256, 5, padding=2, groups=2), _torch_norm(), nn.MaxPool2d(3, 2),
            *conv(256, 384, 3, padding=1), *conv(384, 384, 3, padding=1, groups=2),
            *conv(384, 256, 3, padding=1, groups=2), nn.MaxPool2d(3, 2), nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU(),
            nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000),
        ).eval()  # fmt: skip

    def look(model: nn.Module, images: Tensor) -> Tensor:
        with torch.no_grad():
            return model(images)

    image = torch.randn(1, 3, 227, 227, generator=draw)
    alexnet, twin = AlexNet(generator=draw).eval(), plain()
    yield Case(
        "AlexNet",
        "1 image of 227 x 227, forward",
        lambda: look(alexnet, image),
        lambda: look(twin, image),
        "the same layers of torch",
    )
    batch, labels = torch.randn(64, 3, 28, 28, generator=draw), torch.randint(0, 10, (64,), generator=draw)

    def step(model: nn.Module) -> Callable[[], tuple[Tensor, ...]]:
        weights = list(model.parameters())
        return lambda: torch.autograd.grad(F.cross_entropy(model(batch), labels), weights)

    small = nn.Sequential(
        nn.Conv2d(3, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), _torch_norm(),
        nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1), _torch_norm(), nn.Flatten(),
        nn.Linear(3136, 384), nn.ReLU(), nn.Linear(384, 192), nn.ReLU(), nn.Linear(192, 10),
    )  # fmt: skip
    yield Case(
        "SmallAlexNet",
        "64 images of 28 x 28, with gradient",
        step(SmallAlexNet(generator=draw)),
        step(small),
        "the same layers of torch",
    )
    images = torch.rand(512, 3, 32, 32, generator=draw)
    yield Case(
        "random_crop_and_flip",
        "512 images of 32 x 32, squares of 28",
        lambda: random_crop_and_flip(images, 28, generator=draw),
        lambda: torch.stack([_crop(image, draw) for image in images]),
        "a loop of slices and torch.flip",
    )


def _torch_norm() -> nn.LocalResponseNorm:
    return nn.LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0)


def _crop(image: Tensor, draw: torch.Generator) -> Tensor:
    top, left, coin = (int(torch.randint(n, (), generator=draw)) for n in (5, 5, 2))
    square = image[:, top : top + 28, left : left + 28]
    return square.flip(-1) if coin else square
