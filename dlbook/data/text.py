"""Texts and word vectors: the King James Bible, and GloVe for the 20,000 most frequent words."""

import lzma
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlbook.files import member, verified


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
