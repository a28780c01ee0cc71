"""Counting runs of characters against Python's own counter."""

from collections import Counter
from collections.abc import Iterator

from bench import Case
from dlbook.data import king_james
from dlbook.sequences.ngram import NGram


def cases() -> Iterator[Case]:
    """Yield all runs of one to six letters of a quarter of the King James Bible."""
    text = "\n".join(king_james())[:1_000_000]
    yield Case(
        "NGram",
        "orders 1 to 6 of 1,000,000 characters",
        lambda: NGram(text, 6),
        lambda: [Counter(text[i : i + n] for i in range(len(text) - n + 1)) for n in range(1, 7)],
        "collections.Counter of slices",
    )
