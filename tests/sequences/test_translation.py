"""The split against the pairs of the data, looked up one by one."""

import pytest

from common import stream
from dlbook.data import sentence_pairs
from dlbook.sequences.translation import translation_pairs
from dlbook.sequences.vocabulary import tokenize

DATA = translation_pairs(words=151, longest=7, test=101, generator=stream())
EVERYTHING = [(tokenize(english), tokenize(french)) for english, french in sentence_pairs()]


def test_no_test_sentence_was_seen_with_another_translation():
    seen = {tuple(english) for english, _ in DATA.train}
    held_out = [tuple(english) for english, _ in DATA.test]
    assert len(set(held_out)) == len(held_out) == 101
    assert not seen & set(held_out)


def test_all_sentences_are_short_and_of_known_words():
    for english, french in DATA.train:
        assert max(len(english), len(french)) <= 7
        assert all(word in DATA.source for word in english)
        assert all(word in DATA.target for word in french)
    for english, _ in DATA.test:
        assert len(english) <= 7
        assert all(word in DATA.source for word in english)


def test_nothing_that_qualifies_is_missing():
    held_out = {tuple(english) for english, _ in DATA.test}
    pairs = [
        (english, french) for english, french in EVERYTHING
        if max(len(english), len(french)) <= 7
        and all(word in DATA.source for word in english)
        and all(word in DATA.target for word in french)
    ]  # fmt: skip
    assert DATA.train == [pair for pair in pairs if tuple(pair[0]) not in held_out]
    assert held_out <= {tuple(english) for english, _ in pairs}


def test_references_are_all_translations_in_the_data():
    for english, references in DATA.test:
        wanted = [french for other, french in EVERYTHING if other == english]
        assert references == [french for i, french in enumerate(wanted) if french not in wanted[:i]]
    assert any(len(references) > 1 for _, references in DATA.test)


def test_the_same_seed_holds_out_the_same_sentences():
    again = translation_pairs(words=151, longest=7, test=101, generator=stream())
    other = translation_pairs(words=151, longest=7, test=101, generator=stream(1))
    assert again.test == DATA.test
    assert again.source.words == other.source.words == DATA.source.words
    assert other.test != DATA.test


def test_bad_input_is_named():
    with pytest.raises(ValueError, match=r"can be held out, found test = 0"):
        translation_pairs(words=151, test=0, generator=stream())
    with pytest.raises(ValueError, match=r"can be held out, found test = 100000"):
        translation_pairs(words=20, test=100_000, generator=stream())
