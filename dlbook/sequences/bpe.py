"""Byte-pair encoding: Gage (1994), and for words as Sennrich, Haddow and Birch (2016), arXiv:1508.07909, Algorithm 1.

A text is cut into words, each with the space before it, and words into characters. Then the most frequent pair of
neighbors becomes one unit, and again, until there are enough units. Pairs never reach across words, so it is enough to
count each different word once. (The paper marks the end of a word; here its beginning is marked, by the space, and
joining the units gives the text back.)
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise

__all__ = ["BPE", "merge"]

WORD = re.compile(r" ?\w+| ?[^\w\s]+|\s+(?!\S)|\s+")  # letters or signs with a space before, or white space

Pair = tuple[int, int]


class BPE:
    """Units of text, learned from a text.

    Parameters
    ----------
    text : str
    vocabulary_size : int
        How many units at most: the characters, and one for each merge. There are fewer if no pair is left.
    alphabet : str
        Characters that may come later, in addition to those of ``text``.

    Attributes
    ----------
    units : list of str
        Characters in their order, then merged units in the order in which they were made.
    merges : list of (int, int)
        Which two units each merged one is made of.

    Examples
    --------
    >>> coder = BPE("low lower lowest low", vocabulary_size=12)
    >>> coder.units
    [' ', 'e', 'l', 'o', 'r', 's', 't', 'w', 'lo', 'low', ' low', ' lowe']
    >>> coder.encode("slow lowest")
    [5, 9, 11, 5, 6]
    >>> coder.decode([5, 9, 11, 5, 6])
    'slow lowest'
    """

    def __init__(self, text: str, vocabulary_size: int, *, alphabet: str = "") -> None:
        self.units = sorted(set(text) | set(alphabet))
        if not self.units:
            raise ValueError("there is nothing to learn units from: the text is empty")
        if vocabulary_size < len(self.units):
            raise ValueError(f"there are {len(self.units)} characters, found vocabulary_size = {vocabulary_size}")
        self._numbers = {unit: number for number, unit in enumerate(self.units)}
        self.merges: list[Pair] = []
        counts = Counter(WORD.findall(text))
        words = [[self._numbers[character] for character in word] for word in counts]
        often = list(counts.values())
        self._learn(words, often, vocabulary_size)
        self._ranks = {pair: rank for rank, pair in enumerate(self.merges)}
        self._first_merged = len(self.units) - len(self.merges)
        self._known: dict[str, list[int]] = {}

    def __len__(self) -> int:
        """Return how many units there are."""
        return len(self.units)

    def _learn(self, words: list[list[int]], often: list[int], vocabulary_size: int) -> None:
        pairs: Counter[Pair] = Counter()  # how often each pair stands in the text
        places: defaultdict[Pair, set[int]] = defaultdict(set)  # in which words, and perhaps some where it was
        for number, word in enumerate(words):
            for pair in pairwise(word):
                pairs[pair] += often[number]
                places[pair].add(number)
        while len(self.units) < vocabulary_size and pairs:
            most = max(pairs.values())
            best = min(pair for pair, count in pairs.items() if count == most)  # of equals the older units
            merged = len(self.units)
            self.units.append(self.units[best[0]] + self.units[best[1]])
            self.merges.append(best)
            fewer: set[Pair] = set()
            for number in places.pop(best):
                word, count = words[number], often[number]
                for pair in pairwise(word):
                    pairs[pair] -= count
                    fewer.add(pair)
                words[number] = word = merge(word, best, merged)
                for pair in pairwise(word):
                    pairs[pair] += count
                    places[pair].add(number)
            for pair in fewer:
                if not pairs[pair]:
                    del pairs[pair]

    def encode(self, text: str) -> list[int]:
        """Return the numbers of the units of a text: in each word, merges are made in the order they were learned."""
        numbers: list[int] = []
        for word in WORD.findall(text):
            if word not in self._known:
                self._known[word] = self._encode_word(word)
            numbers += self._known[word]
        return numbers

    def _encode_word(self, word: str) -> list[int]:
        missing = [character for character in word if character not in self._numbers]
        if missing:
            raise ValueError(f"the character {missing[0]!r} is not among the units: give it in alphabet")
        units = [self._numbers[character] for character in word]
        while True:
            pairs = [pair for pair in pairwise(units) if pair in self._ranks]
            if not pairs:
                return units
            first = min(pairs, key=self._ranks.__getitem__)
            units = merge(units, first, self._first_merged + self._ranks[first])

    def decode(self, numbers: Iterable[int]) -> str:
        """Return the text of units."""
        numbers = list(numbers)
        for number in numbers:
            if not 0 <= number < len(self.units):
                raise ValueError(f"units are numbered 0 to {len(self.units) - 1}, found {number}")
        return "".join(self.units[number] for number in numbers)


def merge(units: list[int], pair: Pair, merged: int) -> list[int]:
    """Return the units with every occurrence of a pair replaced, from the left.

    Examples
    --------
    >>> merge([7, 5, 7, 5, 5], (7, 5), 9)
    [9, 9, 5]
    """
    result, i = [], 0
    while i < len(units):
        if i + 1 < len(units) and (units[i], units[i + 1]) == pair:
            result.append(merged)
            i += 2
        else:
            result.append(units[i])
            i += 1
    return result
