"""Short English sentences and their French translations, made ready for networks: words, splits, references."""

from typing import NamedTuple

import torch
from torch import Generator

from dlbook.data import sentence_pairs
from dlbook.sequences.vocabulary import Vocabulary, tokenize

__all__ = ["Translation", "translation_pairs"]


class Translation(NamedTuple):
    """Pairs to learn from, sentences to be judged by, and the two vocabularies."""

    train: list[tuple[list[str], list[str]]]  # English and French, as words
    test: list[tuple[list[str], list[list[str]]]]  # English, and every French translation of it that there is
    source: Vocabulary
    target: Vocabulary


def translation_pairs(*, words: int = 500, longest: int = 8, test: int = 1000, generator: Generator) -> Translation:
    """Return pairs of sentences with at most ``longest`` words and signs, all of them among the most frequent.

    The words are counted on both sides over all pairs that are short enough, before anything is held out: they say
    which sentences take part. Test sentences are drawn by their English, compared as words, so that none was seen in
    training with another translation. Their references are all French translations in the data, also those with
    rarer words, or longer ones.

    Parameters
    ----------
    words : int
        Size of each vocabulary, the four special words not counted.
    longest : int
    test : int
        How many different English sentences are held out.
    generator : torch.Generator
        Draws them.

    Examples
    --------
    >>> data = translation_pairs(words=50, test=10, generator=torch.Generator().manual_seed(0))
    >>> len(data.test), len(data.source)
    (10, 54)
    """
    everything = [(tokenize(english), tokenize(french)) for english, french in sentence_pairs()]
    short = [pair for pair in everything if max(map(len, pair)) <= longest]
    source, target = (Vocabulary((pair[side] for pair in short), words) for side in (0, 1))
    kept = [pair for pair in short if all(w in source for w in pair[0]) and all(w in target for w in pair[1])]
    sentences = list(dict.fromkeys(tuple(english) for english, _ in kept))
    if not 1 <= test < len(sentences):
        raise ValueError(
            f"of {len(sentences)} sentences 1 to {len(sentences) - 1} can be held out, found test = {test}"
        )
    order = torch.randperm(len(sentences), generator=generator, device=generator.device)[:test].tolist()
    held_out: dict[tuple[str, ...], list[list[str]]] = {sentences[i]: [] for i in order}
    for english, french in everything:
        references = held_out.get(tuple(english))
        if references is not None and french not in references:
            references.append(french)
    train = [pair for pair in kept if tuple(pair[0]) not in held_out]
    return Translation(train, [(list(english), french) for english, french in held_out.items()], source, target)
