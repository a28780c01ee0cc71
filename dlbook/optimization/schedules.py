"""Learning-rate schedules: what the base rate is multiplied by at step t = 0, 1, ..., as a formula.

Inverse time: Robbins and Monro (1951), Annals of Mathematical Statistics 22(3), 400-407.  Cosine: Loshchilov and Hutter
(2017), "SGDR", eq. (5), for one run without restarts; η_min / η_max → ``floor``, T_cur → t, T_i → ``steps``.  Warm-up:
Goyal et al. (2017), their *gradual* warm-up.  Inverse square root with warm-up: Vaswani et al. (2017),
arXiv:1706.03762, eq. (3); step_num → t + 1, warmup_steps → ``warm_up_steps``.

Each function returns a function of t.  ``torch.optim.lr_scheduler.LambdaLR(optimizer, cosine(1000))`` makes a scheduler
of it, which ``dlbook.training.fit`` steps after every update.
"""

import math
from collections.abc import Callable

__all__ = ["constant", "cosine", "inverse_square_root", "inverse_time", "step_decay", "warm_up"]

Schedule = Callable[[int], float]


def constant() -> Schedule:
    """Return the schedule that changes nothing: 1 at every step.

    Examples
    --------
    >>> constant()(1000)
    1.0
    """
    return lambda t: 1.0


def step_decay(every: int, *, factor: float = 0.1) -> Schedule:
    """Multiply by ``factor`` after every ``every`` steps: ``factor ** (t // every)``.

    Parameters
    ----------
    every : int
        Steps between two drops.
    factor : float
        Above 0, at most 1.

    Examples
    --------
    >>> [step_decay(2, factor=0.5)(t) for t in range(6)]
    [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    """
    _at_least_one("every", every)
    if not 0 < factor <= 1:
        raise ValueError(f"factor is above 0 and at most 1, found {factor}")
    return lambda t: factor ** (t // every)


def inverse_time(half: float) -> Schedule:
    """Fall as 1/t: ``1 / (1 + t / half)``, one half at step ``half``.

    The sum over all steps is infinite and that of the squares is not, as Robbins and Monro (1951) ask.

    Parameters
    ----------
    half : float
        Step at which the rate has halved.

    Examples
    --------
    >>> [inverse_time(2)(t) for t in (0, 2, 6)]
    [1.0, 0.5, 0.25]
    """
    if not (half > 0 and math.isfinite(half)):
        raise ValueError(f"half is the step at which the rate has halved, positive and finite, found {half}")
    return lambda t: 1 / (1 + t / half)


def cosine(steps: int, *, floor: float = 0.0) -> Schedule:
    """Fall from 1 to ``floor`` along half a cosine, ``floor + (1 - floor) (1 + cos(π t / steps)) / 2``, and stay there.

    Parameters
    ----------
    steps : int
        Step at which the floor is reached. (``CosineAnnealingLR`` of torch rises again after it.)
    floor : float
        From 0 to 1.

    Examples
    --------
    >>> [round(cosine(4)(t), 3) for t in range(6)]
    [1.0, 0.854, 0.5, 0.146, 0.0, 0.0]
    """
    _at_least_one("steps", steps)
    if not 0 <= floor <= 1:
        raise ValueError(f"floor is a share of the base rate, from 0 to 1, found {floor}")
    return lambda t: floor + (1 - floor) * (1 + math.cos(math.pi * min(t / steps, 1))) / 2


def warm_up(steps: int, then: Schedule) -> Schedule:
    """Rise in a straight line for ``steps`` steps, ``(t + 1) / (steps + 1)``, and follow ``then`` from its start.

    The first step is not zero, and ``then(0)`` comes right after the rise.

    Parameters
    ----------
    steps : int
        Steps of the rise.
    then : callable
        What follows; it counts from 0 again.

    Examples
    --------
    >>> [warm_up(3, step_decay(2, factor=0.5))(t) for t in range(7)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 0.5, 0.5]
    """
    _at_least_one("steps", steps)
    return lambda t: (t + 1) / (steps + 1) * then(0) if t < steps else then(t - steps)


def inverse_square_root(d_model: int, warm_up_steps: int) -> Schedule:
    """Rise in a straight line and then fall as 1/√t: ``min(s^-1/2, s warm_up_steps^-3/2) / √d_model`` with s = t + 1.

    This is a rate, not a share of one: the base rate of the optimizer is 1. It is highest at step ``warm_up_steps``,
    where it is 1 / √(d_model warm_up_steps).

    Parameters
    ----------
    d_model : int
        Width of the model: 512 in the paper.
    warm_up_steps : int
        Steps of the rise: 4,000 in the paper.

    Examples
    --------
    >>> [round(inverse_square_root(16, 4)(t), 4) for t in (0, 1, 3, 15)]
    [0.0312, 0.0625, 0.125, 0.0625]
    """
    _at_least_one("warm_up_steps", warm_up_steps)
    if d_model < 1:
        raise ValueError(f"d_model is at least 1, found {d_model}")
    return lambda t: min((t + 1) ** -0.5, (t + 1) * warm_up_steps**-1.5) / d_model**0.5


def _at_least_one(name: str, count: int) -> None:
    if not (isinstance(count, int) and count >= 1):
        raise ValueError(f"{name} counts steps, a whole number from 1 on, found {count!r}")
