"""Writing with a cache of keys and values against computing all that was read anew, in the same model."""

from collections.abc import Iterator

import torch

from bench import Case
from dlbook.sequences.gpt import GPT


def cases() -> Iterator[Case]:
    """Yield 256 units after a prompt of one, in one text and in eight."""
    model = GPT(1024, 257, 128, 4, 4, generator=torch.Generator().manual_seed(0)).eval()

    def write(batch: int, cache: bool) -> torch.Tensor:
        prompt = torch.zeros(batch, 1, dtype=torch.int64)
        return model.generate(prompt, 256, generator=torch.Generator().manual_seed(1), cache=cache)

    for batch in (1, 8):
        yield Case(
            "GPT.generate",
            f"four layers of 128 features, 256 units, {batch} text{'s' * (batch > 1)}",
            lambda batch=batch: write(batch, True),
            lambda batch=batch: write(batch, False),
            "GPT.generate, cache=False",
        )
