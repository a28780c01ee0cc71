"""Searching for a probable output of a model that says one word at a time: greedily, or with a beam.

A model to search in has two methods. ``start(source)`` reads a batch (b, s) and returns a *state*: a tensor, or a tuple
of states, nested as deep as is useful, in which the first axis of every tensor is the batch. ``step(tokens, state)``
takes the last word of each output (b,), ``START`` at first, and returns the log-probabilities (b, v) of the next word
and the new state. Because the batch is the first axis everywhere, outputs can be dropped, doubled and put into another
order by indexing the state: see :func:`reorder`.

The beam is that of Sutskever, Vinyals and Le (2014), arXiv:1409.3215, section 3.2: an output that said ``END`` leaves
it and joins those that are complete. Lengths are normalized as in Wu et al. (2016), arXiv:1609.08144, eq. (14), without
its coverage penalty: Y → ``tokens``, α → ``length_penalty``. Axes: b sentences, k outputs of a beam, v words.
"""

import math
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from dlbook._checks import axes
from dlbook.sequences.vocabulary import END, START

__all__ = ["Hypothesis", "Stepwise", "beam_search", "greedy", "reorder"]

State: TypeAlias = "Tensor | tuple[State, ...]"


class Stepwise(Protocol):
    """What can be searched: a model that gives the probabilities of the next word."""

    def start(self, source: Tensor) -> State:
        """Return the state before the first word of the output for each row of ``source`` (b, s)."""

    def step(self, tokens: Tensor, state: State) -> tuple[Tensor, State]:
        """Return log-probabilities (b, v) of what follows ``tokens`` (b,), and the state behind them."""


class Hypothesis(NamedTuple):
    """An output that was found."""

    tokens: list[int]  # without START, with END if it came
    log_prob: float  # in nats, of all tokens
    score: float  # log_prob, divided by the penalty of the length


def reorder(state: State, rows: Tensor) -> State:
    """Return the given ``rows`` of every tensor in a state: which ones, how often and in what order is free.

    Parameters
    ----------
    state : tensor (b, ...) or tuple of states
    rows : (n,) int64

    Examples
    --------
    >>> reorder((torch.tensor([[5.0], [6.0], [7.0]]), ()), torch.tensor([2, 0, 0]))[0].flatten()
    tensor([7., 5., 5.])
    """
    return state.index_select(0, rows) if isinstance(state, Tensor) else tuple(reorder(part, rows) for part in state)


@torch.no_grad()
def greedy(model: Stepwise, source: Tensor, *, max_length: int) -> list[list[int]]:
    """Return for each sentence the output that takes the most probable word at every step.

    Parameters
    ----------
    model : Stepwise
    source : (b, s) int64
    max_length : int
        Of the outputs, ``END`` included; one that has not ended by then is cut.

    Returns
    -------
    list of list of int
        Without ``START``, with ``END`` if it came.

    Examples
    --------
    >>> class Countdown:
    ...     def start(self, source):
    ...         return source[:, :1]
    ...     def step(self, tokens, state):
    ...         return torch.nn.functional.one_hot(state[:, 0], 7).log(), state - 1
    >>> greedy(Countdown(), torch.tensor([[5], [3]]), max_length=8)
    [[5, 4, 3, 2], [3, 2]]
    """
    b, _ = axes("source", source, "b s", least=1)
    _at_least_one(max_length=max_length)
    state, tokens = model.start(source), source.new_full((b,), START)
    ended, said = torch.zeros_like(tokens, dtype=torch.bool), []
    for _ in range(max_length):
        log_p, state = model.step(tokens, state)
        tokens = log_p.argmax(dim=-1)
        said.append(tokens)
        ended = ended | (tokens == END)
        if ended.all():
            break
    return [row[: row.index(END) + 1] if END in row else row for row in torch.stack(said, dim=1).tolist()]


@torch.no_grad()
def beam_search(
    model: Stepwise, source: Tensor, *, width: int, max_length: int, length_penalty: float = 0.0
) -> list[list[Hypothesis]]:
    """Return for each sentence the best outputs that a search with ``width`` open ones found, best score first.

    At every step all open outputs are continued by all words, and the ``width`` most probable continuations stay.
    Those that end with ``END`` are complete and leave; what they leave free is not filled before the next step.

    Parameters
    ----------
    model : Stepwise
    source : (b, s) int64
    width : int
        1 searches greedily.
    max_length : int
        Of the outputs, ``END`` included.
    length_penalty : float
        α of eq. (14): the score is log p / ((5 + length) / 6)^α. With 0 it is log p, which prefers short outputs.

    Returns
    -------
    list of list of Hypothesis
        1 to ``width`` for each sentence; complete ones, unless none was, then those that were cut.

    Examples
    --------
    >>> class Coin:  # says 4 or stops
    ...     def start(self, source):
    ...         return source
    ...     def step(self, tokens, state):
    ...         return torch.tensor([0, 0, 0.6, 0, 0.4]).log().expand(len(tokens), 5), state
    >>> for found in beam_search(Coin(), torch.zeros(1, 1, dtype=torch.int64), width=2, max_length=5)[0]:
    ...     print(found.tokens, round(math.exp(found.log_prob), 3))
    [2] 0.6
    [4, 2] 0.24
    """
    b, _ = axes("source", source, "b s", least=1)
    _at_least_one(width=width, max_length=max_length)
    first = torch.arange(b, device=source.device)[:, None] * width  # where each sentence's outputs begin
    state = reorder(model.start(source), torch.arange(b, device=source.device).repeat_interleave(width))
    tokens = source.new_full((b, width, 1), START)
    total = torch.full((b, width), -math.inf, device=source.device)  # log p of open outputs, -inf where there is none
    total[:, 0] = 0
    complete: list[list[Hypothesis]] = [[] for _ in range(b)]
    for _ in range(max_length):
        log_p, state = model.step(tokens[:, :, -1].flatten(), state)
        reached = total[:, :, None] + log_p.unflatten(0, (b, width))
        total, place = reached.flatten(1).topk(width)
        parent, word = place // log_p.shape[-1], place % log_p.shape[-1]
        state = reorder(state, (first + parent).flatten())
        tokens = torch.cat([tokens.take_along_dim(parent[:, :, None], dim=1), word[:, :, None]], dim=2)
        _collect(complete, tokens, total, (word == END) & (total > -math.inf), length_penalty)
        total = total.masked_fill(word == END, -math.inf)
        if (total == -math.inf).all():
            break
    none = torch.tensor([not found for found in complete], device=source.device)
    _collect(complete, tokens, total, none[:, None] & (total > -math.inf), length_penalty)
    return [sorted(found, key=lambda one: -one.score)[:width] for found in complete]


def _collect(found: list[list[Hypothesis]], tokens: Tensor, total: Tensor, where: Tensor, alpha: float) -> None:
    """Add to ``found`` the outputs of the beam that ``where`` (b, k) marks."""
    rows = where.nonzero()[:, 0].tolist()
    for row, words, log_prob in zip(rows, tokens[where][:, 1:].tolist(), total[where].tolist(), strict=True):
        found[row].append(Hypothesis(words, log_prob, log_prob / ((5 + len(words)) / 6) ** alpha))


def _at_least_one(**sizes: int) -> None:
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is at least 1, found {size}")
