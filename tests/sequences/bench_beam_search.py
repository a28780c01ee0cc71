"""Searching for translations: a beam of one against greedy search, and wider beams."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.sequences.beam_search import beam_search, greedy
from dlbook.sequences.seq2seq import Decoder, Encoder, Seq2Seq


def cases() -> Iterator[Case]:
    """Yield two beams over the untrained model of the chapter, each beside greedy search in the same model."""
    draws = torch.Generator().manual_seed(0)
    encoder = Encoder(504, 64, 128, generator=draws)
    model = Seq2Seq(encoder, Decoder(504, 64, 128, tied=True, generator=draws))
    source = torch.randint(4, 504, (100, 9), generator=draws)
    for width in (1, 4):
        yield Case(
            "beam_search",
            f"100 sentences of 9 words, width {width}, 12 steps",
            lambda width=width: beam_search(model, source, width=width, max_length=12),
            lambda: greedy(model, source, max_length=12),
            "dlbook.sequences.beam_search.greedy",
            f"computes {width} outputs a sentence, and keeps those that are complete",
        )
