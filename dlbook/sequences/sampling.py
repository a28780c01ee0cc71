"""Which word to say next, given scores of all: three ways of drawing that trust the model more, or less.

Temperature divides the scores, as in Boltzmann's distribution. The k most probable: Fan, Lewis and Dauphin (2018),
arXiv:1805.04833. The nucleus, the smallest set of words that together have probability p: Holtzman et al. (2020),
arXiv:1904.09751, eq. (2) and (3).  Axes: ... any, v vocabulary.
"""

from torch import Tensor

from dlbook._checks import axes

__all__ = ["distribution", "nucleus", "temper", "top_k"]


def temper(scores: Tensor, temperature: float) -> Tensor:
    """Return softmax(scores / temperature): below 1 the probable becomes more probable, towards 0 the best is certain.

    Parameters
    ----------
    scores : (..., v)
    temperature : float
        Above 0.

    Returns
    -------
    (..., v)

    Examples
    --------
    >>> import torch
    >>> p = torch.tensor([0.8, 0.2])
    >>> temper(p.log(), 0.5)  # proportional to p²: 0.64 and 0.04
    tensor([0.9412, 0.0588])
    """
    if not temperature > 0:
        raise ValueError(f"temperature is above 0, found {temperature}")
    axes("scores", scores, "... v", least=1)
    return (scores / temperature).softmax(dim=-1)


def top_k(p: Tensor, k: int) -> Tensor:
    """Keep the ``k`` most probable words and divide by what they have together.

    Of words that are equally probable any may stay.

    Parameters
    ----------
    p : (..., v)
    k : int
        At least 1; from v on nothing changes.

    Returns
    -------
    (..., v)

    Examples
    --------
    >>> import torch
    >>> top_k(torch.tensor([0.1, 0.5, 0.3, 0.1]), 2)
    tensor([0.0000, 0.6250, 0.3750, 0.0000])
    """
    if k < 1:
        raise ValueError(f"at least one word is kept, found k = {k}")
    (v,) = axes("p", p, "... v", least=1)[-1:]
    kept, place = p.topk(min(k, v), dim=-1)
    return p.new_zeros(p.shape).scatter(-1, place, kept / kept.sum(dim=-1, keepdim=True))


def nucleus(p: Tensor, share: float) -> Tensor:
    """Keep the fewest most probable words that together have at least ``share``, and divide by what they have.

    Parameters
    ----------
    p : (..., v)
    share : float
        Above 0, at most 1: p of the paper.

    Returns
    -------
    (..., v)

    Examples
    --------
    >>> import torch
    >>> nucleus(torch.tensor([0.1, 0.5, 0.3, 0.1]), 0.7)  # 0.5 is not enough, 0.5 + 0.3 is
    tensor([0.0000, 0.6250, 0.3750, 0.0000])
    """
    if not 0 < share <= 1:
        raise ValueError(f"the share of the nucleus is above 0 and at most 1, found {share}")
    axes("p", p, "... v", least=1)
    ordered, place = p.sort(dim=-1, descending=True)
    before = ordered.cumsum(dim=-1) - ordered
    kept = ordered.masked_fill(before >= share, 0)
    return p.new_zeros(p.shape).scatter(-1, place, kept / kept.sum(dim=-1, keepdim=True))


def distribution(
    scores: Tensor, *, temperature: float = 1.0, k: int | None = None, share: float | None = None
) -> Tensor:
    """Return the probabilities from which to draw: temper, then keep the top k, then the nucleus of these.

    Parameters
    ----------
    scores : (..., v)
    temperature : float
    k : int, optional
        All words if not given.
    share : float, optional

    Returns
    -------
    (..., v)

    Examples
    --------
    >>> import torch
    >>> distribution(torch.tensor([0.4, 0.3, 0.2, 0.1]).log(), k=3, share=0.7)
    tensor([0.5714, 0.4286, 0.0000, 0.0000])
    """
    p = temper(scores, temperature)
    p = p if k is None else top_k(p, k)
    return p if share is None else nucleus(p, share)
