"""Adversarial training: Madry et al. (2017), arXiv:1706.06083, eq. (2.1), and the fast form of Wong et al. (2020).

The loss of an image is replaced by the largest that an attack finds within epsilon, eq. (2.1): min over θ of the mean
of max over δ.  By Danskin's theorem the gradient of that largest loss is the loss's own gradient at the worst image, so
training steps on attacked images.  Wong, Rice and Kolter, arXiv:2001.03994, Algorithm 3, find them by one step of the
gradient's sign from a random start.

Paper → code: ε → ``epsilon``; δ → ``change``; α → ``step_size``; L → cross entropy.  Axes: b images, k classes.
"""

from collections.abc import Callable, Iterator
from itertools import count

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from dlbook.adversarial.attack import (
    Attack,
    Bounds,
    Model,
    ascent,
    check_budget,
    check_images,
    check_labels,
    logits,
    undisturbed,
)  # fmt: skip
from dlbook.adversarial.pgd import project, random_in_ball
from dlbook.data import Batches
from dlbook.training import Pairs, fit

__all__ = ["Attacked", "adversarial_training", "ascend", "robust_accuracy", "survivors"]


def ascend(
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    epsilon: float,
    step_size: float | None = None,
    steps: int = 1,
    generator: Generator,
    bounds: Bounds = (0.0, 1.0),
) -> Tensor:
    """Climb the loss from a random point of the ℓ∞ ball around images ``x`` (b, ...): the inner maximization.

    Unlike an attack that is to be measured, it does not stop at an image once its answer is wrong, for training wants
    the largest loss; nor does it look whether it succeeded, which would cost a third as much again.

    Parameters
    ----------
    model : callable
        Returns logits (b, k).
    x : (b, ...)
    y : int64 (b,)
    epsilon : float
        Largest change of a pixel, in the units of x.
    step_size : float, optional
        1.25 epsilon for one step (Wong et al.), 2.5 epsilon / steps for more, as in :func:`dlbook.adversarial.pgd.pgd`.
    steps : int
    generator : torch.Generator
        Draws the start, uniform in the ball.

    Examples
    --------
    >>> model, x, y = nn.Linear(2, 2), torch.full((3, 2), 0.5), torch.tensor([0, 1, 1])
    >>> worse = ascend(model, x, y, epsilon=0.25, generator=torch.Generator().manual_seed(0))
    >>> bool((worse - x).abs().max() <= 0.25)
    True
    """
    check_budget(epsilon=epsilon)
    if step_size is None:
        step_size = 1.25 * epsilon if steps == 1 else 2.5 * epsilon / max(steps, 1)
    check_budget(step_size=step_size)
    if steps < 1:
        raise ValueError(f"steps counts steps along the gradient, at least 1, found {steps}")
    check_images(x, bounds)
    check_labels(y, x)
    x = x.detach()
    moved = random_in_ball(x, epsilon=epsilon, bounds=bounds, generator=generator)
    with undisturbed(model):
        for _ in range(steps):
            slope, _ = ascent(model, moved, y, targeted=False)
            moved = project(moved + step_size * slope.sign(), x, epsilon=epsilon, bounds=bounds)
    return moved


