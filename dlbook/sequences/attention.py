"""Attention: look up an answer in a memory of keys and values, softly.

A query is scored against every key, the scores become weights that sum to one, and the values are averaged with them.
Three scores: the dot product over √d of Vaswani et al. (2017), arXiv:1706.03762, eq. (1); v·tanh(W s + U h) of Bahdanau
et al. (2014), arXiv:1409.0473, appendix A.1.2; and s·W h of Luong et al. (2015), arXiv:1508.04025, section 3.1.
Paper → code: Q, s → query; K, h → key and value; α → weights; c → output.
Axes: q queries, k keys, d features, v value size, n hidden units of a score.
"""

import math

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import undrawn, uniform_

__all__ = [
    "AdditiveAttention",
    "MultiplicativeAttention",
    "dot_product_attention",
    "fused_attention",
    "weighted_average",
]


def weighted_average(scores: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Average the values, weighted by the softmax of the scores over those keys at which a query may look.

    Parameters
    ----------
    scores : (..., q, k)
    value : (..., k, v)
    mask : bool, broadcasts to (..., q, k), optional
        True where a query may look at a key.

    Returns
    -------
    output : (..., q, v)
    weights : (..., q, k)
        Every row sums to one, and is zero where the mask is False.

    Raises
    ------
    ValueError
        If a query may look at no key: its weights would be 0/0. Values are read only where that costs nothing to speak
        of, on a CPU and outside of ``torch.compile`` and ``vmap``; elsewhere the row comes out as nan.

    Examples
    --------
    >>> scores, value = torch.tensor([[0.0, 0.0, 9.0]]), torch.tensor([[1.0], [2.0], [3.0]])
    >>> weighted_average(scores, value, mask=torch.tensor([True, True, False]))
    (tensor([[1.5000]]), tensor([[0.5000, 0.5000, 0.0000]]))
    """
    q, k = axes("scores", scores, "... q k", least=1)[-2:]
    axes("value", value, "... k v", k=k)
    if mask is not None:
        _check_mask(mask, q, k)
        scores = scores.masked_fill(~mask, -math.inf)  # not -1e9, which overflows in float16
    weights = scores.softmax(dim=-1)
    return weights @ value, weights


def dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Average the values, each weighted by how well its key matches the query, and say how much each weighed.

    Parameters
    ----------
    query : (..., q, d)
    key : (..., k, d)
    value : (..., k, v)
    mask : bool, broadcasts to (..., q, k), optional
        True where a query may look at a key; a row without any is treated as in :func:`weighted_average`.

    Returns
    -------
    output : (..., q, v)
    weights : (..., q, k)

    Examples
    --------
    >>> query, key = torch.tensor([[2.0, 0, 0, 0]]), torch.tensor([[math.log(3), 0, 0, 0], [0.0, 0, 0, 0]])
    >>> output, weights = dot_product_attention(query, key, value=torch.tensor([[8.0], [4.0]]))
    >>> [round(w, 3) for w in weights[0].tolist()], round(output.item(), 3)
    ([0.75, 0.25], 7.0)
    """
    _check_sizes(query, key, value)
    scores = query @ key.mT / math.sqrt(key.shape[-1])
    return weighted_average(scores, value, mask)


def fused_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the output of :func:`dot_product_attention` alone, by torch's kernel, which never stores the weights.

    Parameters
    ----------
    query : (..., q, d)
    key : (..., k, d)
    value : (..., k, v)
    mask : bool, broadcasts to (..., q, k), optional
        Where a row without any True is not seen (:func:`weighted_average`), this kernel's output is zero.

    Returns
    -------
    (..., q, v)

    Examples
    --------
    >>> query, key, value = torch.zeros(3, 4), torch.ones(2, 4), torch.tensor([[1.0], [2.0]])
    >>> fused_attention(query, key, value).flatten()
    tensor([1.5000, 1.5000, 1.5000])
    """
    q, k = _check_sizes(query, key, value)
    if mask is not None:
        _check_mask(mask, q, k)
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)


class AdditiveAttention(nn.Module):
    """Attention whose score is a small network: v·tanh(W s + U h), for a query s and a key h.

    Parameters
    ----------
    query_size, key_size : int
    hidden : int
        Units of the score's network.
    generator : torch.Generator, optional
        Draws the weights as ``torch.nn.Linear`` does, uniform in ±1/√(number of inputs).
    device, dtype : optional

    Attributes
    ----------
    query, key, score : nn.Linear
        W (hidden, query_size), U (hidden, key_size) and v (1, hidden), without biases.

    Examples
    --------
    >>> look = AdditiveAttention(query_size=3, key_size=5, hidden=7)
    >>> query, memory = torch.zeros(2, 11, 3), torch.zeros(2, 13, 5)
    >>> output, weights = look(query, memory, memory)
    >>> output.shape, weights.shape
    (torch.Size([2, 11, 5]), torch.Size([2, 11, 13]))
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        hidden: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(query_size, key_size, hidden) < 1:
            raise ValueError(f"sizes are at least 1, found {query_size}, {key_size} and {hidden}")
        self.query = undrawn(nn.Linear, query_size, hidden, bias=False, device=device, dtype=dtype)
        self.key = undrawn(nn.Linear, key_size, hidden, bias=False, device=device, dtype=dtype)
        self.score = undrawn(nn.Linear, hidden, 1, bias=False, device=device, dtype=dtype)
        for layer in (self.query, self.key, self.score):
            uniform_(layer.weight, layer.in_features**-0.5, generator)

    def prepare(self, key: Tensor) -> Tensor:
        """Return U h (..., k, hidden) for keys (..., k, key_size): what all queries share, computed once."""
        axes("key", key, "... k key_size", key_size=self.key.in_features)
        projected: Tensor = self.key(key)
        return projected

    def attend(
        self, query: Tensor, prepared: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look with queries (..., q, query_size) at prepared keys; value, mask and results as in the functions."""
        axes("query", query, "... q query_size", query_size=self.query.in_features)
        together = self.query(query).unsqueeze(-2) + prepared.unsqueeze(-3)  # (..., q, k, hidden)
        scores = self.score(together.tanh()).squeeze(-1)
        return weighted_average(scores, value, mask)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output (..., q, v) and the weights (..., q, k)."""
        return self.attend(query, self.prepare(key), value, mask)


class MultiplicativeAttention(nn.Module):
    """Attention whose score is a dot product after a linear map: s·W h / √d, for queries of d numbers.

    Parameters
    ----------
    query_size, key_size : int
    scaled : bool
        False leaves the root out: the "general" score as Luong et al. print it.
    generator : torch.Generator, optional
        Draws W as ``torch.nn.Linear`` does, uniform in ±1/√key_size.
    device, dtype : optional

    Attributes
    ----------
    key : nn.Linear
        W (query_size, key_size), without bias.

    Examples
    --------
    >>> look = MultiplicativeAttention(query_size=3, key_size=5)
    >>> query, memory = torch.zeros(2, 11, 3), torch.zeros(2, 13, 5)
    >>> look(query, memory, memory)[0].shape
    torch.Size([2, 11, 5])
    """

    def __init__(
        self,
        query_size: int,
        key_size: int,
        *,
        scaled: bool = True,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(query_size, key_size) < 1:
            raise ValueError(f"sizes are at least 1, found {query_size} and {key_size}")
        self.scale = query_size**-0.5 if scaled else 1.0
        self.key = undrawn(nn.Linear, key_size, query_size, bias=False, device=device, dtype=dtype)
        uniform_(self.key.weight, key_size**-0.5, generator)

    def prepare(self, key: Tensor) -> Tensor:
        """Return W h (..., k, query_size) for keys (..., k, key_size): what all queries share, computed once."""
        axes("key", key, "... k key_size", key_size=self.key.in_features)
        projected: Tensor = self.key(key)
        return projected

    def attend(
        self, query: Tensor, prepared: Tensor, value: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Look with queries (..., q, query_size) at prepared keys; value, mask and results as in the functions."""
        axes("query", query, "... q query_size", query_size=self.key.out_features)
        return weighted_average(query @ prepared.mT * self.scale, value, mask)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return the output (..., q, v) and the weights (..., q, k)."""
        return self.attend(query, self.prepare(key), value, mask)


def _check_sizes(query: Tensor, key: Tensor, value: Tensor) -> tuple[int, int]:
    """Return how many queries and keys there are, if the three fit."""
    q, d = axes("query", query, "... q d")[-2:]
    k, _ = axes("key", key, "... k d", d=d, least=1)[-2:]
    axes("value", value, "... k v", k=k)
    return q, k


def _check_mask(mask: Tensor, q: int, k: int) -> None:
    """Refuse a mask that is not bool, does not fit, or leaves a query nothing to look at."""
    rows, columns = (1, 1, *mask.shape)[-2:]
    if mask.dtype != torch.bool or rows not in (1, q) or columns not in (1, k):
        raise ValueError(f"mask is bool and broadcasts to (..., {q}, {k}), found {mask.dtype} {tuple(mask.shape)}")
    if torch.compiler.is_compiling() or mask.device.type != "cpu":
        return  # to read values here would break the graph or wait for the device
    try:
        blind = not mask.any(dim=-1).all()
    except RuntimeError:  # inside vmap a mask has no values
        return
    if blind:
        raise ValueError(f"a query sees no key: the mask {tuple(mask.shape)} has a row without any True")
