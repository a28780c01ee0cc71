"""Connectionist temporal classification: Graves, Fernández, Gomez and Schmidhuber (2006), ICML.

A network gives a probability to every label, and to a blank, at every step. A *path* names one label a step; the
transcript is what remains of it when runs of one label are merged and blanks then removed (the paper's map B). The
probability of a transcript is the sum over all its paths, by the recursions of the paper's section "The CTC
Forward-Backward Algorithm"; the gradient with respect to the logits is its eq. (16).

Paper → code: y_k^t → ``log_probabilities``; l' (the labels with blanks around them) → ``extended``; α, β →
``forward_variables``, ``backward_variables``, as logarithms. Axes: b sequences, t steps, v labels and the blank,
u labels of a transcript, s = 2 u + 1 states.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes

__all__ = [
    "backward_variables",
    "collapse",
    "ctc_log_likelihood",
    "ctc_loss",
    "extended",
    "forward_variables",
    "soft_alignment",
    "steps_needed",
]

NEVER = -1e30  # the logarithm of a probability of zero: -inf would have a gradient of nan


def collapse(path: Sequence[int], *, blank: int = 0) -> list[int]:
    """Return the transcript of a path: merge runs of one label, then remove blanks (the paper's B).

    Examples
    --------
    >>> collapse([3, 3, 0, 3, 1, 1, 0])
    [3, 3, 1]
    """
    return [k for before, k in zip([blank, *path], path, strict=False) if k not in (before, blank)]


def steps_needed(transcript: Sequence[int]) -> int:
    """Return how many steps the shortest path of a transcript has: a label is one, and between twins stands a blank.

    Examples
    --------
    >>> steps_needed([3, 3, 1])
    4
    """
    return len(transcript) + sum(a == b for a, b in pairwise(transcript))


def extended(targets: Tensor, *, blank: int = 0) -> Tensor:
    """Return the labels (b, u) with a blank before, between and behind them, (b, 2 u + 1).

    Examples
    --------
    >>> extended(torch.tensor([[3, 1]]))
    tensor([[0, 3, 0, 1, 0]])
    """
    axes("targets", targets, "b u")
    blanks = torch.full_like(targets, blank)
    pairs = torch.stack([blanks, targets], dim=-1).flatten(1)
    return torch.cat([pairs, targets.new_full((len(targets), 1), blank)], dim=1)


def forward_variables(log_probabilities: Tensor, targets: Tensor, *, blank: int = 0) -> Tensor:
    """Return log α (b, t, s): how likely are the first steps, on paths that are in state s of the extended labels.

    Parameters
    ----------
    log_probabilities : (b, t, v)
    targets : int64 (b, u)
        Rows of different lengths are filled up with any label: what is behind a state does not change it.
    blank : int

    Examples
    --------
    >>> halves = torch.full((1, 2, 2), 0.5).log()  # two steps, a label and the blank, all equally likely
    >>> forward_variables(halves, torch.tensor([[1]])).exp()
    tensor([[[0.5000, 0.5000, 0.0000],
             [0.2500, 0.5000, 0.2500]]])
    """
    b, t, _ = axes("log_probabilities", log_probabilities, "b t v", least=1)
    axes("targets", targets, "b u", b=b)
    log_probabilities = _wide(log_probabilities)
    labels = extended(targets, blank=blank)
    emitted = log_probabilities.gather(2, labels[:, None].expand(-1, t, -1))  # (b, t, s)
    # over a blank between different labels a path may jump, over one between twins it may not
    distinct = F.pad(labels[:, 2:] != labels[:, :-2], (min(2, labels.shape[1]), 0))
    alpha = torch.where(torch.arange(labels.shape[1], device=labels.device) < 2, emitted[:, 0], NEVER)
    alphas = [alpha]
    for now in emitted.unbind(1)[1:]:
        one_back, two_back = (F.pad(alpha, (k, 0), value=NEVER)[:, : labels.shape[1]] for k in (1, 2))
        ways = torch.stack([alpha, one_back, torch.where(distinct, two_back, NEVER)])
        alpha = ways.logsumexp(dim=0) + now
        alphas.append(alpha)
    return torch.stack(alphas, dim=1)


def backward_variables(
    log_probabilities: Tensor,
    targets: Tensor,
    input_lengths: Tensor | None = None,
    target_lengths: Tensor | None = None,
    *,
    blank: int = 0,
) -> Tensor:
    """Return log β (b, t, s): how likely are this step and those behind it, on paths that are in state s.

    It is the forward recursion, read from the end. Entries behind the end of a sequence have no meaning.

    Examples
    --------
    >>> halves = torch.full((1, 2, 2), 0.5).log()
    >>> backward_variables(halves, torch.tensor([[1]])).exp()
    tensor([[[0.2500, 0.5000, 0.2500],
             [0.0000, 0.5000, 0.5000]]])
    """
    b, t, _ = axes("log_probabilities", log_probabilities, "b t v", least=1)
    _, u = axes("targets", targets, "b u", b=b)
    input_lengths, target_lengths = _lengths(log_probabilities, targets, input_lengths, target_lengths)
    steps, labels = _reversal(t, input_lengths), _reversal(u, target_lengths)
    states = _reversal(2 * u + 1, 2 * target_lengths + 1)
    turned = log_probabilities.gather(1, steps[..., None].expand_as(log_probabilities))
    beta = forward_variables(turned, targets.gather(1, labels), blank=blank)
    beta = beta.gather(1, steps[..., None].expand_as(beta))
    return beta.gather(2, states[:, None].expand_as(beta))


def ctc_log_likelihood(
    log_probabilities: Tensor,
    targets: Tensor,
    input_lengths: Tensor | None = None,
    target_lengths: Tensor | None = None,
    *,
    blank: int = 0,
) -> Tensor:
    """Return log p(transcript) (b,), the sum over all paths: α of the last blank and of the last label, at the end.

    Minus infinity where no path is long enough. The arguments are those of :func:`ctc_loss`, but for the first.

    Examples
    --------
    >>> halves = torch.full((1, 2, 2), 0.5).log()
    >>> ctc_log_likelihood(halves, torch.tensor([[1]])).exp()  # paths a-, -a and aa of four
    tensor([0.7500])
    """
    alpha = forward_variables(log_probabilities, targets, blank=blank)
    input_lengths, target_lengths = _lengths(log_probabilities, targets, input_lengths, target_lengths)
    last = alpha.gather(1, (input_lengths - 1)[:, None, None].expand(-1, 1, alpha.shape[2]))[:, 0]
    on_blank = last.gather(1, 2 * target_lengths[:, None])[:, 0]
    on_label = last.gather(1, (2 * target_lengths[:, None] - 1).clamp(min=0))[:, 0]
    on_label = torch.where(target_lengths > 0, on_label, NEVER)
    total = torch.logaddexp(on_blank, on_label)
    return torch.where(total > NEVER / 2, total, -torch.inf)


def soft_alignment(
    logits: Tensor,
    targets: Tensor,
    input_lengths: Tensor | None = None,
    target_lengths: Tensor | None = None,
    *,
    blank: int = 0,
) -> Tensor:
    """Return the probability (b, t, v) that the path has label k at step t, given that its transcript is the target.

    Every row sums to one, up to the end of the sequence; behind it, rows are zero. The softmax of the logits minus
    this is the gradient of the loss of one sequence.

    Raises
    ------
    ValueError
        Where :func:`ctc_loss` raises one: without a path that gives the transcript there is nothing to share out.

    Examples
    --------
    >>> soft_alignment(torch.zeros(1, 2, 2), torch.tensor([[1]]))  # a- and -a and aa: two of three have a first
    tensor([[[0.3333, 0.6667],
             [0.3333, 0.6667]]])
    """
    b, t, v = axes("logits", logits, "b t v", least=1)
    axes("targets", targets, "b u", b=b)
    dtype, logits = logits.dtype, _wide(logits)
    log_p = logits.log_softmax(dim=-1)
    input_lengths, target_lengths = _lengths(logits, targets, input_lengths, target_lengths)
    if _is_plain(logits):
        _check_targets(targets, input_lengths, target_lengths, blank, v)
    alpha = forward_variables(log_p, targets, blank=blank)
    beta = backward_variables(log_p, targets, input_lengths, target_lengths, blank=blank)
    labels = extended(targets, blank=blank)[:, None].expand_as(alpha)
    both = alpha + beta - log_p.gather(2, labels)  # the step itself is counted by α and by β
    states = torch.arange(labels.shape[2], device=logits.device)
    both = torch.where((states <= 2 * target_lengths[:, None])[:, None], both, NEVER)
    weights = both.softmax(dim=-1)
    within = torch.arange(t, device=logits.device) < input_lengths[:, None]
    return logits.new_zeros(b, t, v).scatter_add(2, labels, weights * within[..., None]).to(dtype)


def ctc_loss(
    logits: Tensor,
    targets: Tensor,
    input_lengths: Tensor | None = None,
    target_lengths: Tensor | None = None,
    *,
    blank: int = 0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """Return minus the logarithm of the probability of the transcripts, by torch's fused kernel where there is one.

    Under ``torch.compile`` and ``vmap`` and on the meta device it is the recursion of :func:`ctc_log_likelihood`; the
    two are equal up to rounding. Logits in half precision are computed with in float32.

    Parameters
    ----------
    logits : (b, t, v)
        Scores before the softmax, or log-probabilities, which a further softmax leaves as they are.
    targets : int64 (b, u)
        Labels other than the blank; rows are filled up with any label.
    input_lengths, target_lengths : int64 (b,), optional
        How much of each row counts; all of it by default.
    blank : int
    reduction : {"mean", "sum", "none"}
        "mean" divides every loss by its number of labels first, as torch does.

    Raises
    ------
    ValueError
        If a label is the blank or none of the v, or if a transcript needs more steps than there are, a step for each
        label and one between twins. The fused kernel reads them anyway; where the recursion computes, nothing is
        raised, and the loss of a transcript that is too long is infinite.

    Examples
    --------
    >>> ctc_loss(torch.zeros(1, 2, 2), torch.tensor([[1]]))  # three paths of four
    tensor(0.2877)
    """
    b, _, _ = axes("logits", logits, "b t v", least=1)
    axes("targets", targets, "b u", b=b)
    if targets.is_floating_point():
        raise ValueError(f"targets are labels, whole numbers, found {targets.dtype}")
    dtype, logits = logits.dtype, _wide(logits)
    log_p = logits.log_softmax(dim=-1)
    if _is_plain(logits):
        input_lengths, target_lengths = _lengths(logits, targets, input_lengths, target_lengths)
        _check_targets(targets, input_lengths, target_lengths, blank, logits.shape[-1])
        losses = F.ctc_loss(log_p.transpose(0, 1), targets, input_lengths, target_lengths, blank, reduction="none")
    else:
        losses = -ctc_log_likelihood(log_p, targets, input_lengths, target_lengths, blank=blank)
    if reduction == "none":
        return losses.to(dtype)
    if reduction == "sum":
        return losses.sum().to(dtype)
    if reduction == "mean":
        _, target_lengths = _lengths(logits, targets, input_lengths, target_lengths)
        return (losses / target_lengths.clamp(min=1)).mean().to(dtype)
    raise ValueError(f"reduction is mean, sum or none, found {reduction!r}")


def _wide(x: Tensor) -> Tensor:
    """Return ``x`` in float32 at least: sums over hundreds of steps are lost in half precision."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _is_plain(x: Tensor) -> bool:
    """Tell whether the fused kernel computes on ``x``: not while tracing, nor under vmap."""
    if torch.compiler.is_compiling() or x.is_meta or x.dtype not in (torch.float32, torch.float64):
        return False
    return torch.func.debug_unwrap(x, recurse=False) is x


def _lengths(
    x: Tensor, targets: Tensor, input_lengths: Tensor | None, target_lengths: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return both lengths (b,) int64, the full ones where none are given."""
    b, t, u = *x.shape[:2], targets.shape[1]
    if input_lengths is None:
        input_lengths = torch.full((b,), t, dtype=torch.int64, device=x.device)
    if target_lengths is None:
        target_lengths = torch.full((b,), u, dtype=torch.int64, device=x.device)
    axes("input_lengths", input_lengths, "b", b=b)
    axes("target_lengths", target_lengths, "b", b=b)
    return input_lengths, target_lengths


def _check_targets(targets: Tensor, input_lengths: Tensor, target_lengths: Tensor, blank: int, size: int) -> None:
    """Refuse a label that is none, which the kernel would look up beyond its table, and a transcript without a path."""
    places = torch.arange(targets.shape[1], device=targets.device)
    real = places < target_lengths[:, None]
    wrong = real & ((targets == blank) | (targets < 0) | (targets >= size))
    if wrong.any():
        raise ValueError(
            f"targets are labels from 0 to {size - 1} other than the blank, {blank}, found {int(targets[wrong][0])}"
        )
    twins = (targets[:, 1:] == targets[:, :-1]) & real[:, 1:]
    needed = target_lengths + twins.sum(dim=1)
    too_long = needed > input_lengths
    if too_long.any():
        i = int(too_long.nonzero()[0])
        raise ValueError(
            f"target longer than input: transcript {i} has {int(target_lengths[i])} labels and needs {int(needed[i])} "
            f"steps, with one between twins, found {int(input_lengths[i])}"
        )


def _reversal(size: int, lengths: Tensor) -> Tensor:
    """Return places (b, size) that turn the first ``lengths`` around and let the rest stand."""
    places = torch.arange(size, device=lengths.device)[None]
    turned = lengths[:, None] - 1 - places
    return torch.where(turned >= 0, turned, places)
