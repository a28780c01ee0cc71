"""Words against lists by hand, numbers against counting, batches against rows by hand."""

from collections import Counter

import pytest
import torch

from dlbook.data import sentence_pairs
from dlbook.sequences.vocabulary import END, PAD, START, UNKNOWN, Vocabulary, pad, tokenize


@pytest.mark.parametrize(
    ("sentence", "tokens"),
    [
        ("Go.", ["go", "."]),
        ("The Black cat.", ["the", "black", "cat", "."]),
        ("I'm sure it isn't Tom's, Mary!", ["i'm", "sure", "it", "isn't", "tom's", ",", "mary", "!"]),
        ("J'ai l'impression qu'il n'y est pas.", ["j'", "ai", "l'", "impression", "qu'", "il", "n'", "y", "est", "pas", "."]),
        ("Qu'est-ce que c'est ?", ["qu'", "est-ce", "que", "c'", "est", "?"]),
        ("Aujourd'hui, jusqu'au soir", ["aujourd'hui", ",", "jusqu'", "au", "soir"]),
        ("C\u2019est l\u2019\u00e9t\u00e9 !", ["c'", "est", "l'", "\u00e9t\u00e9", "!"]),
        ('"At 7:30"', ['"', "at", "7", ":", "30", '"']),
        ("The letter 'd'.", ["the", "letter", "'", "d", "'", "."]),
        ("  ", []),
    ],
)  # fmt: skip
def test_words_and_signs_by_hand(sentence, tokens):
    assert tokenize(sentence) == tokens


def test_only_spaces_are_lost():
    for pair in sentence_pairs()[::97]:
        for sentence in pair:
            assert "".join(tokenize(sentence)) == "".join(sentence.lower().split())


SENTENCES = [tokenize(french) for _, french in sentence_pairs()[:3001]]


def test_the_most_frequent_words_by_counting():
    vocabulary = Vocabulary(SENTENCES, size=101)
    counts = Counter(word for sentence in SENTENCES for word in sentence)
    chosen = [counts[word] for word in vocabulary.words[4:]]
    assert len(vocabulary) == 105
    assert chosen == sorted(counts.values(), reverse=True)[:101]


def test_the_order_of_the_sentences_does_not_matter():
    assert Vocabulary(SENTENCES, size=211).words == Vocabulary(SENTENCES[::-1], size=211).words


def test_encoding_and_decoding_are_inverse_for_words_that_are_known():
    vocabulary = Vocabulary(SENTENCES, size=101)
    for sentence in SENTENCES[::13]:
        found = vocabulary.decode(vocabulary.encode(sentence))
        assert found == [word if word in vocabulary else "<unknown>" for word in sentence]
    assert vocabulary.encode(["never-seen"]) == [UNKNOWN]


def test_decoding_stops_at_the_end():
    vocabulary = Vocabulary([["a", "a", "b"]], size=7)
    assert len(vocabulary) == 6
    assert vocabulary.decode([START, 4, PAD, 5, END, 4]) == ["a", "b"]


def test_a_word_that_looks_special_is_not_in_the_vocabulary():
    vocabulary = Vocabulary([["<end>", "a"]], size=3)
    assert vocabulary.words == ["<pad>", "<start>", "<end>", "<unknown>", "a"]
    assert "<end>" not in vocabulary
    assert "b" not in vocabulary
    assert "a" in vocabulary
    assert vocabulary.encode(["<end>", "<pad>", "a"]) == [UNKNOWN, UNKNOWN, 4]


def test_padding_by_hand():
    assert pad([[7, 5, 9], [4]]).tolist() == [[7, 5, 9, 2], [4, 2, 0, 0]]
    assert pad([[7, 5, 9], [4]], start=True, end=False).tolist() == [[1, 7, 5, 9], [1, 4, 0, 0]]
    assert pad([[], [4]]).tolist() == [[2, 0], [4, 2]]
    assert pad([[4]]).dtype == torch.int64
    assert pad([[4]], device="meta").is_meta


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocabulary([["a"]], 0), "found size = 0"),
        (lambda: Vocabulary([["a"]], 1).decode([4, 5]), "0 to 4, found 5"),
        (lambda: Vocabulary([["a"]], 1).decode([-1]), "0 to 4, found -1"),
        (lambda: pad([]), "at least one sequence, found none"),
        (lambda: pad([[4], [5, 0]]), "above 0, found 0 in sequence 1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
