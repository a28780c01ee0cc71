"""Projected gradient descent, all steps and with images that leave when they are turned, against foolbox's.

Without foolbox (extra `dev`) the counterpart is the loop of the chapter, which does no more than the equation.
"""

import importlib.util
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.adversarial.pgd import pgd


def plain(model: nn.Module, x: Tensor, y: Tensor, epsilon: float, alpha: float, steps: int) -> Tensor:
    """Take all steps with nothing around them."""
    now = x
    for _ in range(steps):
        now = now.detach().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(now), y, reduction="sum"), now)
        now = (now.detach() + alpha * slope.sign()).clamp(x - epsilon, x + epsilon).clamp(0, 1)
    return now


def counterpart(
    model: nn.Module, x: Tensor, y: Tensor, epsilon: float, alpha: float, steps: int
) -> tuple[str, Callable[[], object]]:
    """Return the name and the call of what we compare with."""
    if importlib.util.find_spec("foolbox") is None:
        return "a plain loop", lambda: plain(model, x, y, epsilon, alpha, steps)
    import foolbox

    attack = foolbox.attacks.LinfPGD(abs_stepsize=alpha, steps=steps, random_start=False)
    wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
    return "foolbox.attacks.LinfPGD", lambda: attack(wrapped, x, y, epsilons=epsilon)


def cases() -> Iterator[Case]:
    """Yield 20 steps on a network of digits, with and without images that leave early."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1568, 10)
    )
    model.eval().requires_grad_(False)
    x = torch.rand(200, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    y = model(x).argmax(dim=1)
    epsilon, alpha, steps = 0.02, 0.0025, 20
    name, theirs = counterpart(model, x, y, epsilon, alpha, steps)
    for early_stop, size in ((False, "all 20 steps"), (True, "at most 20 steps, turned images leave")):
        yield Case(
            "pgd",
            f"200 digits, {size}",
            lambda early_stop=early_stop: pgd(
                model, x, y, epsilon=epsilon, step_size=alpha, steps=steps, random_start=False, early_stop=early_stop
            ),
            theirs,
            name,
        )
