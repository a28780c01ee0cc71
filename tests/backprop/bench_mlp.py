"""The multilayer perceptron against a plain `nn.Sequential`, and activations against torch's."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.backprop import activations
from dlbook.backprop.mlp import MLP

NOTES = {
    "softplus": "buys all digits: torch's is linear from 20 on",
    "gelu": "buys the digits of large negative units, by erfc, in three operations instead of one",
}


def cases() -> Iterator[Case]:
    """Yield a step on a small and a usual batch, and a million units."""
    generator = torch.Generator().manual_seed(0)

    def step(model: nn.Module, x: Tensor, y: Tensor) -> Callable[[], tuple[Tensor, ...]]:
        weights = list(model.parameters())
        return lambda: torch.autograd.grad(F.cross_entropy(model(x), y), weights)

    for n in (10, 128):
        x, y = torch.randn(n, 784, generator=generator), torch.randint(0, 10, (n,), generator=generator)
        theirs = nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
        size = f"784-256-10, batch {n}, with gradient"
        yield Case("MLP", size, step(MLP((784, 256, 10)), x, y), step(theirs, x, y), "torch.nn.Sequential")
    u = torch.randn(1_000_000, generator=generator)
    for name in ("sigmoid", "tanh", "relu", "softplus", "gelu"):
        ours = getattr(activations, name)
        counterpart = getattr(F, name) if name in ("softplus", "gelu") else getattr(torch, name)
        where = "torch.nn.functional" if name in ("softplus", "gelu") else "torch"
        yield Case(
            f"activations.{name}", "1,000,000 units",
            lambda ours=ours: ours(u), lambda counterpart=counterpart: counterpart(u),  # type: ignore[misc]
            f"{where}.{name}", NOTES.get(name, ""),
        )  # fmt: skip
