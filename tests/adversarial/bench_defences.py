"""One epoch of fast adversarial training against the same loop written out in plain torch."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.adversarial.defences import adversarial_training


def network() -> nn.Sequential:
    """Return the small network of the chapter."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10),
    )  # fmt: skip


def plain(model: nn.Module, pairs: list[tuple[Tensor, Tensor]], optimizer: torch.optim.Optimizer) -> None:
    """Run Algorithm 3 of Wong et al. for one epoch."""
    for x, y in pairs:
        change = 0.2 * (2 * torch.rand_like(x) - 1)
        start = (x + change).clamp(0, 1).requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(start), y), start)
        moved = (start.detach() + 0.25 * slope.sign()).clamp(x - 0.2, x + 0.2).clamp(0, 1)
        optimizer.zero_grad()
        F.cross_entropy(model(moved), y).backward()
        optimizer.step()


def cases() -> Iterator[Case]:
    """Yield an epoch over small and large batches."""
    draw = torch.Generator().manual_seed(1)
    for size, count in ((64, 40), (256, 10)):
        pairs = [
            (torch.rand(size, 1, 28, 28, generator=draw), torch.randint(0, 10, (size,), generator=draw))
            for _ in range(count)
        ]
        ours, theirs = network(), network()
        first, second = (torch.optim.Adam(model.parameters(), lr=1e-3) for model in (ours, theirs))

        def book(ours: nn.Module = ours, first: torch.optim.Optimizer = first, pairs: list = pairs) -> object:  # type: ignore[type-arg]
            return adversarial_training(
                ours, pairs, first, epsilon=0.2, epochs=1, generator=torch.Generator().manual_seed(0), progress=False
            )

        yield Case(
            "adversarial_training",
            f"28 x 28, {count} batches of {size}, one step from a random start",
            book,
            lambda theirs=theirs, second=second, pairs=pairs: plain(theirs, pairs, second),
            "the loop in plain torch",
        )
