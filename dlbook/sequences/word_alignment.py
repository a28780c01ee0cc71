"""IBM model 1: which word translates which, learned from pairs of sentences that nobody aligned (Brown et al., 1993).

Every target word is drawn independently: pick a place of the source sentence, all alike, then a translation of the word
there. Expectation and maximization take turns: who may have produced whom, then count. Paper → code: e, f → source,
target; t(f|e) → table. Axes: n pairs, s source places, t target places, u source words, v target words.
"""

import torch
from torch import Tensor

from dlbook._checks import axes

__all__ = ["alignment_posterior", "ibm_model1"]


def ibm_model1(source: Tensor, target: Tensor, *, source_words: int, target_words: int, passes: int = 5) -> Tensor:
    """Return how probable each translation of each word is, estimated by expectation-maximization.

    Parameters
    ----------
    source : (n, s) int64
        Word numbers; 0 fills up the ends of short sentences and is no word.
    target : (n, t) int64
        Likewise.
    source_words, target_words : int
        Sizes of the vocabularies, the filler included.
    passes : int
        Of expectation and maximization, from a table in which all words are alike.

    Returns
    -------
    (source_words, target_words)
        Each row that belongs to a word of the pairs sums to one, the others are zero. With :func:`alignment_posterior`
        it says who translates whom.

    Examples
    --------
    Two pairs, "the house" with "la maison" and "the" with "la" (1 the, 2 house; 1 la, 2 maison):

    >>> source, target = torch.tensor([[1, 2], [1, 0]]), torch.tensor([[1, 2], [1, 0]])
    >>> table = ibm_model1(source, target, source_words=3, target_words=3, passes=20)
    >>> table[2].argmax().item()
    2
    """
    n, _ = axes("source", source, "n s", least=1)
    axes("target", target, "n t", n=n, least=1)
    for name, words, size in (("source", source, source_words), ("target", target, target_words)):
        if words.min() < 0 or words.max() >= size:
            raise ValueError(
                f"words of {name} lie in 0 ... {size - 1}, found {int(words.min())} ... {int(words.max())}"
            )
    if passes < 1:
        raise ValueError(f"passes is at least 1, found {passes}")
    table = torch.full((source_words, target_words), 1 / target_words, dtype=torch.float64, device=source.device)
    cell = (source[:, None] * target_words + target[:, :, None]).flatten()  # of each (target place, source place)
    for _ in range(passes):
        share = alignment_posterior(table, source, target)  # expectation
        counts = torch.zeros_like(table).view(-1).index_add_(0, cell, share.flatten()).view_as(table)
        table = counts / counts.sum(dim=1, keepdim=True).clamp_min(1e-300)  # maximization
    return table


def alignment_posterior(table: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """Return for each target word how probable it is that each source word produced it.

    Parameters
    ----------
    table : (u, v)
        As :func:`ibm_model1` returns it.
    source : (n, s) int64
    target : (n, t) int64

    Returns
    -------
    (n, t, s)
        A row sums to one; it is zero where the target is filler, and no weight lies on filler of the source.

    Examples
    --------
    >>> table = torch.tensor([[0.0, 0, 0], [0, 0.9, 0.1], [0, 0.3, 0.7]])
    >>> alignment_posterior(table, torch.tensor([[1, 2]]), torch.tensor([[1, 2]]))
    tensor([[[0.7500, 0.2500],
             [0.1250, 0.8750]]])
    """
    n, _ = axes("source", source, "n s")
    axes("target", target, "n t", n=n)
    joint = table[source[:, None], target[:, :, None]]  # (n, t, s)
    joint = joint * (source != 0)[:, None] * (target != 0)[:, :, None]
    return joint / joint.sum(dim=-1, keepdim=True).clamp_min(1e-300 if table.dtype == torch.float64 else 1e-30)
