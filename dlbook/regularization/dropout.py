"""Dropout: Hinton et al. (2012), arXiv:1207.0580, and Srivastava et al. (2014), JMLR 15, pages 1929-1958.

Paper → code: their p is the probability of *keeping* a unit, ours, like torch's, that of dropping it: p = 1 - p(paper).
They multiply the weights by p(paper) at test time; we divide what is kept by 1 - p in training ("inverted" dropout),
so that nothing changes at test time.  r → ``mask``.  The penalty is that of Wager, Wang, Liang (2013),
arXiv:1307.1493.  Axes: b examples, n units that may be dropped, k outputs, m masks.
"""

from collections.abc import Callable
from itertools import product

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes

__all__ = ["Dropout", "all_masks", "average_over_masks", "dropout", "mask_probabilities", "quadratic_penalty"]

MOST_UNITS = 20  # 2^20 masks are a million


def dropout(
    x: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False, *, generator: Generator | None
) -> Tensor:
    """Set each number to zero with probability ``p`` and divide the others by ``1 - p``; without training, nothing.

    Parameters
    ----------
    x : any shape
    p : float
        Probability of being dropped, in [0, 1].
    training, inplace : bool
        As in ``torch.nn.functional.dropout``.
    generator : torch.Generator or None
        Draws the mask where the generator lives, so that a seed gives one mask on every device; ``None`` is torch's own
        stream, and torch's fused kernel. ``torch.compile`` traces no generator: compile with ``None``.

    Examples
    --------
    >>> dropout(torch.ones(6), 0.5, generator=torch.Generator().manual_seed(0))
    tensor([0., 2., 0., 0., 0., 2.])
    """
    if generator is None or not training or p == 0:
        return F.dropout(x, p, training, inplace)
    _check_probability(p)
    keep = torch.rand(x.shape, generator=generator, device=generator.device) >= p
    mask = keep.to(x.device, x.dtype) * (1 / (1 - p) if p < 1 else 0.0)
    return x.mul_(mask) if inplace else x * mask


class Dropout(nn.Module):
    """:func:`dropout` as a layer: arguments and numbers of ``torch.nn.Dropout``, with a stream of its own on demand.

    Parameters
    ----------
    p : float
        Probability of being dropped, in [0, 1].
    inplace : bool
    generator : torch.Generator, optional
        Draws the masks, and is saved and restored with a checkpoint of :func:`dlbook.training.fit`. A deep copy has its
        own, in the same state.

    Raises
    ------
    ValueError
        If ``p`` is not in [0, 1].

    Examples
    --------
    >>> layer = Dropout(0.5, generator=torch.Generator().manual_seed(0))
    >>> layer(torch.ones(6)), layer.eval()(torch.ones(6))
    (tensor([0., 2., 0., 0., 0., 2.]), tensor([1., 1., 1., 1., 1., 1.]))
    """

    def __init__(self, p: float = 0.5, inplace: bool = False, *, generator: Generator | None = None) -> None:
        super().__init__()
        _check_probability(p)
        self.p, self.inplace, self.generator = p, inplace, generator

    def extra_repr(self) -> str:
        """Name the probability."""
        return f"p={self.p}, inplace={self.inplace}"

    def forward(self, x: Tensor) -> Tensor:
        """Drop in training, pass on in evaluation."""
        return dropout(x, self.p, self.training, self.inplace, generator=self.generator)


def all_masks(n: int, *, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """Return all masks of ``n`` units, (2^n, n): one row a thinned network, 1 where a unit is kept.

    Raises
    ------
    ValueError
        If ``n`` is not between 1 and 20.

    Examples
    --------
    >>> all_masks(2)
    tensor([[0., 0.],
            [0., 1.],
            [1., 0.],
            [1., 1.]])
    """
    if not 1 <= n <= MOST_UNITS:
        raise ValueError(f"n is between 1 and {MOST_UNITS}, for there are 2^n masks, found {n}")
    return torch.tensor(list(product((0.0, 1.0), repeat=n)), device=device, dtype=dtype)


def mask_probabilities(masks: Tensor, p: float = 0.5) -> Tensor:
    """Return the probability of each mask (m, n) of zeros and ones if units are dropped with probability ``p``: (m,).

    Raises
    ------
    ValueError
        If ``p`` is not in [0, 1].

    Examples
    --------
    >>> mask_probabilities(all_masks(2), 0.25)
    tensor([0.0625, 0.1875, 0.1875, 0.5625])
    """
    axes("masks", masks, "m n")
    _check_probability(p)
    return (masks * (1 - p) + (1 - masks) * p).prod(dim=1)


def average_over_masks(f: Callable[[Tensor], Tensor], h: Tensor, p: float = 0.5, *, chunk: int = 256) -> Tensor:
    """Return the exact mean of ``f(mask * h / (1 - p))`` over all masks of the n units, each with its probability.

    With ``f`` that ends in probabilities this is the arithmetic mean of all thinned networks. With logarithms of
    probabilities it is the logarithm of their geometric mean, up to a constant that a softmax removes.

    Parameters
    ----------
    f : callable
        Maps (m, b, n) to (m, b, k), each row by itself: the part of the network above the units.
    h : (b, n)
        The units, n at most 20.
    p : float
        Probability of being dropped, in [0, 1).
    chunk : int
        How many masks are computed at a time.

    Returns
    -------
    mean : (b, k)

    Examples
    --------
    >>> h = torch.tensor([[1.0, 2.0]])
    >>> average_over_masks(lambda h: h, h)
    tensor([[1., 2.]])
    >>> average_over_masks(lambda h: h**2, h)  # (2 h)^2 in half of the masks
    tensor([[2., 8.]])
    """
    _, n = axes("h", h, "b n")
    if not 0 <= p < 1:
        raise ValueError(f"p is a probability of dropping in [0, 1), found {p}")
    masks = all_masks(n, device=h.device, dtype=h.dtype)
    shares = mask_probabilities(masks, p)
    parts = (
        torch.einsum("m,mbk->bk", share, f(mask[:, None, :] * h / (1 - p)))
        for mask, share in zip(masks.split(chunk), shares.split(chunk), strict=True)
    )
    return torch.stack(list(parts)).sum(dim=0)


def quadratic_penalty(x: Tensor, weight: Tensor, curvature: Tensor, p: float = 0.5) -> Tensor:
    """Return what dropout on the inputs of a linear score adds to the mean loss, to second order.

    The regularizer of Wager et al. (2013). With scores s = x · weight, noise of variance p / (1 - p) on each input
    changes the loss of an example by half its second derivative times the variance of the score:

        p / (2 (1 - p)) · mean over b of curvature · Σ_n (x · weight)²

    Exact for squared errors; the first term of a series for others.

    Parameters
    ----------
    x : (b, n)
    weight : (n,)
    curvature : (b,)
        Second derivative of each example's loss with respect to its score: 2 for a squared error, π (1 - π) for the
        logistic loss at probability π.
    p : float
        Probability of being dropped, in [0, 1).

    Examples
    --------
    >>> quadratic_penalty(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 0.5]), torch.tensor([2.0]))
    tensor(10.)
    """
    b, n = axes("x", x, "b n")
    axes("weight", weight, "n", n=n)
    axes("curvature", curvature, "b", b=b)
    if not 0 <= p < 1:
        raise ValueError(f"p is a probability of dropping in [0, 1), found {p}")
    variance = p / (1 - p) * (x**2 @ weight**2)  # of each score
    return (curvature * variance).mean() / 2


def _check_probability(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"p is a probability of dropping in [0, 1], found {p}")
