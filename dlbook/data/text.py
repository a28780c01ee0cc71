"""Texts and words: the King James Bible, GloVe for the 20,000 most frequent words, names of the classes of ImageNet."""

import lzma
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlbook._files import member, verified

__all__ = ["Glove", "glove", "imagenet_classes", "king_james"]


class Glove(NamedTuple):
    """Words and their vectors, the most frequent first."""

    words: list[str]
    vectors: Tensor  # float32 (n, 100)


def king_james() -> list[str]:
    """Return the King James Bible: 31,102 verses in order, 4.1 million characters of ASCII, no verse numbers.

    Raises
    ------
    DamagedFileError
        If the packed file is not the one that was shipped.

    Examples
    --------
    >>> king_james()[0]
    'In the beginning God created the heaven and the earth.'
    """
    return lzma.decompress(verified("kjv.txt.xz").read_bytes()).decode("ascii").splitlines()


def glove() -> Glove:
    """Return GloVe 6B vectors (Pennington, Socher and Manning, 2014) of the 20,000 most frequent lower-case words.

    Returns
    -------
    Glove
        ``words`` list of str, most frequent first; ``vectors`` float32 (20000, 100), rounded to float16 when packed.

    Raises
    ------
    DamagedFileError
        If the packed file is not the one that was shipped.

    Examples
    --------
    >>> words, vectors = glove()
    >>> words[0], vectors.shape
    ('the', torch.Size([20000, 100]))
    """
    words = np.asarray(member("glove_100d_20k.npz", "words")).tobytes().decode("utf8").split("\n")
    return Glove(words, torch.from_numpy(member("glove_100d_20k.npz", "vectors")).float())


def imagenet_classes() -> list[str]:
    """Return the names of the 1,000 classes of ImageNet, in the order in which networks answer.

    The order is that of the numbers that WordNet gives its nouns.  A name lists synonyms, the most usual first.  Number
    134 and number 517 are both "crane": the bird and the machine.

    Returns
    -------
    list of str
        1,000 names, with commas between synonyms.

    Raises
    ------
    DamagedFileError
        If the file is not the one that was shipped.

    Examples
    --------
    >>> names = imagenet_classes()
    >>> names[0], names[281], len(names)
    ('tench, Tinca tinca', 'tabby, tabby cat', 1000)
    """
    lines = verified("imagenet_names.txt").read_text(encoding="ascii").splitlines()
    return [line.split(" ", maxsplit=1)[1] for line in lines]
