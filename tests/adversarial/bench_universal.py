"""Universal perturbations against plain loops that spell out the same steps."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.adversarial.universal import fooling_rate, universal_ascent


def ascent(model: nn.Module, x: Tensor, epsilon: float, epochs: int) -> Tensor:
    """Climb the mean loss without a check, without a history, and measure once a pass as the package does."""
    stream = torch.Generator().manual_seed(0)
    v = torch.zeros_like(x[:1])
    with torch.no_grad():
        answers = model(x).argmax(dim=1)
    for _ in range(epochs):
        for batch in torch.randperm(len(x), generator=stream).split(100):
            v.requires_grad_()
            loss = F.cross_entropy(model((x[batch] + v).clamp(0, 1)), answers[batch])
            (gradient,) = torch.autograd.grad(loss, v)
            v = (v.detach() + epsilon / 5 * gradient.sign()).clamp(-epsilon, epsilon)
        plain_rate(model, x, v)
    return v


def plain_rate(model: nn.Module, x: Tensor, v: Tensor) -> Tensor:
    """Return the fooling rate in one expression."""
    with torch.no_grad():
        return (model((x + v).clamp(0, 1)).argmax(dim=1) != model(x).argmax(dim=1)).double().mean()


def cases() -> Iterator[Case]:
    """Yield the ascent for a small convolutional network, and the fooling rate of a pattern."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 16, 3, stride=2), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2), nn.ReLU())
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 36, 10)).eval().requires_grad_(False)
    x = torch.rand(500, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    v = 0.1 * torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(1)).sign()

    def ours() -> None:
        stream = torch.Generator().manual_seed(0)
        universal_ascent(model, x, epsilon=0.2, step_size=0.04, epochs=2, generator=stream)

    yield Case(
        "universal_ascent", "500 images 28 x 28, two passes", ours, lambda: ascent(model, x, 0.2, 2), "a plain loop"
    )
    yield Case(
        "fooling_rate",
        "500 images 28 x 28",
        lambda: fooling_rate(model, x, v),
        lambda: plain_rate(model, x, v),
        "one expression",
    )
