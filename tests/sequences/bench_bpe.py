"""Learning byte pairs from words that are counted once each against recounting a text after every merge."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from bench import Case
from dlbook.data import king_james
from dlbook.sequences.bpe import BPE, WORD, merge


def recount(text: str, size: int) -> list[int]:
    """Learn units with everything counted anew after every merge, as in the paper's Algorithm 1, and return the text."""
    units = sorted(set(text))
    words = [[units.index(character) for character in word] for word in WORD.findall(text)]
    while len(units) < size:
        counts = Counter(pair for word in words for pair in pairwise(word))
        best = max(counts, key=lambda pair: (counts[pair], -pair[0], -pair[1]))
        words = [merge(word, best, len(units)) for word in words]
        units.append(units[best[0]] + units[best[1]])
    return [unit for word in words for unit in word]


def cases() -> Iterator[Case]:
    """Yield a thousand verses and 160 units."""
    text = "\n".join(king_james()[:1000])
    assert recount(text, 160) == BPE(text, 160).encode(text)
    yield Case(
        "BPE",
        f"{len(text):,} characters, 160 units, learned and encoded",
        lambda: BPE(text, 160).encode(text),
        lambda: recount(text, 160),
        "a count of all pairs after every merge",
    )
