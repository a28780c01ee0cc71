"""Pairs of sentences: short English ones, each with a French translation, from the Tatoeba project."""

import lzma

from dlbook._files import verified

__all__ = ["sentence_pairs"]


def sentence_pairs() -> list[tuple[str, str]]:
    """Return 87,952 pairs of an English sentence of at most nine words and signs and a French translation of it.

    They are written by volunteers of tatoeba.org, selected by manythings.org/anki, and sorted by the length of the
    English. Many an English sentence has several translations: 59,603 are different, so a test set is split off by
    English sentence, or it holds sentences that were seen in training with another translation.

    Returns
    -------
    list of (str, str)
        English and French, Unicode in the form NFC, with plain spaces and apostrophes.

    Raises
    ------
    DamagedFileError
        If the packed file is not the one that was shipped.

    Examples
    --------
    >>> sentence_pairs()[0]
    ('Go.', 'Va !')
    """
    lines = lzma.decompress(verified("tatoeba_en_fr.tsv.xz").read_bytes()).decode("utf8").splitlines()
    return [(english, french) for english, french in (line.split("\t") for line in lines)]
