"""The pairs of sentences against what was counted when they were packed, and against a dictionary's first pages."""

import unicodedata

from dlbook.data import sentence_pairs


def test_pairs_are_as_many_as_were_packed_and_none_comes_twice():
    pairs = sentence_pairs()
    assert len(pairs) == len(set(pairs)) == 87_952
    assert len({english for english, _ in pairs}) == 59_603


def test_french_is_french_and_english_is_english():
    pairs = sentence_pairs()
    assert ("Thank you.", "Merci !") in pairs
    assert ("I am cold.", "J'ai froid.") in pairs
    accents = set("éèêàçôîûœ")
    assert sum(bool(accents & set(french.lower())) for _, french in pairs) > len(pairs) / 2
    assert sum(bool(accents & set(english.lower())) for english, _ in pairs) < len(pairs) / 1000


def test_texts_are_normalized():
    for english, french in sentence_pairs():
        for text in (english, french):
            assert text
            assert text == text.strip()
            assert unicodedata.is_normalized("NFC", text)
            assert not {"\u00a0", "\u202f", "\u2019", "\t"} & set(text)


def test_each_caller_gets_a_list_of_its_own():
    sentence_pairs().clear()
    assert sentence_pairs()
