"""BLEU: how much of a translation also stands in those of people (Papineni et al., 2002, doi:10.3115/1073083.1073135).

Of their section 2.3: p_n → ``precisions``, c → ``length``, r → ``reference_length``, BP → ``brevity``, N →
``max_order``, with equal weights w_n = 1/N.
"""

import math
from collections import Counter
from collections.abc import Sequence

__all__ = ["bleu", "clipped_counts"]


def clipped_counts(hypothesis: Sequence[str], references: Sequence[Sequence[str]], order: int) -> tuple[int, int]:
    """Return how many runs of ``order`` words also stand in a reference, and how many runs there are.

    A run counts at most as often as in the reference that has it most often, so that "the the the" gains nothing by
    repeating.

    Parameters
    ----------
    hypothesis : (t,) words
    references : sequence of sequences of words
    order : int

    Examples
    --------
    >>> clipped_counts("the the the the the the the".split(), ["the cat is on the mat".split()], 1)
    (2, 7)
    """
    allowed: Counter[tuple[str, ...]] = Counter()
    for reference in references:
        allowed |= _runs(reference, order)  # the larger of two counts
    found = _runs(hypothesis, order)
    return (found & allowed).total(), found.total()  # the smaller of two


def bleu(
    hypotheses: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]], *, max_order: int = 4
) -> float:
    """Return the BLEU of a whole test set, 0 to 100: counts are added up over all sentences before they are divided.

    Parameters
    ----------
    hypotheses : (n,) sequences of words
    references : (n,) lists of one or more sequences of words
    max_order : int
        The longest runs that are counted.

    Returns
    -------
    float
        100 BP exp(mean of log p_n); 0 if no run of some order is found. There is no smoothing.

    Examples
    --------
    >>> round(bleu(["le chat noir dort .".split()], [["le chat noir dort ici .".split()]]), 2)
    57.89
    """
    if len(hypotheses) != len(references) or not hypotheses:
        found = f"{len(hypotheses)} hypotheses and references for {len(references)}"
        raise ValueError(f"every hypothesis of one or more has references, found {found}")
    if max_order < 1:
        raise ValueError(f"max_order is at least 1, found {max_order}")
    for place, own in enumerate(references):
        if not own or any(isinstance(sentence, str) for sentence in (*own, hypotheses[place])):
            raise ValueError(f"sentence {place} is a list of words with one or more references that are, found {own!r}")
    precisions = []
    for order in range(1, max_order + 1):
        counts = [clipped_counts(h, r, order) for h, r in zip(hypotheses, references, strict=True)]
        right, runs = map(sum, zip(*counts, strict=True))
        if right == 0:
            return 0.0
        precisions.append(right / runs)
    length = sum(map(len, hypotheses))
    reference_length = sum(_closest(len(h), r) for h, r in zip(hypotheses, references, strict=True))
    brevity = min(1.0, math.exp(1 - reference_length / length))
    return 100 * brevity * math.exp(sum(map(math.log, precisions)) / max_order)


def _runs(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(words[i : i + order]) for i in range(len(words) - order + 1))


def _closest(length: int, references: Sequence[Sequence[str]]) -> int:
    """Return the length of the reference that is closest in length, of two equally close ones the shorter."""
    return min((abs(len(reference) - length), len(reference)) for reference in references)[1]
