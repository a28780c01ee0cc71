"""The one training loop of the book, and the evaluation beside it.

There is no trainer class and no callback: what else a chapter wants to happen during training, it writes as a loop.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from tqdm import tqdm

from dlbook import checkpoint as checkpoints
from dlbook.data.batches import Batches

__all__ = ["accuracy", "evaluate", "fit"]

Loss = Callable[[Tensor, Tensor], Tensor]
Pairs = Iterable[tuple[Tensor, Tensor]]  # that can be iterated again: Batches, a DataLoader, a list of pairs

SAVE_EVERY = 60.0  # seconds between the checkpoints within an epoch; the end of an epoch always writes one


def fit(
    model: nn.Module,
    loss_fn: Loss,
    batches: Batches | Pairs,
    optimizer: Optimizer,
    *,
    epochs: int,
    schedule: LRScheduler | Callable[[int], float] | None = None,
    checkpoint: str | Path | None = None,
    progress: bool = True,
) -> list[float]:
    """Train ``model`` in place: for every batch, one step of ``optimizer`` down the gradient of the loss.

    Parameters
    ----------
    model : nn.Module
        Maps a batch of inputs to a batch of outputs; batches are moved to its device.
    loss_fn : callable
        ``loss_fn(model(x), y)`` is the mean loss of a batch, a scalar.
    batches : Batches, or any iterable of pairs (x, y) that can be iterated again
        Several processes, and checkpoints within an epoch, need :class:`~dlbook.data.Batches`.
    optimizer : torch.optim.Optimizer
        Over parameters of ``model``.
    epochs : int
        Passes over ``batches``, those of a resumed checkpoint counted in.
    schedule : torch.optim.lr_scheduler.LRScheduler or function of the step, optional
        Steps after every update (not every epoch).  A function (:mod:`dlbook.optimization.schedules` has some) gives
        what the optimizer's rate is multiplied by.
    checkpoint : path, optional
        If the file exists, the run goes on from it and ends with the weights, bit for bit, that it would have had
        without the interruption; it is written anew after every epoch, and once a minute within a long one.
    progress : bool
        Show a bar on a terminal; elsewhere print one line at the end, with the losses and no times.

    Returns
    -------
    list of float
        Mean loss of each epoch, over its examples, measured as the weights change.

    Raises
    ------
    FloatingPointError
        If the loss is not finite, with the step and the learning rate; the weights are those before that step.
    ValueError
        Before the first step: if ``epochs`` < 1, the optimizer trains nothing of the model, the batches can be iterated
        only once, or the checkpoint is damaged or belongs to another run.

    Notes
    -----
    A checkpoint may be taken up by another number of processes; where the model draws random numbers, those of the
    processes that are new start from their own seeds.

    Under ``torchrun`` the same call trains with ``DistributedDataParallel``: every process takes its share of the rows
    of every batch, so that the weights are those of one process up to rounding. Seed all processes alike.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 8)[:, None]
    >>> line = nn.Linear(1, 1)
    >>> batches = Batches(x, 3 * x, 4, generator=torch.Generator().manual_seed(0))
    >>> losses = fit(line, nn.functional.mse_loss, batches, torch.optim.SGD(line.parameters(), lr=0.5), epochs=50,
    ...              progress=False)
    >>> round(line.weight.item(), 3)
    3.0
    """
    if epochs < 1:
        raise ValueError(f"epochs counts passes over the data, at least 1, found {epochs}")
    _check(model, optimizer, batches)
    if schedule is not None and not isinstance(schedule, LRScheduler):
        schedule = LambdaLR(optimizer, schedule)
    rank, world = _join_processes(model)
    if world > 1:
        if not isinstance(batches, Batches):
            raise ValueError(f"{world} processes share the rows of dlbook.data.Batches, found {type(batches).__name__}")
        batches = batches.shard(rank, world)
    parts: dict[str, checkpoints.Stateful] = {"optimizer": optimizer}
    parts |= {"batches": batches} if isinstance(batches, Batches) else {}
    parts |= {"schedule": schedule} if schedule else {}
    losses: list[float] = []
    step, total, seen = 0, 0.0, 0  # updates of the run; loss summed over the examples seen in this epoch
    if checkpoint is not None and Path(checkpoint).exists():
        position = checkpoints.load(Path(checkpoint), model, parts)
        losses, step = position["losses"], position["step"]
        if rank == 0:  # the others add their own to what was seen before
            total, seen = position["total"], position["seen"]
        if rank < len(position["random"]):
            checkpoints.set_random_state(model, position["random"][rank])
    parallel = DistributedDataParallel(model) if world > 1 else model
    device = next(model.parameters()).device
    saved = time.monotonic()

    def save() -> None:
        streams: list[Any] = [checkpoints.random_state(model)] * world
        if world > 1:
            dist.all_gather_object(streams, checkpoints.random_state(model))
        position = {"losses": losses, "step": step, "total": total, "seen": seen, "random": streams}
        if checkpoint is not None and rank == 0:
            checkpoints.save(Path(checkpoint), model, parts, position)

    model.train()
    length = epochs * len(batches) if isinstance(batches, Sized) else None
    bar = tqdm(total=length, initial=step, disable=not (progress and rank == 0 and sys.stderr.isatty()))
    while len(losses) < epochs:
        for x, y in batches:
            optimizer.zero_grad()
            loss = loss_fn(parallel(x.to(device)), y.to(device))
            if not torch.isfinite(loss):
                rates = ", ".join(f"{group['lr']:g}" for group in optimizer.param_groups)
                raise FloatingPointError(f"the loss is {loss.item()} at step {step}, with learning rate {rates}")
            total, seen = total + loss.item() * len(x), seen + len(x)
            _scaled(loss, len(x), world).backward()
            optimizer.step()
            if schedule:
                schedule.step()
            step += 1
            bar.update()
            within = isinstance(batches, Batches) and world == 1  # a position within an epoch can be saved
            if checkpoint is not None and within and time.monotonic() - saved > SAVE_EVERY:
                save()
                saved = time.monotonic()
        losses.append(_mean_over_processes(total, seen, world))
        total, seen = 0.0, 0
        bar.set_postfix(loss=f"{losses[-1]:.4f}")
        if checkpoint is not None:
            save()
    bar.close()
    if progress and rank == 0 and not sys.stderr.isatty():
        shown = [f"{loss:.4f}" for loss in losses]
        print("loss by epoch:", ", ".join(shown if len(shown) < 7 else [*shown[:3], "...", *shown[-3:]]))
    return losses


def _check(model: nn.Module, optimizer: Optimizer, batches: Batches | Pairs) -> None:
    """Refuse before the first step what would fail later, or train nothing without a word."""
    own = {id(parameter) for parameter in model.parameters()}
    held = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if not own:
        raise ValueError(f"there is nothing to train: {type(model).__name__} has no parameters")
    if not own & {id(parameter) for parameter in held}:
        raise ValueError(f"the optimizer holds {len(held)} parameters, none of which belongs to the model")
    if isinstance(batches, Iterator) or not isinstance(batches, Iterable):
        kind = type(batches).__name__
        raise ValueError(f"batches are iterated once an epoch: a list of pairs or dlbook.data.Batches, found {kind}")


def _join_processes(model: nn.Module) -> tuple[int, int]:
    """Return (rank, world size), after joining the other processes if torchrun started several."""
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        return 0, 1
    if not dist.is_initialized():
        dist.init_process_group("nccl" if next(model.parameters()).is_cuda else "gloo")
    return dist.get_rank(), dist.get_world_size()


def _scaled(loss: Tensor, rows: int, world: int) -> Tensor:
    """Weight a process's mean loss by its share of the rows, for DDP averages over processes and shares may differ."""
    if world == 1:
        return loss
    everywhere = loss.new_tensor(rows)
    dist.all_reduce(everywhere)
    return loss * (rows * world / everywhere)


