"""Losses: how wrong a score is, in forms that neither overflow nor divide by zero.

The lecture's w (the output before any squashing) → ``score``; y → ``target``; ŷ, the prediction, has functions of its
own, for a prediction is not a loss.  Scores are logits, never probabilities.  Axes: n examples, k classes.

Sources: hinge, Cortes and Vapnik (1995); multi-class hinge, Crammer and Singer (2001), eq. (2) with margin 1; the rest
are negative log-likelihoods: of a Bernoulli (binary), a categorical (cross-entropy), a Gaussian (squared error) and a
Laplace distribution (absolute error), up to constants.

A loss runs at every step of training, so it checks shapes and dtypes and never looks at values: a score that is nan
gives a loss that is nan, and a target that is not of the coding gives a number without meaning.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dlbook._checks import axes

__all__ = [
    "absolute_error",
    "binary_nll",
    "cross_entropy",
    "hinge",
    "multiclass_hinge",
    "predict_binary",
    "predict_probability",
    "squared_error",
]

Reduction = Literal["mean", "sum", "none"]
Coding = Literal["-1+1", "01"]


def predict_binary(score: Tensor) -> Tensor:
    """Return the class of a score (n,): +1 if it is at least zero, else -1; int64 (n,)."""
    return torch.where(score >= 0, 1, -1)


def predict_probability(score: Tensor) -> Tensor:
    """Return the probability of class +1 under the Bernoulli model, 1 / (1 + exp(-score)); same shape as ``score``.

    Examples
    --------
    >>> predict_probability(torch.tensor([-1000.0, 0.0, 1000.0]))  # exp(1000) would overflow
    tensor([0.0000, 0.5000, 1.0000])
    """
    return torch.sigmoid(score)


def hinge(score: Tensor, target: Tensor, *, coding: Coding = "-1+1", reduction: Reduction = "mean") -> Tensor:
    """Hinge loss: max(0, 1 - y s), zero once the score is on its side by a margin of 1.

    Parameters
    ----------
    score : (n,)
    target : (n,)
        -1 or +1; with ``coding="01"``, 0 or 1.
    coding : {"-1+1", "01"}
        Never guessed: a batch of ones looks the same in both.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    loss : scalar, or (n,) without reduction

    Examples
    --------
    >>> hinge(torch.tensor([2.0, 0.5, -1.0]), torch.tensor([1, 1, 1]), reduction="none")
    tensor([0.0000, 0.5000, 2.0000])
    """
    sign = _signs(score, target, coding)
    return _reduce(F.relu(1 - sign * score), reduction)


def binary_nll(score: Tensor, target: Tensor, *, coding: Coding = "-1+1", reduction: Reduction = "mean") -> Tensor:
    """Negative log-likelihood of a Bernoulli variable in nats: log(1 + exp(-y s)), as softplus(-y s).

    Parameters and result are those of :func:`hinge`.

    Examples
    --------
    >>> binary_nll(torch.tensor([0.0, 800.0]), torch.tensor([1, -1]), reduction="none").tolist()  # log 2; 800, not inf
    [0.6931471824645996, 800.0]
    """
    _check_pair(score, target)
    _check_reduction(reduction)
    ones = target.to(score.dtype)
    ones = ones if _checked(coding) == "01" else (ones + 1) / 2
    return F.binary_cross_entropy_with_logits(score, ones, reduction=reduction)  # fused; softplus(-y s) for y = -1, +1


def multiclass_hinge(score: Tensor, target: Tensor, *, margin: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """Hinge loss for k classes: max(0, margin - s_y + max_{j != y} s_j), Crammer and Singer (2001).

    ``torch.nn.MultiMarginLoss`` is another loss, of Weston and Watkins: it sums the violations of all wrong classes and
    divides by k.

    Parameters
    ----------
    score : (n, k)
    target : int64 (n,)
        0 to k - 1.
    margin : float
        At least zero, in the units of the score.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    loss : scalar, or (n,) without reduction

    Examples
    --------
    >>> multiclass_hinge(torch.tensor([[2.0, 0.5, 1.5]]), torch.tensor([0]))  # 1 - 2 + 1.5
    tensor(0.5000)
    """
    if not margin >= 0:
        raise ValueError(f"margin is at least 0, found {margin}")
    _check_classes(score, target)
    right = score.gather(1, target[:, None])
    others = score.scatter(1, target[:, None], -torch.inf).max(dim=1).values
    return _reduce(F.relu(margin - right[:, 0] + others), reduction)


def cross_entropy(score: Tensor, target: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Negative log-likelihood of a class under softmax, in nats: -s_y + log(sum_j exp s_j).

    Parameters
    ----------
    score : (n, k)
    target : int64 (n,)
        0 to k - 1.
    reduction : {"mean", "sum", "none"}

    Returns
    -------
    loss : scalar, or (n,) without reduction
        Its gradient with respect to a row of scores is softmax(s) minus the one-hot target.

    Examples
    --------
    >>> cross_entropy(torch.zeros(1, 10), torch.tensor([3]))  # log 10: nothing is known
    tensor(2.3026)
    """
    _check_classes(score, target)
    _check_reduction(reduction)
    return F.cross_entropy(score, target, reduction=reduction)  # fused; the chapter writes it out


