"""Layers of torch drawn from a given stream, and an embedding that names a word that it does not have."""

import torch
from torch import Generator, Tensor, nn

from dlbook._draws import drawn, normal_, undrawn


class Embedding(nn.Embedding):
    """An embedding of torch whose error says which words there are and which were found."""

    def forward(self, words: Tensor) -> Tensor:
        """Map words, integers of any shape, to their rows."""
        if torch.compiler.is_compiling():
            return super().forward(words)
        try:  # torch looks at every word anyway, on a CPU
            return super().forward(words)
        except IndexError:
            found = f"{int(words.min())} to {int(words.max())}"
            raise ValueError(f"words are numbered 0 to {self.num_embeddings - 1}, found {found}") from None


def embedding(
    count: int, size: int, generator: Generator | None, device: torch.device | str | None, dtype: torch.dtype | None
) -> Embedding:
    """Return an embedding with normal draws of deviation 1/√size: rows of length about one, good as scores."""
    layer = undrawn(Embedding, count, size, device=device, dtype=dtype)
    normal_(layer.weight, size**-0.5, generator)
    return layer


def linear(
    inputs: int,
    outputs: int,
    generator: Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Linear:
    """Return a linear layer drawn as torch draws it, uniform in ±1/√inputs."""
    return drawn(nn.Linear, inputs, outputs, generator=generator, device=device, dtype=dtype)
