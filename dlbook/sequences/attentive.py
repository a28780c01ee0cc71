"""An encoder and a decoder that looks back: before each word of the output, an average of all states of the encoder.

The decoder is that of Luong et al. (2015), arXiv:1508.04025: first the recurrent layer, then the look, then eq. (5) and
(6). Its score is any of :mod:`dlbook.sequences.attention`, so with ``AdditiveAttention`` it has the look of Bahdanau et
al. (2014), arXiv:1409.0473, though they look before the recurrent step and feed the layer what they saw. Paper → code:
h̄ → memory; h → states; c → seen; h̃ → inner; α → weights.
Axes: b sentences, s words of the source, t of the target, v of the vocabulary, h units of a state, m of the memory's.
"""

from typing import NamedTuple, cast

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import normal_, undrawn, uniform_
from dlbook.sequences._drawn import Embedding
from dlbook.sequences.beam_search import State
from dlbook.sequences.gru import GRU
from dlbook.sequences.seq2seq import shift_right
from dlbook.sequences.vocabulary import PAD

__all__ = ["AttentiveDecoder", "AttentiveSeq2Seq", "Memory"]


class Memory(NamedTuple):
    """What a decoder can look at: the states of a sentence, made ready once."""

    states: Tensor  # (b, s, m)
    prepared: Tensor  # (b, s, n), what the score needs of them
    mask: Tensor  # (b, 1, s), True where there is a word


class AttentiveDecoder(nn.Module):
    """Read the words of the output so far, look at the source with the state behind each, and score what comes next.

    Parameters
    ----------
    vocabulary_size, embedding, hidden : int
    attention : AdditiveAttention or MultiplicativeAttention
        For queries of size ``hidden``; its keys have the size of the encoder's states.
    memory : int, optional
        Size of the encoder's states, by default ``hidden``.
    generator : torch.Generator, optional
        Draws all weights but those of ``attention``.
    device, dtype : optional

    Examples
    --------
    >>> from dlbook.sequences.attention import AdditiveAttention
    >>> decoder = AttentiveDecoder(13, 3, 5, AdditiveAttention(5, 5, 7))
    >>> states, source = torch.zeros(2, 11, 5), torch.ones(2, 11, dtype=torch.int64)
    >>> memory = decoder.memorize(states, source)
    >>> scores, state, weights = decoder(torch.tensor([[1, 7, 4], [1, 9, 2]]), torch.zeros(1, 2, 5), memory)
    >>> scores.shape, state.shape, weights.shape
    (torch.Size([2, 3, 13]), torch.Size([1, 2, 5]), torch.Size([2, 3, 11]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding: int,
        hidden: int,
        attention: nn.Module,
        *,
        memory: int | None = None,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.embedding = undrawn(Embedding, vocabulary_size, embedding, **place)
        self.layer = GRU(embedding, hidden, generator=generator, device=device, dtype=dtype)
        self.attention = attention
        self.inner = undrawn(nn.Linear, (memory or hidden) + hidden, embedding, **place)
        self.out = undrawn(nn.Linear, embedding, vocabulary_size, **place)
        for linear in (self.inner, self.out):
            for parameter in linear.parameters():
                uniform_(parameter, linear.in_features**-0.5, generator)
        self.out.weight = self.embedding.weight  # tied, as in the plain decoder
        normal_(self.embedding.weight, embedding**-0.5, generator)

    def memorize(self, states: Tensor, source: Tensor) -> Memory:
        """Make the encoder's states (b, s, m) ready to be looked at, but for those of padding in ``source`` (b, s)."""
        b, s, _ = axes("states", states, "b s m")
        axes("source", source, "b s", b=b, s=s)
        return Memory(states, self.attention.prepare(states), (source != PAD)[:, None])  # type: ignore[operator]

    def forward(self, tokens: Tensor, state: Tensor, memory: Memory) -> tuple[Tensor, Tensor, Tensor]:
        """Map words (b, t) and a state (1, b, h) to scores (b, t, v), the last state, and the weights (b, t, s)."""
        b, _ = axes("tokens", tokens, "b t", least=1)
        axes("state", state, "1 b h", b=b, h=self.layer.hidden_size)
        states, state = self.layer(self.embedding(tokens), state)
        seen, weights = self.attention.attend(  # type: ignore[operator]
            states, memory.prepared, memory.states, memory.mask
        )
        inner = torch.tanh(self.inner(torch.cat([seen, states], dim=-1)))  # eq. (5)
        return self.out(inner), state, weights


class AttentiveSeq2Seq(nn.Module):
    """A translator that looks back: the decoder gets the last state of the encoder, and may look at all of them.

    Parameters
    ----------
    encoder : Encoder
        Any module that maps a source (b, s) to its states (b, s, m) and a first state of the decoder (1, b, h).
    decoder : AttentiveDecoder

    Examples
    --------
    >>> from dlbook.sequences.attention import MultiplicativeAttention
    >>> from dlbook.sequences.seq2seq import Encoder
    >>> model = AttentiveSeq2Seq(Encoder(11, 3, 5), AttentiveDecoder(13, 3, 5, MultiplicativeAttention(5, 5)))
    >>> source, target = torch.tensor([[7, 4, 2], [6, 2, 0]]), torch.tensor([[8, 9, 9, 2], [9, 2, 0, 0]])
    >>> model(source, shift_right(target)).shape, model.align(source, target).shape
    (torch.Size([2, 4, 13]), torch.Size([2, 4, 3]))
    """

    def __init__(self, encoder: nn.Module, decoder: AttentiveDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def read(self, source: Tensor) -> tuple[Tensor, Memory]:
        """Return the first state of the decoder (1, b, h), and what it may look at."""
        states, last = self.encoder(source)
        return last, self.decoder.memorize(states, source)

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """Map (b, s), and the target shifted to the right (b, t), to scores (b, t, v): the truth is fed."""
        scores: Tensor = self.decoder(target_in, *self.read(source))[0]
        return scores

    def align(self, source: Tensor, target: Tensor) -> Tensor:
        """Return how much each word of ``target`` (b, t) looked at each of ``source`` (b, s), as (b, t, s)."""
        weights: Tensor = self.decoder(shift_right(target), *self.read(source))[2]
        return weights

    def log_prob(self, source: Tensor, target: Tensor) -> Tensor:
        """Return log p(target | source) in nats (b,), of whole sequences ``target`` (b, t) with their ``END``."""
        b, _ = axes("source", source, "b s", least=1)
        axes("target", target, "b t", b=b, least=1)
        log_p = self(source, shift_right(target)).log_softmax(dim=-1)
        each = log_p.take_along_dim(target[:, :, None], dim=-1)[:, :, 0]
        return each.masked_fill(target == PAD, 0).sum(dim=1)

    def start(self, source: Tensor) -> State:
        """Return what the decoder begins with, batch first, for :mod:`dlbook.sequences.beam_search`."""
        last, memory = self.read(source)
        return last.transpose(0, 1), memory

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (b, v) of what follows ``tokens`` (b,), and the next state."""
        last, memory = cast(tuple[Tensor, tuple[Tensor, Tensor, Tensor]], state)
        scores, after, _ = self.decoder(tokens[:, None], last.transpose(0, 1).contiguous(), Memory(*memory))
        return scores[:, 0].log_softmax(dim=-1), (after.transpose(0, 1), memory)
