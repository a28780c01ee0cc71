"""Counting as a language model: n-grams of characters, interpolated after Witten and Bell (1991).

p(c | w) is the count of c after the context w, plus T(w) times the estimate from a context shorter by one, over
N(w) + T(w): N(w) counts how often w was seen with something behind it, T(w) how many different characters that was. The
shortest context of all is a uniform distribution.
"""

import copy

import numpy as np
from numpy.typing import NDArray

__all__ = ["NGram"]

Codes = NDArray[np.int64]


class NGram:
    """The model of ``order`` n: a character given the n - 1 before it.

    Parameters
    ----------
    text : str
        What is counted.
    order : int
    alphabet : str, optional
        All characters that may ever come; by default those of ``text``.

    Examples
    --------
    >>> model = NGram("abab", order=2)
    >>> round(float(2 ** model.log2("ab")[1]), 4)  # b after a: (2 + 1 p(b)) / (2 + 1), p(b) = (2 + 2 / 2) / (4 + 2)
    0.8333
    """

    def __init__(self, text: str, order: int, *, alphabet: str | None = None) -> None:
        letters = sorted(set(text if alphabet is None else alphabet))
        if order < 1 or not text:
            raise ValueError(f"order is at least 1 and the text not empty, found {order} and {len(text)} characters")
        if len(letters) ** order >= 2**62:
            raise ValueError(f"{len(letters)} characters to the power of order = {order} do not fit 62 bits")
        self.order, self.letters = order, letters
        self._place = np.full(max(map(ord, letters)) + 1, -1)
        self._place[[ord(letter) for letter in letters]] = np.arange(len(letters))
        codes = self._codes(text)
        self._grams, self._contexts = [], []
        for n in range(1, order + 1):
            grams, counts = np.unique(self._numbers(codes, n), return_counts=True)
            contexts, first = np.unique(grams // len(letters), return_index=True)
            seen, kinds = np.add.reduceat(counts, first), np.diff(np.append(first, len(grams)))
            self._grams.append((grams, counts))
            self._contexts.append((contexts, seen, kinds))

    def shorter(self, order: int) -> "NGram":
        """Return the model of a lower ``order``, whose counts this one has already made.

        Parameters
        ----------
        order : int
            At most this model's.

        Examples
        --------
        >>> longest = NGram("abab", order=3)
        >>> longest.shorter(2).bits("ab") == NGram("abab", order=2).bits("ab")
        True
        """
        if order not in range(1, self.order + 1):
            raise ValueError(f"order is a whole number from 1 to {self.order}, found {order}")
        model = copy.copy(self)
        model.order, model._grams, model._contexts = order, self._grams[:order], self._contexts[:order]
        return model

    def __len__(self) -> int:
        """Return how many counts the model keeps: one for each sequence that it has seen, of every length."""
        return sum(len(grams) for grams, _ in self._grams)

    def _codes(self, text: str) -> Codes:
        points = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32).astype(np.int64)
        codes = self._place[np.minimum(points, len(self._place) - 1)]
        codes[points >= len(self._place)] = -1
        if (codes < 0).any():
            raise ValueError(f"the character {text[int(np.argmax(codes < 0))]!r} is not in the alphabet")
        return codes

    def _numbers(self, codes: Codes, n: int) -> Codes:
        """Return a number for each run of n characters, in the order of their ends."""
        total = np.zeros(max(len(codes) - n + 1, 0), dtype=np.int64)
        for i in range(n):
            total = total * len(self.letters) + codes[i : i + len(total)]
        return total

    def log2(self, text: str) -> NDArray[np.float64]:
        """Return the logarithm to base 2 of the probability of every character of ``text``, given those before it."""
        codes = self._codes(text)
        p = np.full(len(codes), 1 / len(self.letters))
        for n, ((grams, counts), (contexts, seen, kinds)) in enumerate(
            zip(self._grams, self._contexts, strict=True), 1
        ):
            numbers = self._numbers(codes, n)
            shorter = p[n - 1 :]
            count, known = _look_up(grams, numbers)
            count = np.where(known, counts[count], 0)
            place, known = _look_up(contexts, numbers // len(self.letters))
            total, types = np.where(known, seen[place], 0), np.where(known, kinds[place], 1)
            p[n - 1 :] = (count + types * shorter) / (total + types)
        return np.log2(p)

    def bits(self, text: str) -> float:
        """Return the bits a character that the model needs for ``text``: its mean surprise."""
        if not text:
            raise ValueError("there is no character to be surprised by: the text is empty")
        return float(-self.log2(text).mean())


def _look_up(table: Codes, numbers: Codes) -> tuple[Codes, NDArray[np.bool_]]:
    """Return where each number would stand in a sorted table, and whether it does."""
    place = np.minimum(np.searchsorted(table, numbers), len(table) - 1)
    return place, table[place] == numbers
