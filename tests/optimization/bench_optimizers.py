"""Optimizers: one update of a multilayer perceptron and of a deep network of small layers."""

from collections.abc import Callable, Iterator

import torch
from torch import nn

from bench import Case
from dlbook.backprop.mlp import MLP
from dlbook.optimization import optimizers

TWINS = {
    "SGD": ("SGD", {}),
    "Momentum": ("SGD", {"momentum": 0.9}),
    "Nesterov": ("SGD", {"momentum": 0.9, "nesterov": True}),
    "Adagrad": ("Adagrad", {}),
    "RMSprop": ("RMSprop", {}),
    "Adam": ("Adam", {}),
    "AdamW": ("AdamW", {}),
}


def cases() -> Iterator[Case]:
    """Yield an update of each optimizer for a usual and for a deep network."""
    networks = {
        "784-256-256-10": lambda: MLP((784, 256, 256, 10)),
        "30 layers of 32 units": lambda: MLP((32,) * 31),
        "1000-2000-1000": lambda: MLP((1000, 2000, 1000)),
    }

    def update(network: nn.Module, make: Callable[..., torch.optim.Optimizer], **options: object) -> Callable[[], None]:
        for p in network.parameters():
            p.grad = torch.full_like(p, 1e-3)
        optimizer = make(network.parameters(), lr=1e-6, **options)
        return lambda: [optimizer.step() for _ in range(20)] and None

    for size, network in networks.items():
        for name, (twin, options) in TWINS.items():
            yield Case(
                name,
                f"{size}, 20 updates",
                update(network(), getattr(optimizers, name)),
                update(network(), getattr(torch.optim, twin), **options),
                f"torch.optim.{twin}",
            )
