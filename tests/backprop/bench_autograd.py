"""The engine against `torch`: one step of an MLP at batch 128, and one of a small convolutional network."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from bench import Case
from dlbook.backprop.autograd import Tensor
from dlbook.backprop.layers import conv2d, cross_entropy, max_pool2d


def step(forward: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    """Compute all gradients, descend, and clear them."""
    forward().backward()
    for p in parameters:
        assert p.grad is not None
        p.data -= np.float32(0.1) * p.grad
        p.zero_grad()


def torch_step(network: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> None:
    """Do the same with torch."""
    optimizer.zero_grad()
    F.cross_entropy(network(x), y).backward()
    optimizer.step()


def cases() -> Iterator[Case]:
    """Yield a step of each network, forward and backward."""
    rng = np.random.default_rng(0)
    images = rng.normal(size=(128, 1, 28, 28)).astype(np.float32)
    labels = rng.integers(0, 10, 128)
    x, y = torch.tensor(images), torch.tensor(labels)

    mlp = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    first, second = mlp[1], mlp[3]
    ours = [Tensor(p.detach().numpy().T.copy(), True) for p in (first.weight, first.bias, second.weight, second.bias)]
    flat = images.reshape(128, -1)

    def mlp_loss() -> Tensor:
        return cross_entropy((flat @ ours[0] + ours[1]).relu() @ ours[2] + ours[3], labels)

    sgd = torch.optim.SGD(mlp.parameters(), 0.1)
    yield Case(
        "autograd.Tensor",
        "MLP 784-256-10, batch 128, forward, backward and update",
        lambda: step(mlp_loss, ours),
        lambda: torch_step(mlp, sgd, x, y),
        "torch",
    )

    convnet = nn.Sequential(
        nn.Conv2d(1, 8, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(8, 16, 5), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    w1, b1, w2, b2, w3, b3 = kernels = [Tensor(p.detach().numpy().copy(), True) for p in convnet.parameters()]

    def convnet_loss() -> Tensor:
        h = max_pool2d(conv2d(Tensor(images), w1, b1), 2).relu()
        h = max_pool2d(conv2d(h, w2, b2), 2).relu()
        return cross_entropy(h.reshape(128, -1) @ w3.T + b3, labels)

    sgd_convnet = torch.optim.SGD(convnet.parameters(), 0.1)
    yield Case(
        "autograd.conv2d",
        "two convolutions, 5,994 parameters, batch 128, forward, backward and update",
        lambda: step(convnet_loss, kernels),
        lambda: torch_step(convnet, sgd_convnet, x, y),
        "torch",
        "patches are copied out into a matrix, which is what the chapter explains; torch's kernels read them in place",
    )
