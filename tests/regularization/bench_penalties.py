"""Penalties and soft thresholds against one-line forms of torch."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import nn

from bench import Case
from dlbook.regularization.penalties import l1, l2, soft_threshold


def cases() -> Iterator[Case]:
    """Yield a network of the chapter's kind and an image of a million numbers."""
    net = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 10))
    matrices = [p for p in net.parameters() if p.ndim == 2]
    for name, ours, order in (("l1", l1, 1), ("l2", l2, 2)):

        def by_norm(order: int = order) -> torch.Tensor:
            norms = [torch.linalg.vector_norm(w, order) ** order / order for w in matrices]
            return torch.stack(norms).sum()

        yield Case(
            name,
            "406,528 weights, forward and backward",
            lambda ours=ours: ours(net).backward(),
            lambda by_norm=by_norm: by_norm().backward(),
            "torch.linalg.vector_norm",
        )
    x = torch.randn(1_000_000, generator=torch.Generator().manual_seed(0))
    threshold = torch.tensor(0.7)
    for kind, value in (("a number", 0.7), ("a tensor", threshold)):
        yield Case(
            "soft_threshold",
            f"1,000,000 numbers, the threshold {kind}",
            lambda value=value: soft_threshold(x, value),
            lambda: F.softshrink(x, 0.7),
            "torch.nn.functional.softshrink",
            "" if kind == "a number" else "softshrink takes no tensor: three passes in place of one",
        )
