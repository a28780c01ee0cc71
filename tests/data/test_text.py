"""The texts against what anyone can look up."""

import torch

from dlbook.data import glove, imagenet_classes, king_james


def test_king_james_begins_ends_and_counts_as_the_book_does():
    verses = king_james()
    assert len(verses) == 31_102  # the number of verses of the King James Bible
    assert verses[0] == "In the beginning God created the heaven and the earth."
    assert "Jesus wept." in verses
    assert verses[-1].startswith("The grace of our Lord Jesus Christ be with you all")
    assert all(verse.isascii() and verse for verse in verses)


def test_king_james_gives_each_caller_a_list_of_its_own():
    king_james().clear()
    assert king_james()


def test_glove_knows_its_neighbors():
    words, vectors = glove()
    assert vectors.shape == (20_000, 100)
    assert vectors.dtype == torch.float32
    assert len(set(words)) == 20_000
    index = {word: i for i, word in enumerate(words)}
    unit = vectors / vectors.norm(dim=1, keepdim=True)
    # the analogy of Mikolov et al. (2013): king - man + woman
    query = unit[index["king"]] - unit[index["man"]] + unit[index["woman"]]
    best = [words[i] for i in (unit @ query).topk(3).indices]
    assert "queen" in best


def test_classes_of_imagenet_are_those_that_everybody_counts_by():
    names = imagenet_classes()
    assert len(names) == 1000
    assert [names[i] for i in (134, 517)] == ["crane", "crane"]  # the bird and the machine
    assert len(set(names)) == 999
    # landmarks of the list: the first fish, the span of dogs (151 to 268), the first cat, the last class
    assert names[0].startswith("tench")
    assert names[151] == "Chihuahua"
    assert names[268] == "Mexican hairless"
    assert names[281] == "tabby, tabby cat"
    assert names[999].startswith("toilet tissue")
    assert all(name and name.isascii() for name in names)