def squared_error(score: Tensor, target: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Squared error (y - s)²; the constant that minimizes its mean is the mean of the targets.

    Parameters
    ----------
    score : (n, ...)
    target : (n, ...)
        Of the same shape: nothing is broadcast.
    reduction : {"mean", "sum", "none"}

    Examples
    --------
    >>> squared_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(4.5000)
    """
    _check_pair(score, target)
    _check_reduction(reduction)
    return F.mse_loss(score, _floating(target, score), reduction=reduction)


def absolute_error(score: Tensor, target: Tensor, *, reduction: Reduction = "mean") -> Tensor:
    """Absolute error ``|y - s|``; the constant that minimizes its mean is a median of the targets.

    Parameters are those of :func:`squared_error`.

    Examples
    --------
    >>> absolute_error(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 5.0]))
    tensor(1.5000)
    """
    _check_pair(score, target)
    _check_reduction(reduction)
    return F.l1_loss(score, _floating(target, score), reduction=reduction)


def _reduce(loss: Tensor, reduction: Reduction) -> Tensor:
    _check_reduction(reduction)
    return loss if reduction == "none" else loss.mean() if reduction == "mean" else loss.sum()


def _check_reduction(reduction: str) -> None:
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is mean, sum or none, found {reduction!r}")


def _checked(coding: str) -> str:
    if coding not in ("-1+1", "01"):
        raise ValueError(f"coding is '-1+1' or '01', found {coding!r}")
    return coding


def _check_pair(score: Tensor, target: Tensor) -> None:
    if score.shape != target.shape or score.numel() == 0:
        found = f"{tuple(score.shape)} and {tuple(target.shape)}"
        raise ValueError(f"score and target have one shape and at least one element, found {found}")
    if not score.is_floating_point():
        raise ValueError(f"scores are floats, found {score.dtype}")


def _floating(target: Tensor, score: Tensor) -> Tensor:
    return target if target.is_floating_point() else target.to(score.dtype)


def _signs(score: Tensor, target: Tensor, coding: Coding) -> Tensor:
    """Return targets as -1 and +1."""
    _check_pair(score, target)
    sign = target.to(score.dtype)  # before anything is computed: bytes would wrap below zero
    return 2 * sign - 1 if _checked(coding) == "01" else sign


def _check_classes(score: Tensor, target: Tensor) -> None:
    n, k = axes("score", score, "n k", least=1)
    if k < 2:
        raise ValueError(f"score has a column for each of at least two classes, found shape {tuple(score.shape)}")
    axes("target", target, "n", n=n)
    if target.dtype != torch.int64:
        raise ValueError(f"targets are class numbers of dtype int64, found {target.dtype}")
