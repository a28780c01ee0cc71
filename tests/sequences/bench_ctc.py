"""CTC: the loss with its gradient, and the recursion behind it, against `torch.nn.functional.ctc_loss`."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench import Case
from dlbook.sequences.ctc import ctc_log_likelihood, ctc_loss

LossFunction = Callable[[Tensor, Tensor], Tensor]


def by_recursion(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss a label, without the fused kernel."""
    return -ctc_log_likelihood(logits.log_softmax(-1), targets).mean() / targets.shape[1]


def by_torch(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the mean loss a label, by torch."""
    b, t, _ = logits.shape
    return F.ctc_loss(logits.log_softmax(-1).transpose(0, 1), targets, [t] * b, [targets.shape[1]] * b)


def step(loss: LossFunction, logits: Tensor, targets: Tensor) -> None:
    """Compute a loss and its gradient."""
    torch.autograd.grad(loss(logits, targets), logits)


def cases() -> Iterator[Case]:
    """Yield a batch of digit strings as the chapter trains them, and one of letters."""
    for b, t, v, u in ((16, 100, 11, 4), (16, 200, 29, 40)):
        logits = torch.randn(b, t, v, generator=torch.Generator().manual_seed(0)).requires_grad_()
        targets = torch.randint(1, v, (b, u), generator=torch.Generator().manual_seed(1))
        reason = "a loop over steps that autograd can follow; ctc_loss takes the fused kernel"
        for name, loss, note in (("ctc_loss", ctc_loss, ""), ("ctc_log_likelihood", by_recursion, reason)):
            yield Case(
                name,
                f"batch {b}, {t} steps, {v} labels, {u} a transcript, forward and backward",
                lambda loss=loss, x=logits, y=targets: step(loss, x, y),
                lambda x=logits, y=targets: step(by_torch, x, y),
                "torch.nn.functional.ctc_loss",
                note=note,
            )
