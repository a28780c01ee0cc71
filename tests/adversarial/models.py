"""Models and images for the tests of attacks."""

import torch
from torch import nn

from common import F64, noise, stream


def small_net(*, dtype: torch.dtype = F64) -> nn.Sequential:
    """Return a network of images (b, 2, 3, 5) and 7 classes, with dropout and running statistics, in training mode."""
    net = nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(60, 7), nn.Dropout()
    )
    with torch.no_grad():
        for i, parameter in enumerate(net.parameters()):
            parameter.copy_(0.5 * noise(*parameter.shape, seed=i))
        net[1].running_var += torch.rand(4, generator=stream(9))
    return net.to(dtype).train()


def images(b: int, *, seed: int = 0, dtype: torch.dtype = F64) -> torch.Tensor:
    """Return images (b, 2, 3, 5) with pixels between 0 and 1, some of them on the bounds."""
    return (1.2 * torch.rand(b, 2, 3, 5, generator=stream(seed), dtype=F64) - 0.1).clamp(0, 1).to(dtype)


def answers(net: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the classes (b,) that the model gives, in evaluation mode, and leave its mode as it was."""
    training = net.training
    with torch.no_grad():
        found = net.eval()(x).argmax(dim=1)
    net.train(training)
    return found


def linear(weight: torch.Tensor) -> nn.Module:
    """Return the model with logits (0, weight · x): class 1 where the product is positive."""

    class Line(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            score = x.flatten(1) @ weight
            return torch.stack([torch.zeros_like(score), score], dim=1)

    return Line()
