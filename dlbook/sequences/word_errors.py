"""How wrong a transcript is: edit distance and the word error rate, and the table that made speech change hands.

The edit distance is Levenshtein's (1966); the word error rate is the sum of the distances, in words, over the number of
words that were said, so that it may exceed one.
"""

from collections.abc import Hashable, Sequence
from typing import NamedTuple

__all__ = ["SEIDE2011", "Edits", "edit_distance", "edits", "error_rate", "relative_reduction", "word_error_rate"]

# Word error rates in per cent, Gaussian mixtures against a deep network, over 300 hours of training: Seide, Li and Yu
# (2011), Interspeech. The first is in the abstract; both are in Table 3 of Hinton et al. (2012), IEEE Signal Processing
# Magazine 29(6).
SEIDE2011 = {"RT03S FSH": (27.4, 18.5), "Hub5'00 SWB": (23.6, 16.1)}


class Edits(NamedTuple):
    """What turns one sequence into another, at the least number of changes."""

    substitutions: int
    deletions: int  # said, but not heard
    insertions: int  # heard, but not said


def edit_distance(said: Sequence[Hashable], heard: Sequence[Hashable]) -> int:
    """Return the least number of substitutions, deletions and insertions that turn ``said`` into ``heard``.

    Examples
    --------
    >>> edit_distance("kitten", "sitting")
    3
    """
    row = list(range(len(heard) + 1))  # from nothing to the first j
    for i, a in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return row[-1]


def edits(said: Sequence[Hashable], heard: Sequence[Hashable]) -> Edits:
    """Return how many changes of each kind a shortest way from ``said`` to ``heard`` has.

    Where several ways are equally short, it is one with as many substitutions as possible.

    Examples
    --------
    >>> edits("the cat sat".split(), "a cat sat down".split())
    Edits(substitutions=1, deletions=0, insertions=1)
    """
    table = [[(j, 0, 0, j) for j in range(len(heard) + 1)]]  # changes, then how many of each kind
    for i, a in enumerate(said, 1):
        row = [(i, 0, i, 0)]
        for j, b in enumerate(heard, 1):
            ways = (
                (table[-1][j - 1], (int(a != b), int(a != b), 0, 0)),
                (table[-1][j], (1, 0, 1, 0)),
                (row[-1], (1, 0, 0, 1)),
            )
            totals = [(n + dn, s + ds, d + dd, k + dk) for (n, s, d, k), (dn, ds, dd, dk) in ways]
            row.append(min(totals, key=lambda way: (way[0], -way[1])))
        table.append(row)
    return Edits(*table[-1][-1][1:])


def error_rate(said: Sequence[Sequence[Hashable]], heard: Sequence[Sequence[Hashable]]) -> float:
    """Return the edit distances of all pairs over the length of all that was said: letters of strings, items of lists.

    Examples
    --------
    >>> error_rate(["cat", "dog"], ["cut", "dog"])
    0.16666666666666666
    """
    _refuse_one_text(said, heard)
    total = sum(map(len, said))
    if len(said) != len(heard) or total == 0:
        found = f"{len(said)} and {len(heard)}, with {total} items said"
        raise ValueError(f"as many transcripts as recordings, and something said, found {found}")
    return sum(map(edit_distance, said, heard)) / total


def word_error_rate(said: Sequence[str], heard: Sequence[str]) -> float:
    """Return the error rate of texts in words, which are what stands between spaces.

    Examples
    --------
    >>> word_error_rate(["the cat sat"], ["a cat sat down"])  # one substitution and one insertion in three words
    0.6666666666666666
    """
    _refuse_one_text(said, heard)
    return error_rate([text.split() for text in said], [text.split() for text in heard])


def relative_reduction(before: float, after: float) -> float:
    """Return which part of the errors is gone, in per cent.

    Examples
    --------
    >>> [round(relative_reduction(*rates), 2) for rates in SEIDE2011.values()]
    [32.48, 31.78]
    """
    if not before > 0:
        raise ValueError(f"a reduction is relative to an error above zero, found {before}")
    return 100 * (before - after) / before


def _refuse_one_text(*lists: object) -> None:
    """Refuse a text in the place of a list of texts: its letters would be taken for transcripts."""
    for found in lists:
        if isinstance(found, str):
            raise ValueError(f"said and heard are lists of transcripts, found the text {found!r}")
