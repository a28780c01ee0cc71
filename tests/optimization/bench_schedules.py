"""Schedules through `LambdaLR` against the schedulers that torch has for them."""

from collections.abc import Callable, Iterator

import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, StepLR

from bench import Case
from dlbook.optimization.schedules import cosine, step_decay


def cases() -> Iterator[Case]:
    """Yield a thousand steps of two schedules."""

    def walk(make: Callable[[SGD], LRScheduler]) -> float:
        optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
        scheduler = make(optimizer)
        for _ in range(1000):
            optimizer.step()
            scheduler.step()
        return float(optimizer.param_groups[0]["lr"])

    yield Case(
        "cosine",
        "1,000 steps",
        lambda: walk(lambda o: LambdaLR(o, cosine(1000))),
        lambda: walk(lambda o: CosineAnnealingLR(o, T_max=1000)),
        "torch.optim.lr_scheduler.CosineAnnealingLR",
    )
    yield Case(
        "step_decay",
        "1,000 steps",
        lambda: walk(lambda o: LambdaLR(o, step_decay(300))),
        lambda: walk(lambda o: StepLR(o, step_size=300)),
        "torch.optim.lr_scheduler.StepLR",
    )
