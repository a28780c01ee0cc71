"""LeNet-5 of 1998 and its modern twin, against plain layers of torch of the same sizes."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.convolution.lenet import LeNet5, ModernLeNet


def cases() -> Iterator[Case]:
    """Yield a batch of digits with its gradient."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(64, 1, 32, 32, generator=generator)
    labels = torch.randint(0, 10, (64,), generator=generator)

    def step(model: nn.Module) -> Callable[[], tuple[Tensor, ...]]:
        weights = [p for p in model.parameters() if p.requires_grad]
        return lambda: torch.autograd.grad(F.cross_entropy(model(images), labels), weights)

    def plain(squash: type[nn.Module], pool: type[nn.Module]) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(1, 6, 5), squash(), pool(2), nn.Conv2d(6, 16, 5), squash(), pool(2), nn.Conv2d(16, 120, 5),
            squash(), nn.Flatten(), nn.Linear(120, 84), squash(), nn.Linear(84, 10),
        )  # fmt: skip

    size = "64 images of 32 x 32, with gradient"
    yield Case(
        "LeNet5", size, step(LeNet5(generator=generator)), step(plain(nn.Tanh, nn.AvgPool2d)),
        "torch.nn layers with tanh and average pooling",
        "buys the paper's sub-sampling, a tanh of its own after each pooling, and distances to codes",
    )  # fmt: skip
    yield Case(
        "ModernLeNet", size, step(ModernLeNet(generator=generator)), step(plain(nn.ReLU, nn.MaxPool2d)),
        "torch.nn layers with ReLU and max pooling",
    )  # fmt: skip