class Attacked:
    """Batches whose images are attacked as they are taken: each iteration meets the model as it is by then.

    Parameters
    ----------
    batches : pairs (x, y) that can be iterated again
    model : nn.Module
        Images are moved to its device.
    attack : callable
        ``attack(model, x, y)`` returns images like x, or an :class:`~dlbook.adversarial.attack.Attack`.

    Examples
    --------
    >>> pairs = [(torch.zeros(2, 3), torch.zeros(2, dtype=torch.int64))]
    >>> for x, y in Attacked(pairs, nn.Linear(3, 2), lambda model, x, y: x + 1):
    ...     print(x.sum().item())
    6.0
    """

    def __init__(self, batches: Batches | Pairs, model: nn.Module, attack: Callable[..., Tensor | Attack]) -> None:
        if isinstance(batches, Iterator):
            raise ValueError(f"batches are iterated once an epoch, found {type(batches).__name__}: it ends after one")
        self.batches, self.model, self.attack = batches, model, attack

    def __len__(self) -> int:
        """Return the number of batches an epoch."""
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield (attacked images, labels) batch by batch."""
        device = next(self.model.parameters()).device
        for x, y in self.batches:
            x, y = x.to(device), y.to(device)
            found = self.attack(self.model, x, y)
            yield (found.adversarial if isinstance(found, Attack) else found), y


def adversarial_training(
    model: nn.Module,
    batches: Batches | Pairs,
    optimizer: Optimizer,
    *,
    epsilon: float,
    epochs: int,
    generator: Generator,
    steps: int = 1,
    step_size: float | None = None,
    ramp: int = 0,
    bounds: Bounds = (0.0, 1.0),
    schedule: LRScheduler | Callable[[int], float] | None = None,
    progress: bool = True,
) -> list[float]:
    """Train ``model`` in place on images that :func:`ascend` has moved against it, and on nothing else.

    Parameters
    ----------
    model, batches, optimizer, epochs, schedule, progress
        As for :func:`dlbook.training.fit`, which does the work; the images lie in ``bounds``.  For another attack give
        ``fit`` batches that are :class:`Attacked` by it.
    epsilon, steps, step_size, generator
        As for :func:`ascend`.  One step is the fast method; it may learn to fool its own attack, so look at
        :func:`robust_accuracy` under many steps.
    ramp : int
        Updates over which epsilon, and with it a step size that is not given, rises in a straight line.  A network that
        has learned nothing yet may never begin against the full epsilon.

    Returns
    -------
    list of float
        Mean loss of each epoch, on attacked images.

    Examples
    --------
    >>> x, draw = torch.tensor([[0.2], [0.8]]).repeat(8, 1), torch.Generator().manual_seed(0)
    >>> model = nn.Linear(1, 2)
    >>> losses = adversarial_training(model, Batches(x, (x[:, 0] > 0.5).long(), 4, generator=draw),
    ...     torch.optim.Adam(model.parameters(), lr=0.1), epsilon=0.1, epochs=30, generator=draw, progress=False)
    >>> losses[-1] < losses[0]
    True
    """
    check_budget(epsilon=epsilon)
    if steps < 1 or ramp < 0:
        raise ValueError(f"steps is at least 1 and ramp, a count of updates, at least 0, found {steps} and {ramp}")
    updates = count(1)

    def attack(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
        reach = epsilon * min(1.0, next(updates) / (ramp + 1))
        return ascend(model, x, y, epsilon=reach, step_size=step_size, steps=steps, generator=generator, bounds=bounds)

    attacked = Attacked(batches, model, attack)
    return fit(model, F.cross_entropy, attacked, optimizer, epochs=epochs, schedule=schedule, progress=progress)


def survivors(
    model: Model, x: Tensor, y: Tensor, *attacks: Callable[[Model, Tensor, Tensor], Attack], size: int = 500
) -> Tensor:
    """Tell which images (b,) the model answers rightly, clean and after every one of the ``attacks``.

    Each attack sees only what the ones before it left, and is not taken at its word: the model is asked again.  Logits
    that are NaN are no right answer to a clean image, and no success of an attack.  Whether an attack kept its budget
    is not looked at.

    Parameters
    ----------
    model : callable
        Returns logits (b, k).
    x : (b, ...)
    y : int64 (b,)
    attacks : callables
        ``attack(model, x, y)``, with all else fixed by ``functools.partial`` or a lambda.
    size : int
        Images at once.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> _ = nn.init.eye_(model.weight), nn.init.zeros_(model.bias)
    >>> survivors(model, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    tensor([ True, False])
    """
    check_labels(y, x)
    if size < 1:
        raise ValueError(f"size is the number of images at once, at least 1, found {size}")
    alive = torch.ones(len(x), dtype=torch.bool, device=x.device)
    for attack in (_no_attack, *attacks):
        for rows in alive.nonzero()[:, 0].split(size):
            changed = attack(model, x[rows], y[rows]).adversarial
            if changed.shape != x[rows].shape:
                raise ValueError(f"an attack returns images {tuple(x[rows].shape)}, found {tuple(changed.shape)}")
            with undisturbed(model), torch.no_grad():
                answer = logits(model, changed, y[rows])
            right, unknown = answer.argmax(dim=-1) == y[rows], answer.isnan().any(dim=-1)
            alive[rows] = right & ~unknown if attack is _no_attack else right | unknown
    return alive


def robust_accuracy(
    model: Model, x: Tensor, y: Tensor, *attacks: Callable[[Model, Tensor, Tensor], Attack], size: int = 500
) -> float:
    """Return the share of images that are among the :func:`survivors`; without attacks, the clean accuracy.

    It is an upper bound of the share that no attack whatever would turn.

    Examples
    --------
    >>> model = nn.Linear(2, 2)
    >>> _ = nn.init.eye_(model.weight), nn.init.zeros_(model.bias)
    >>> robust_accuracy(model, torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
    0.5
    """
    if len(x) == 0:
        raise ValueError(f"a share of no images is no number: x has shape {tuple(x.shape)}")
    return survivors(model, x, y, *attacks, size=size).double().mean().item()


def _no_attack(model: Model, x: Tensor, y: Tensor) -> Attack:
    return Attack(x, torch.zeros_like(y, dtype=torch.bool), torch.zeros_like(y))
