"""Encoder and decoder: one recurrent network reads a sentence into its state, another one writes from this state.

Sutskever, Vinyals and Le (2014), arXiv:1409.3215, eq. (1), with gated units of Cho et al. (2014), arXiv:1406.1078: the
last state of the encoder, their v, is the first one of the decoder. The output layer may share its weights with the
decoder's embedding, as in Press and Wolf (2017), arXiv:1608.05859. ``Seq2Seq`` can be searched by
:mod:`dlbook.sequences.beam_search`.  Axes: b sentences, s words of the source, t of the target, v of the vocabulary, h
units of the state.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.sequences import _drawn as drawn
from dlbook.sequences.beam_search import State
from dlbook.sequences.gru import GRU
from dlbook.sequences.vocabulary import PAD, START

__all__ = ["Decoder", "Encoder", "Seq2Seq", "loss", "shift_right"]


class Encoder(nn.Module):
    """Read a batch of sentences with gated units, and stop at the end of each, not at the end of the batch.

    Parameters
    ----------
    vocabulary_size, embedding, hidden : int
    generator : torch.Generator, optional
        Draws all weights.
    device, dtype : optional

    Examples
    --------
    >>> states, last = Encoder(11, 3, 5)(torch.tensor([[7, 4, 2], [6, 2, 0]]))
    >>> states.shape, last.shape
    (torch.Size([2, 3, 5]), torch.Size([1, 2, 5]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding: int,
        hidden: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.embedding = drawn.embedding(vocabulary_size, embedding, generator, device, dtype)
        self.layer = GRU(embedding, hidden, generator=generator, device=device, dtype=dtype)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """Map (b, s) to the states after each word (b, s, h), zeros behind the end, and the last ones (1, b, h)."""
        axes("source", source, "b s", least=1)
        states, _ = self.layer(self.embedding(source))
        real = (source != PAD)[:, :, None]
        last = real.sum(dim=1, keepdim=True).clamp(min=1) - 1  # (b, 1, 1): the place of END
        return states.masked_fill(~real, 0), states.take_along_dim(last, dim=1).transpose(0, 1)


class Decoder(nn.Module):
    """Read the words of the output so far, from a given state, and score what comes next.

    Parameters
    ----------
    vocabulary_size, embedding, hidden : int
    tied : bool
        Compute scores as products with the vectors of the embedding, to whose size a linear layer brings the state.
    generator, device, dtype : optional

    Examples
    --------
    >>> scores, state = Decoder(11, 3, 5, tied=True)(torch.tensor([[1, 7], [1, 4]]), torch.zeros(1, 2, 5))
    >>> scores.shape, state.shape
    (torch.Size([2, 2, 11]), torch.Size([1, 2, 5]))
    """

    def __init__(
        self,
        vocabulary_size: int,
        embedding: int,
        hidden: int,
        *,
        tied: bool = False,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.embedding = drawn.embedding(vocabulary_size, embedding, generator, device, dtype)
        self.layer = GRU(embedding, hidden, generator=generator, device=device, dtype=dtype)
        self.inner: nn.Module = drawn.linear(hidden, embedding, generator, device, dtype) if tied else nn.Identity()
        self.out = drawn.linear(embedding if tied else hidden, vocabulary_size, generator, device, dtype)
        if tied:
            self.out.weight = self.embedding.weight

    def forward(self, tokens: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Map words (b, t) and a state (1, b, h) to scores (b, t, v) of what follows each, and the last state."""
        axes("tokens", tokens, "b t", least=1)
        states, state = self.layer(self.embedding(tokens), state)
        return self.out(self.inner(states)), state


class Seq2Seq(nn.Module):
    """A translator: the state in which the encoder ends is the state in which the decoder begins.

    Parameters
    ----------
    encoder : Encoder
    decoder : Decoder

    Examples
    --------
    >>> model = Seq2Seq(Encoder(11, 3, 5), Decoder(13, 3, 5))
    >>> source, target = torch.tensor([[7, 4, 2], [6, 2, 0]]), torch.tensor([[8, 2], [9, 2]])
    >>> model(source, shift_right(target)).shape, model.log_prob(source, target).shape
    (torch.Size([2, 2, 13]), torch.Size([2]))
    """

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """Map (b, s), and the target shifted to the right (b, t), to scores (b, t, v): the truth is fed."""
        scores: Tensor = self.decoder(target_in, self.encoder(source)[1])[0]
        return scores

    def log_prob(self, source: Tensor, target: Tensor) -> Tensor:
        """Return log p(target | source) in nats (b,), of whole sequences ``target`` (b, t) with their ``END``."""
        b, _ = axes("source", source, "b s", least=1)
        axes("target", target, "b t", b=b, least=1)
        log_p = self(source, shift_right(target)).log_softmax(dim=-1)
        each = log_p.take_along_dim(target[:, :, None], dim=-1)[:, :, 0]
        return each.masked_fill(target == PAD, 0).sum(dim=1)

    def start(self, source: Tensor) -> State:
        """Return what the decoder begins with, batch first: (b, 1, h)."""
        last: Tensor = self.encoder(source)[1]
        return last.transpose(0, 1)

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (b, v) of what follows ``tokens`` (b,), and the next state (b, 1, h)."""
        scores, last = self.decoder(tokens[:, None], cast(Tensor, state).transpose(0, 1).contiguous())
        return scores[:, 0].log_softmax(dim=-1), last.transpose(0, 1)


def shift_right(target: Tensor) -> Tensor:
    """Return what a decoder reads when it is fed the truth: ``START``, then the target (b, t) without its last word.

    Examples
    --------
    >>> shift_right(torch.tensor([[7, 5, 2], [9, 2, 0]]))
    tensor([[1, 7, 5],
            [1, 9, 2]])
    """
    return F.pad(target[:, :-1], (1, 0), value=START)


def loss(scores: Tensor, target: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the cross-entropy of the words of a target in nats; padding does not count.

    Parameters
    ----------
    scores : (b, t, v)
    target : (b, t) int64
    reduction : {"mean", "sum", "none"}
        "mean" is over all words that are not padding; "none" gives (b, t), with zeros for padding.

    Examples
    --------
    >>> round(loss(torch.zeros(2, 3, 8), torch.tensor([[7, 5, 2], [3, 2, 0]])).item(), 4)  # ln 8
    2.0794
    """
    b, t, _ = axes("scores", scores, "b t v")
    axes("target", target, "b t", b=b, t=t)
    each = F.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=PAD, reduction=reduction)
    return each.unflatten(0, (b, t)) if reduction == "none" else each
