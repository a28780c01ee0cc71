"""From sentences to numbers: words and signs, a vocabulary of the most frequent ones, and batches of one length.

Four numbers stand for no word: ``PAD`` fills a batch up, ``START`` is what a decoder reads first, ``END`` says that
the sentence is over, ``UNKNOWN`` stands for every word outside of the vocabulary.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

__all__ = ["END", "PAD", "START", "UNKNOWN", "Vocabulary", "pad", "tokenize"]

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SPECIAL = ["<pad>", "<start>", "<end>", "<unknown>"]

ELISION = r"\b(?:jusqu|lorsqu|puisqu|quoiqu|quelqu|qu|[cdjlmnst])'(?=\w)"  # l'homme: two words, written as one
WORD = r"\w+(?:['-]\w+)*"  # don't, aujourd'hui, est-ce: one word
TOKEN = re.compile(rf"{ELISION}|{WORD}|[^\w\s]")


def tokenize(sentence: str) -> list[str]:
    """Return the words and signs of an English or French sentence, in lower case.

    A word is a run of letters and digits; apostrophes and hyphens inside of it belong to it. A French article, pronoun
    or conjunction that has lost its vowel (l', j', qu', lorsqu', ...) is a word of its own, with its apostrophe. Every
    other sign is a word. Spaces vanish.

    Examples
    --------
    >>> tokenize("I don't know.")
    ['i', "don't", 'know', '.']
    >>> tokenize("L'homme n'est-il pas là aujourd'hui ?")
    ["l'", 'homme', "n'", 'est-il', 'pas', 'là', "aujourd'hui", '?']
    """
    return TOKEN.findall(sentence.lower().replace("\u2019", "'"))


class Vocabulary:
    """The ``size`` most frequent words of some sentences, numbered by frequency, behind the four special ones.

    Words that are equally frequent stand in the order of the alphabet, so the order of the sentences does not matter.

    Parameters
    ----------
    sentences : iterable of list of str
    size : int
        How many words at most, the special ones not counted.

    Attributes
    ----------
    words : list of str
        Word number i at place i.

    Examples
    --------
    >>> vocabulary = Vocabulary([["the", "cat", "."], ["the", "dog", "."]], size=3)
    >>> vocabulary.words
    ['<pad>', '<start>', '<end>', '<unknown>', '.', 'the', 'cat']
    >>> vocabulary.encode(["the", "dog"])
    [5, 3]
    >>> vocabulary.decode([1, 5, 6, 2, 4])
    ['the', 'cat']
    """

    def __init__(self, sentences: Iterable[list[str]], size: int) -> None:
        if size < 1:
            raise ValueError(f"a vocabulary has at least one word, found size = {size}")
        counts = Counter(word for sentence in sentences for word in sentence)
        frequent = sorted(counts, key=lambda word: (-counts[word], word))
        self.words = [*SPECIAL, *(word for word in frequent if word not in SPECIAL)][: len(SPECIAL) + size]
        self._numbers = {word: number for number, word in enumerate(self.words) if number > UNKNOWN}

    def __len__(self) -> int:
        """Return how many numbers there are, the four special ones included."""
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        """Say whether a word has a number of its own."""
        return word in self._numbers

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the numbers of words, ``UNKNOWN`` for those without one; no ``END`` is added."""
        return [self._numbers.get(token, UNKNOWN) for token in tokens]

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the words of numbers up to the first ``END``, without ``PAD`` and ``START``."""
        words = []
        for number in ids:
            if not 0 <= number < len(self):
                raise ValueError(f"numbers of words are 0 to {len(self) - 1}, found {number}")
            if number == END:
                break
            if number not in (PAD, START):
                words.append(self.words[number])
        return words


def pad(
    sequences: Sequence[Sequence[int]],
    *,
    start: bool = False,
    end: bool = True,
    device: torch.device | str | None = None,
) -> Tensor:
    """Return sequences of numbers as one tensor (b, t), int64, each filled up with ``PAD`` behind its end.

    Parameters
    ----------
    sequences : sequence of sequences of int
    start, end : bool
        Put ``START`` in front of each, and ``END`` behind it.
    device : optional

    Examples
    --------
    >>> pad([[7, 5], [9]])
    tensor([[7, 5, 2],
            [9, 2, 0]])
    """
    if len(sequences) == 0:
        raise ValueError("a batch has at least one sequence, found none")
    framed = [[START] * start + list(sequence) + [END] * end for sequence in sequences]
    longest = max(map(len, framed))
    for place, sequence in enumerate(sequences):
        if any(number <= PAD for number in sequence):
            raise ValueError(f"words have numbers above {PAD}, found {min(sequence)} in sequence {place}")
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in framed], dtype=torch.int64, device=device)
