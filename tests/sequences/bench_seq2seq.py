"""An encoder and a decoder of the package against the same wiring of torch's layers, forward and backward."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench import Case
from dlbook.sequences.seq2seq import Decoder, Encoder, Seq2Seq, loss, shift_right


class Plain(nn.Module):
    """Embeddings, ``torch.nn.GRU`` and a linear layer, on sentences that are packed."""

    def __init__(self) -> None:
        super().__init__()
        self.english, self.french = nn.Embedding(504, 64), nn.Embedding(504, 64)
        self.reader, self.writer = (nn.GRU(64, 128, batch_first=True) for _ in range(2))
        self.out = nn.Linear(128, 504)

    def forward(self, source: Tensor, target_in: Tensor) -> Tensor:
        """Map words (b, s) and (b, t) to scores (b, t, v)."""
        lengths = (source != 0).sum(dim=1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.english(source), lengths, batch_first=True, enforce_sorted=False
        )
        _, last = self.reader(packed)
        scores: Tensor = self.out(self.writer(self.french(target_in), last)[0])
        return scores


def step(model: nn.Module, source: Tensor, target: Tensor) -> None:
    """Compute a loss and all gradients."""
    if isinstance(model, Seq2Seq):
        cost = loss(model(source, shift_right(target)), target)
    else:
        scores = model(source, F.pad(target[:, :-1], (1, 0), value=1))
        cost = F.cross_entropy(scores.flatten(0, 1), target.flatten(), ignore_index=0)
    cost.backward()
    for parameter in model.parameters():
        parameter.grad = None


def cases() -> Iterator[Case]:
    """Yield a batch as the chapter trains it."""
    draws = torch.Generator().manual_seed(0)
    encoder = Encoder(504, 64, 128, generator=draws)
    model, plain = Seq2Seq(encoder, Decoder(504, 64, 128, generator=draws)), Plain()
    source, target = (torch.randint(4, 504, (128, 9), generator=draws) for _ in range(2))
    lengths = torch.randint(4, 10, (128, 1), generator=draws)
    source, target = (words.masked_fill(torch.arange(9) >= lengths, 0) for words in (source, target))
    yield Case(
        "Seq2Seq",
        "128 pairs of at most 9 words, 504 words, forward and backward",
        lambda: step(model, source, target),
        lambda: step(plain, source, target),
        "torch.nn.GRU, packed",
    )
