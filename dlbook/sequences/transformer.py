"""The Transformer, encoder and decoder: Vaswani et al. (2017), arXiv:1706.03762.

Paper → code: N → ``n_layers``; h → ``n_heads``; d_ff → ``d_ff``; P_drop → ``dropout``, on the output of every sub-layer
and on the sum of embedding and position (section 5.4), nowhere else.  ``norm_first`` is the "Pre-LN" of Xiong et al.
(2020), arXiv:2002.04745; without it, the norms stand where the first paper has them.  A layer takes the state of
``torch.nn.TransformerEncoderLayer`` or ``TransformerDecoderLayer`` and gives the same numbers.
Axes: b sentences, s words of the source, t of the target, v of the vocabulary, m model, h heads, d features of a head.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.sequences._drawn import embedding, linear
from dlbook.sequences.beam_search import State
from dlbook.sequences.multi_head import MultiHeadAttention
from dlbook.sequences.positions import sinusoids
from dlbook.sequences.seq2seq import shift_right
from dlbook.sequences.vocabulary import PAD

__all__ = ["DecoderLayer", "EncoderLayer", "Look", "Transformer"]

Cache = tuple[Tensor, Tensor]  # keys and values (b, h, places so far, d)
T = TypeVar("T")


class _Layer(nn.Module):
    """What both kinds of layer have: self-attention, a network for each place, and a way round every sub-layer."""

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int,
        dropout: float,
        norm_first: bool,
        activation: Callable[[Tensor], Tensor],
        generator: Generator | None,
        device: torch.device | str | None,
        dtype: torch.dtype | None,
    ) -> None:
        super().__init__()
        self.self_attn = MultiHeadAttention(d_model, n_heads, generator=generator, device=device, dtype=dtype)
        self.linear1 = linear(d_model, d_ff, generator, device, dtype)
        self.linear2 = linear(d_ff, d_model, generator, device, dtype)
        self.norm1 = nn.LayerNorm(d_model, device=device, dtype=dtype)
        self.norm2 = nn.LayerNorm(d_model, device=device, dtype=dtype)
        self.dropout = nn.Dropout(dropout)
        self.activation, self.norm_first = activation, norm_first

    def _around(self, x: Tensor, norm: nn.Module, sublayer: Callable[[Tensor], tuple[Tensor, T]]) -> tuple[Tensor, T]:
        """Add what a sub-layer says to what it was told, with the norm before the sub-layer or after the sum."""
        said, besides = sublayer(norm(x) if self.norm_first else x)
        x = x + self.dropout(said)
        return x if self.norm_first else norm(x), besides

    def _feed(self, x: Tensor) -> tuple[Tensor, None]:
        """Pass every place on its own through the network of eq. (2)."""
        return self.linear2(self.activation(self.linear1(x))), None

    def _look_back(self, x: Tensor, past: Cache | None) -> tuple[Tensor, Cache]:
        """Let new places (b, t, m) look at the past, at themselves and at those before them; return the longer past."""
        keys, values = self.self_attn.prepare(x, x)
        before = 0 if past is None else past[0].shape[2]
        if past is not None:
            keys, values = torch.cat([past[0], keys], dim=2), torch.cat([past[1], values], dim=2)
        t = x.shape[1]
        mask = None
        if before and t > 1:
            mask = torch.ones(t, before + t, dtype=torch.bool, device=x.device).tril(before)
        heads = self.self_attn.heads(x)
        return self.self_attn.attend(heads, keys, values, mask, causal=not before)[0], (keys, values)


class EncoderLayer(_Layer):
    """Self-attention, then a network at each place: parameters and numbers of ``torch.nn.TransformerEncoderLayer``.

    With ``causal=True`` it is the layer of a decoder that has no encoder.

    Parameters
    ----------
    d_model, n_heads, d_ff : int
    dropout : float
        Probability that a unit of a sub-layer's output is dropped. (Torch's layer drops attention weights and hidden
        units as well.)
    norm_first : bool
        Normalize what a sub-layer reads, not the sum behind it.
    activation : callable
    generator, device, dtype : optional

    Examples
    --------
    >>> layer = EncoderLayer(6, 3, 10)
    >>> layer(torch.zeros(2, 5, 6)).shape
    torch.Size([2, 5, 6])
    >>> layer.load_state_dict(nn.TransformerEncoderLayer(6, 3, 10).state_dict())
    <All keys matched successfully>
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int = 2048,
        dropout: float = 0.1,
        *,
        norm_first: bool = False,
        activation: Callable[[Tensor], Tensor] = F.relu,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(d_model, n_heads, d_ff, dropout, norm_first, activation, generator, device, dtype)

    def forward(self, x: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> Tensor:
        """Map (b, t, m) to (b, t, m); ``mask``, bool, broadcasts to (b, t, t) and is True where one may look."""
        x, _ = self._around(x, self.norm1, lambda y: self.self_attn(y, y, y, mask, causal=causal))
        return self._around(x, self.norm2, self._feed)[0]

    def watch(self, x: Tensor, mask: Tensor | None = None, *, causal: bool = False) -> tuple[Tensor, Tensor]:
        """Return the output as the call does, and the weights with which the heads looked (b, h, t, t)."""
        x, weights = self._around(
            x, self.norm1, lambda y: self.self_attn(y, y, y, mask, causal=causal, need_weights=True)
        )
        return self._around(x, self.norm2, self._feed)[0], weights

    def extend(self, x: Tensor, past: Cache | None = None) -> tuple[Tensor, Cache]:
        """Map places (b, t, m) that follow a past; they see it, themselves and those before them.

        Parameters
        ----------
        x : (b, t, m)
        past : pair of (b, h, p, d), optional
            Keys and values of the p places before, as the last call returned them.

        Returns
        -------
        output : (b, t, m)
            What ``forward(..., causal=True)`` says at these places.
        past : pair of (b, h, p + t, d)
        """
        x, longer = self._around(x, self.norm1, lambda y: self._look_back(y, past))
        return self._around(x, self.norm2, self._feed)[0], longer


class DecoderLayer(_Layer):
    """Self-attention, attention to a memory, then a network: as ``torch.nn.TransformerDecoderLayer``.

    Parameters as for :class:`EncoderLayer`.

    Examples
    --------
    >>> layer = DecoderLayer(6, 3, 10)
    >>> layer(torch.zeros(2, 5, 6), memory=torch.zeros(2, 7, 6), causal=True).shape
    torch.Size([2, 5, 6])
    """

    def __init__(
        self,
        d_model: int,
        n_heads: int,
        d_ff: int = 2048,
        dropout: float = 0.1,
        *,
        norm_first: bool = False,
        activation: Callable[[Tensor], Tensor] = F.relu,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(d_model, n_heads, d_ff, dropout, norm_first, activation, generator, device, dtype)
        self.multihead_attn = MultiHeadAttention(d_model, n_heads, generator=generator, device=device, dtype=dtype)
        self.norm3 = nn.LayerNorm(d_model, device=device, dtype=dtype)

    def forward(
        self,
        x: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        *,
        causal: bool = False,
    ) -> Tensor:
        """Map (b, t, m), with a memory (b, s, m), to (b, t, m).

        The masks, bool, broadcast to (b, t, t) and (b, t, s), and are True where one may look.
        """
        x, _ = self._around(x, self.norm1, lambda y: self.self_attn(y, y, y, mask, causal=causal))
        x, _ = self._around(x, self.norm2, lambda y: self.multihead_attn(y, memory, memory, memory_mask))
        return self._around(x, self.norm3, self._feed)[0]

    def watch(
        self, x: Tensor, memory: Tensor, mask: Tensor | None = None, memory_mask: Tensor | None = None, *,
        causal: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Return the output as the call does, and how the heads looked: at the output (b, h, t, t), at the memory."""
        x, own = self._around(x, self.norm1, lambda y: self.self_attn(y, y, y, mask, causal=causal, need_weights=True))
        x, across = self._around(
            x, self.norm2, lambda y: self.multihead_attn(y, memory, memory, memory_mask, need_weights=True)
        )
        return self._around(x, self.norm3, self._feed)[0], own, across

    def extend(
        self, x: Tensor, memory: Cache, past: Cache | None = None, memory_mask: Tensor | None = None
    ) -> tuple[Tensor, Cache]:
        """Map places (b, t, m) that follow a past, as in :meth:`EncoderLayer.extend`, with a prepared memory.

        ``memory`` is what ``multihead_attn.prepare`` makes of it, a pair of (b, h, s, d).
        """
        attention = self.multihead_attn
        x, longer = self._around(x, self.norm1, lambda y: self._look_back(y, past))
        x, _ = self._around(x, self.norm2, lambda y: attention.attend(attention.heads(y), *memory, memory_mask))
        return self._around(x, self.norm3, self._feed)[0], longer


class Look(NamedTuple):
    """Attention weights of a sentence and its translation, a tensor for each layer."""

    encoder: list[Tensor]  # (b, h, s, s)
    decoder: list[Tensor]  # (b, h, t, t)
    across: list[Tensor]  # (b, h, t, s)


class Transformer(nn.Module):
    """A translator without recurrence; the defaults are the base model of the paper.

    Parameters
    ----------
    source_size, target_size : int
        Words of the two vocabularies.
    d_model, n_heads, n_layers, d_ff : int
    dropout : float
    norm_first : bool
        If so, a norm follows the last layer of the encoder and of the decoder, too.
    shared : bool
        One embedding for both vocabularies, which are then one. The scores are always products with the embedding of
        the target (section 3.4).
    longest : int
        Positions that a sentence may have, on either side.
    generator : torch.Generator, optional
        Draws all weights.
    device, dtype : optional

    Examples
    --------
    >>> model = Transformer(11, 13, d_model=6, n_heads=3, n_layers=1, d_ff=10)
    >>> source, target = torch.tensor([[7, 4, 2], [6, 2, 0]]), torch.tensor([[8, 2], [9, 2]])
    >>> model(source, shift_right(target)).shape, model.log_prob(source, target).shape
    (torch.Size([2, 2, 13]), torch.Size([2]))
    """

    codes: Tensor

    def __init__(
        self,
        source_size: int,
        target_size: int,
        d_model: int = 512,
        n_heads: int = 8,
        n_layers: int = 6,
        d_ff: int = 2048,
        dropout: float = 0.1,
        *,
        norm_first: bool = False,
        shared: bool = False,
        longest: int = 512,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if shared and source_size != target_size:
            raise ValueError(f"a shared vocabulary has one size, found {source_size} and {target_size}")
        if n_layers < 1:
            raise ValueError(f"there is at least one layer, found n_layers = {n_layers}")
        self.d_model, self.longest = d_model, longest
        self.source_embedding = embedding(source_size, d_model, generator, device, dtype)
        self.target_embedding = (
            self.source_embedding if shared else embedding(target_size, d_model, generator, device, dtype)
        )
        options = {"norm_first": norm_first, "generator": generator, "device": device, "dtype": dtype}
        sizes = d_model, n_heads, d_ff, dropout
        self.encoder = nn.ModuleList(EncoderLayer(*sizes, **options) for _ in range(n_layers))  # type: ignore[arg-type]
        self.decoder = nn.ModuleList(DecoderLayer(*sizes, **options) for _ in range(n_layers))  # type: ignore[arg-type]
        self.encoder_norm, self.decoder_norm = (
            nn.LayerNorm(d_model, device=device, dtype=dtype) if norm_first else nn.Identity() for _ in range(2)
        )
        self.dropout = nn.Dropout(dropout)
        codes = sinusoids(longest, d_model, device=device, dtype=dtype)
        self.register_buffer("codes", codes, persistent=False)
        self.register_load_state_dict_post_hook(_renew_codes)

    def encode(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, s) to the memory (b, s, m) and the mask of what is not padding (b, 1, s)."""
        axes("source", source, "b s", least=1)
        mask = (source != PAD)[:, None, :]
        x = self._enter(source, self.source_embedding)
        for layer in self.encoder:
            x = layer(x, mask)
        return self.encoder_norm(x), mask

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """Map (b, s), and the target shifted to the right (b, t), to scores (b, t, v), all places at once."""
        memory, mask = self.encode(source)
        axes("target_in", target_in, "b t", b=len(source), least=1)
        x = self._enter(target_in, self.target_embedding)
        for layer in self.decoder:
            x = layer(x, memory, memory_mask=mask, causal=True)  # padding comes last: no word can see it
        return self._score(x)

    def log_prob(self, source: Tensor, target: Tensor) -> Tensor:
        """Return log p(target | source) in nats (b,), of whole sequences ``target`` (b, t) with their ``END``."""
        b, _ = axes("source", source, "b s", least=1)
        axes("target", target, "b t", b=b, least=1)
        log_p = self(source, shift_right(target)).log_softmax(dim=-1)
        each = log_p.take_along_dim(target[:, :, None], dim=-1)[:, :, 0]
        return cast(Tensor, each.masked_fill(target == PAD, 0).sum(dim=1))

    def watch(self, source: Tensor, target_in: Tensor) -> Look:
        """Return all the weights with which the heads look while the truth is fed."""
        mask = (source != PAD)[:, None, :]
        x, look = self._enter(source, self.source_embedding), Look([], [], [])
        for layer in self.encoder:
            x, weights = cast(EncoderLayer, layer).watch(x, mask)
            look.encoder.append(weights)
        memory = self.encoder_norm(x)
        x = self._enter(target_in, self.target_embedding)
        for layer in self.decoder:
            x, own, across = cast(DecoderLayer, layer).watch(x, memory, memory_mask=mask, causal=True)
            look.decoder.append(own)
            look.across.append(across)
        return look

    def start(self, source: Tensor) -> State:
        """Return the state before the first word: the mask, and for each layer the memory's and its own cache."""
        memory, mask = self.encode(source)
        prepared = [cast(DecoderLayer, layer).multihead_attn.prepare(memory, memory) for layer in self.decoder]
        return mask, tuple((*both, *(part[:, :, :0] for part in both)) for both in prepared)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (b, v) of what follows ``tokens`` (b,), and the state with one more place."""
        mask, caches = cast(tuple[Tensor, tuple[tuple[Tensor, ...], ...]], state)
        x = self._enter(tokens[:, None], self.target_embedding, first=caches[0][2].shape[2])
        longer = []
        for layer, (keys, values, *past) in zip(self.decoder, caches, strict=True):
            x, own = cast(DecoderLayer, layer).extend(x, (keys, values), cast(Cache, tuple(past)), mask)
            longer.append((keys, values, *own))
        return self._score(x)[:, 0].log_softmax(dim=-1), (mask, tuple(longer))

    def _enter(self, words: Tensor, embedding: nn.Embedding, first: int = 0) -> Tensor:
        """Return embedding times √d_model plus position (b, t, m), section 3.4."""
        end = first + words.shape[1]
        if end > self.longest:
            raise ValueError(f"the model has {self.longest} positions (longest), found a sentence of {end}")
        return cast(Tensor, self.dropout(embedding(words) * self.d_model**0.5 + self.codes[first:end]))

    def _score(self, x: Tensor) -> Tensor:
        return F.linear(self.decoder_norm(x), self.target_embedding.weight)


def _renew_codes(module: nn.Module, _: Any) -> None:
    """Write the codes of positions anew where the weights are: after ``to_empty`` they would be what was in memory."""
    model = cast(Transformer, module)
    weight = model.source_embedding.weight
    model.codes = sinusoids(model.longest, model.d_model, device=weight.device, dtype=weight.dtype)
