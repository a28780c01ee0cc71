"""Multi-head attention: Vaswani et al. (2017), arXiv:1706.03762, section 3.2.2.

Paper → code: h → ``n_heads``; W^Q, W^K, W^V of all heads, transposed and stacked → ``in_proj_weight``; W^O →
``out_proj``; both names are torch's.  Axes: b batch, q queries, k keys, m model, h heads, d features of a head; m = hd.
"""

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import undrawn, uniform_
from dlbook.sequences.attention import dot_product_attention, fused_attention

__all__ = ["MultiHeadAttention"]


class MultiHeadAttention(nn.Module):
    """Several attentions side by side, each in its own slice of the features: parameters of torch's MultiheadAttention.

    Parameters
    ----------
    d_model, n_heads : int
        Every head has d_model / n_heads features.
    bias : bool
    generator : torch.Generator, optional
        Draws weights as torch does: uniform in ±√(6 / 4 d_model) for the three maps in, ±1/√d_model for the one out.
        Biases are zero.
    device, dtype : optional

    Attributes
    ----------
    in_proj_weight : (3 m, m)
        Rows for queries, then keys, then values; within each, head after head.
    in_proj_bias : (3 m,), or None
    out_proj : nn.Linear

    Examples
    --------
    >>> look = MultiHeadAttention(d_model=6, n_heads=3)
    >>> words, memory = torch.zeros(2, 5, 6), torch.zeros(2, 7, 6)
    >>> output, weights = look(words, memory, memory, need_weights=True)
    >>> output.shape, weights.shape
    (torch.Size([2, 5, 6]), torch.Size([2, 3, 5, 7]))
    """

    in_proj_bias: Tensor | None

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        bias: bool = True,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(d_model, n_heads) < 1 or d_model % n_heads:
            raise ValueError(f"d_model is a multiple of n_heads, found {d_model} and {n_heads}")
        self.d_model, self.n_heads = d_model, n_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * d_model, d_model, device=device, dtype=dtype))
        self.register_parameter(
            "in_proj_bias", nn.Parameter(torch.zeros(3 * d_model, device=device, dtype=dtype)) if bias else None
        )
        self.out_proj = undrawn(nn.Linear, d_model, d_model, bias=bias, device=device, dtype=dtype)
        uniform_(self.in_proj_weight, (6 / (4 * d_model)) ** 0.5, generator)
        uniform_(self.out_proj.weight, d_model**-0.5, generator)
        if bias:
            nn.init.zeros_(self.out_proj.bias)

    def extra_repr(self) -> str:
        """Name the two sizes."""
        return f"{self.d_model}, {self.n_heads}"

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Let every query look at the keys, with all heads, and mix what the heads found.

        Parameters
        ----------
        query : (b, q, m)
        key, value : (b, k, m)
        mask : bool, broadcasts to (b, q, k), optional
            True where a query may look at a key. (In torch's module True is where it may not.)
        causal : bool
            Query i looks at keys 0 to i only, in addition to what the mask says.
        need_weights : bool
            Without them a fused kernel is used, which never stores them.

        Returns
        -------
        output : (b, q, m)
        weights : (b, h, q, k), or None
        """
        if query is key is value:  # one product for all three
            axes("query", query, "b q m", m=self.d_model, least=1)
            heads, keys, values = self._project(query, 0, 3)
        else:
            heads, (keys, values) = self.heads(query), self.prepare(key, value)
        return self.attend(heads, keys, values, mask, causal=causal, need_weights=need_weights)

    def heads(self, query: Tensor) -> Tensor:
        """Return the queries (b, q, m) as every head sees them (b, h, q, d)."""
        axes("query", query, "b q m", m=self.d_model, least=1)
        return self._project(query, 0, 1)[0]

    def prepare(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys and values (b, k, m) as every head sees them (b, h, k, d): what a cache keeps."""
        b, k, _ = axes("key", key, "b k m", m=self.d_model, least=1)
        if key is value:
            keys, values = self._project(key, 1, 3)
            return keys, values
        axes("value", value, "b k m", b=b, k=k, m=self.d_model)
        return self._project(key, 1, 2)[0], self._project(value, 2, 3)[0]

    def attend(
        self,
        heads: Tensor,
        keys: Tensor,
        values: Tensor,
        mask: Tensor | None = None,
        *,
        causal: bool = False,
        need_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Look with projected queries (b, h, q, d) at projected keys and values (b, h, k, d); results as the call's."""
        q, k = heads.shape[2], keys.shape[2]
        if causal and mask is None and not need_weights and q == k:
            found, weights = F.scaled_dot_product_attention(heads, keys, values, is_causal=True), None
        else:
            if causal:
                past = torch.ones(q, k, dtype=torch.bool, device=heads.device).tril()
                mask = past if mask is None else mask & past
            if mask is not None:
                mask = mask.unsqueeze(-3)  # one for all heads
            if need_weights:
                found, weights = dot_product_attention(heads, keys, values, mask)
            else:
                found, weights = fused_attention(heads, keys, values, mask), None
        return self.out_proj(rearrange(found, "b h q d -> b q (h d)")), weights

    def _project(self, x: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        """Return the heads (b, h, t, d) of the maps ``first`` to ``last`` of: queries, keys, values."""
        rows = slice(first * self.d_model, last * self.d_model)
        bias = None if self.in_proj_bias is None else self.in_proj_bias[rows]
        together = F.linear(x, self.in_proj_weight[rows], bias)
        return rearrange(together, "b t (n h d) -> n b h t d", n=last - first, h=self.n_heads).unbind(0)
