"""A decoder without an encoder, which reads a text and predicts what comes next: Radford et al. (2018), "GPT".

Norms stand before the sub-layers and once at the end, as in its successor (Radford et al., 2019, section 2.3);
positions are learned.
Axes: b texts, t units, v vocabulary, m model.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.sequences._drawn import embedding
from dlbook.sequences.sampling import distribution
from dlbook.sequences.transformer import EncoderLayer

__all__ = ["GPT"]

Caches = list[tuple[Tensor, Tensor]]


class GPT(nn.Module):
    """Layers of causal self-attention over a text, and scores of the next unit after each.

    Parameters
    ----------
    vocabulary_size, context : int
        How many units there are, and how many it can read at once.
    d_model, n_heads, n_layers : int
    d_ff : int, optional
        4 d_model if not given.
    dropout : float
    generator : torch.Generator, optional
        Draws all weights.
    device, dtype : optional

    Attributes
    ----------
    embedding : nn.Embedding
        Also the weights of the scores.
    positions : nn.Embedding
    layers : nn.ModuleList of EncoderLayer
    norm : nn.LayerNorm

    Examples
    --------
    >>> model = GPT(vocabulary_size=11, context=8, d_model=6, n_heads=3, n_layers=2)
    >>> text = torch.tensor([[7, 4, 2, 9], [6, 2, 0, 1]])
    >>> model(text).shape, model.log_prob(text).shape
    (torch.Size([2, 4, 11]), torch.Size([2, 3]))
    >>> model.generate(text, 20, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([2, 24])
    """

    def __init__(
        self,
        vocabulary_size: int,
        context: int,
        d_model: int,
        n_heads: int,
        n_layers: int,
        *,
        d_ff: int | None = None,
        dropout: float = 0.0,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(vocabulary_size, context, n_layers) < 1:
            found = f"{vocabulary_size}, {context} and {n_layers}"
            raise ValueError(f"vocabulary_size, context and n_layers are at least 1, found {found}")
        self.context = context
        self.embedding = embedding(vocabulary_size, d_model, generator, device, dtype)
        self.positions = embedding(context, d_model, generator, device, dtype)
        self.layers = nn.ModuleList(
            EncoderLayer(
                d_model, n_heads, 4 * d_model if d_ff is None else d_ff, dropout, norm_first=True, activation=F.gelu,
                generator=generator, device=device, dtype=dtype,
            )
            for _ in range(n_layers)
        )  # fmt: skip
        self.norm = nn.LayerNorm(d_model, device=device, dtype=dtype)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map units (b, t) to scores (b, t, v) of what follows each."""
        x = self._enter(tokens, 0)
        for layer in self.layers:
            x = layer(x, causal=True)
        return self._score(x)

    def log_prob(self, tokens: Tensor) -> Tensor:
        """Return log p in nats (b, t - 1) of every unit of ``tokens`` (b, t) but the first, given those before it."""
        _, t = axes("tokens", tokens, "b t", least=1)
        if t < 2:
            raise ValueError(f"the first unit has no probability, tokens is (b, t) with t >= 2, found {t}")
        log_p = self(tokens[:, :-1]).log_softmax(dim=-1)
        return cast(Tensor, log_p.take_along_dim(tokens[:, 1:, None], dim=-1)[:, :, 0])

    def extend(self, tokens: Tensor, past: Caches | None = None) -> tuple[Tensor, Caches]:
        """Read units (b, t) behind a past; return scores (b, t, v), those of the call, and the longer past.

        The past holds, for each layer, the keys and values (b, h, places, d) of all units so far.
        """
        x = self._enter(tokens, past[0][0].shape[2] if past else 0)
        longer = []
        for place, layer in enumerate(self.layers):
            x, cache = cast(EncoderLayer, layer).extend(x, past[place] if past else None)
            longer.append(cache)
        return self._score(x), longer

    @torch.no_grad()
    def generate(
        self,
        prompt: Tensor,
        n: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        generator: Generator,
        cache: bool = True,
    ) -> Tensor:
        """Return texts (b, t + n) that begin with the prompt (b, t) and go on with ``n`` units that were drawn.

        Where the context is full, the older half is forgotten and the rest is read again from position 0. A prompt
        that is longer than the context is read from ``context`` units before its end.

        Parameters
        ----------
        prompt : (b, t) int64
        n : int
        temperature, top_k, top_p
            See :func:`~dlbook.sequences.sampling.distribution`.
        generator : torch.Generator
        cache : bool
            Keep keys and values. Without, all that is in the context is computed anew for every unit: the same draws,
            for the price of ``context`` steps at each one.
        """
        _, t = axes("prompt", prompt, "b t", least=1)
        text, past, start = prompt, None, max(0, t - self.context)
        read = start  # what the cache holds ends here
        for _ in range(n):
            if text.shape[1] - start > self.context:
                start = text.shape[1] - (self.context + 1) // 2
                past, read = None, start
            if cache:
                scores, past = self.extend(text[:, read:], past)
                read = text.shape[1]
            else:
                scores = self(text[:, start:])
            p = distribution(scores[:, -1], temperature=temperature, k=top_k, share=top_p)
            drawn = torch.multinomial(p.to(generator.device), 1, generator=generator)
            text = torch.cat([text, drawn.to(text.device)], dim=1)
        return text

    def _enter(self, tokens: Tensor, first: int) -> Tensor:
        _, t = axes("tokens", tokens, "b t", least=1)
        if first + t > self.context:
            raise ValueError(f"the model reads {self.context} units at once (context), found {first + t}")
        places = torch.arange(first, first + t, device=tokens.device)
        return cast(Tensor, self.dropout(self.embedding(tokens) + self.positions(places)))

    def _score(self, x: Tensor) -> Tensor:
        return F.linear(self.norm(x), self.embedding.weight)
