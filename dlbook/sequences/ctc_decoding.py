"""Reading the transcript off a network that was trained with CTC: one path, or the sum over many.

Greedy: Graves et al. (2006), ICML, "best path decoding". Prefix beam search: Hannun, Maas, Jurafsky and Ng (2014),
arXiv:1408.2873, Algorithm 1, without a language model. Axes: b sequences, t steps, v labels and the blank.
"""

import math
from collections import defaultdict

from torch import Tensor

from dlbook._checks import axes
from dlbook.sequences.ctc import collapse

__all__ = ["ctc_decode", "prefix_beam_search"]

Prefix = tuple[int, ...]


def ctc_decode(logits: Tensor, lengths: Tensor | None = None, *, blank: int = 0) -> list[list[int]]:
    """Return for each sequence the transcript of its most likely path: the best label of every step, collapsed.

    Parameters
    ----------
    logits : (b, t, v)
        Or log-probabilities, or probabilities: only their order at each step counts.
    lengths : int64 (b,), optional
    blank : int

    Examples
    --------
    >>> import torch
    >>> ctc_decode(torch.tensor([[[0.1, 0.9], [0.6, 0.4], [0.2, 0.8]]]))
    [[1, 1]]
    """
    b, t, v = axes("logits", logits, "b t v")
    _check_blank(blank, v)
    if lengths is not None:
        axes("lengths", lengths, "b", b=b)
    ends = [t] * b if lengths is None else lengths.tolist()
    if any(not 0 <= end <= t for end in ends):
        raise ValueError(f"lengths are 0 to {t}, the steps of logits, found {ends}")
    paths = logits.argmax(dim=-1).tolist()
    return [collapse(path[:end], blank=blank) for path, end in zip(paths, ends, strict=True)]


def prefix_beam_search(log_probabilities: Tensor, width: int = 10, *, blank: int = 0) -> list[tuple[list[int], float]]:
    """Return likely transcripts of one sequence and their log-probabilities, the best first.

    Every transcript that is kept adds up its own paths, in two parts: those that end in a blank, behind which the last
    label may come once more, and those that end in that label, where it would merge. With a width that drops nothing,
    the probabilities are exact.

    Parameters
    ----------
    log_probabilities : (t, v)
        Logarithms, so nothing above zero: not logits, not probabilities.
    width : int
        How many beginnings are kept at each step.
    blank : int

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([[0.6, 0.4], [0.6, 0.4]])  # the blank is best at every step
    >>> best, log_p = prefix_beam_search(p.log())[0]
    >>> best, round(math.exp(log_p), 2)  # yet a has 0.64: paths a-, -a and aa
    ([1], 0.64)
    """
    _, v = axes("log_probabilities", log_probabilities, "t v")
    _check_blank(blank, v)
    if width < 1:
        raise ValueError(f"width is at least 1, found {width}")
    never = -math.inf
    beams: dict[Prefix, tuple[float, float]] = {(): (0.0, never)}  # ends in a blank, ends in its last label
    for row in log_probabilities.tolist():
        wrong = [p for p in row if not p <= 1e-4]  # rounding may leave a certain label a little above zero
        if wrong:
            raise ValueError(f"logarithms of probabilities are at most 0, found {wrong[0]}")
        ends_blank: dict[Prefix, float] = defaultdict(lambda: never)
        ends_label: dict[Prefix, float] = defaultdict(lambda: never)
        for prefix, (on_blank, on_label) in beams.items():
            total = _add(on_blank, on_label)
            ends_blank[prefix] = _add(ends_blank[prefix], total + row[blank])
            for k in range(v):
                if k == blank:
                    continue
                longer = (*prefix, k)
                if prefix and prefix[-1] == k:  # a twin: merged, unless a blank stood between
                    ends_label[prefix] = _add(ends_label[prefix], on_label + row[k])
                    ends_label[longer] = _add(ends_label[longer], on_blank + row[k])
                else:
                    ends_label[longer] = _add(ends_label[longer], total + row[k])
        every = {prefix: (ends_blank[prefix], ends_label[prefix]) for prefix in [*ends_blank, *ends_label]}
        best = sorted(every.items(), key=lambda item: -_add(*item[1]))
        beams = dict(best[:width])
    return [(list(prefix), _add(*ends)) for prefix, ends in beams.items()]


def _add(a: float, b: float) -> float:
    """Return log(exp a + exp b)."""
    high, low = max(a, b), min(a, b)
    return high if low == -math.inf else high + math.log1p(math.exp(low - high))


def _check_blank(blank: int, v: int) -> None:
    if not 0 <= blank < v:
        raise ValueError(f"blank is one of the {v} labels, 0 to {v - 1}, found {blank}")