def _mean_over_processes(total: float, seen: int, world: int) -> float:
    if world > 1:
        sums: list[Any] = [None] * world
        dist.all_gather_object(sums, (total, seen))
        total, seen = sum(t for t, _ in sums), sum(s for _, s in sums)
    return total / seen


def accuracy(score: Tensor, target: Tensor) -> Tensor:
    """Return the fraction of rows whose largest score is at their label: score (n, classes), target int64 (n,)."""
    return (score.argmax(dim=-1) == target).double().mean()


@torch.no_grad()
def evaluate(model: nn.Module, batches: Batches | Pairs, metric: Loss = accuracy) -> float:
    """Return the mean of ``metric(model(x), y)`` over the examples of ``batches``.

    The model is put in evaluation mode and every module back into its own mode afterwards; the position of ``batches``
    and the state of its generator stay as they were.

    Parameters
    ----------
    model : nn.Module
    batches : Batches, or any iterable of pairs (x, y)
    metric : callable
        Mean over a batch, a scalar; :func:`accuracy` unless told otherwise.

    Examples
    --------
    >>> x = torch.eye(3)
    >>> evaluate(nn.Identity(), Batches(x, torch.tensor([0, 1, 0]), 2, generator=None))
    0.6666666666666666
    """
    modes = {module: module.training for module in model.modules()}
    first = next(model.parameters(), None)
    if isinstance(batches, Batches):  # whose position must not move
        batches = Batches(batches.x, batches.y, batches.size, generator=None)
    total, seen = 0.0, 0
    try:
        model.eval()
        for x, y in batches:
            device = x.device if first is None else first.device
            total += metric(model(x.to(device)), y.to(device)).item() * len(x)
            seen += len(x)
        return total / seen
    finally:
        for module, mode in modes.items():
            module.training = mode
