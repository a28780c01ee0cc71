"""Gradients written out against torch's autograd."""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch.nn import functional as F

from bench import Case
from dlbook.backprop.backpropagation import backprop


def cases() -> Iterator[Case]:
    """Yield a small and a realistic batch."""
    rng = np.random.default_rng(0)
    sizes = (784, 256, 10)
    weights = [rng.normal(size=(o, i)).astype(np.float32) / 28 for i, o in itertools.pairwise(sizes)]
    biases = [np.zeros(o, np.float32) for o in sizes[1:]]
    W, W2, b, b2 = (torch.tensor(p, requires_grad=True) for p in (*weights, *biases))
    for n in (10, 128):
        x, labels = rng.normal(size=(n, 784)).astype(np.float32), rng.integers(0, 10, n)
        t, xt, yt = np.eye(10, dtype=np.float32)[labels], torch.tensor(x), torch.tensor(labels)

        def theirs(xt: torch.Tensor = xt, yt: torch.Tensor = yt) -> None:
            for p in (W, W2, b, b2):
                p.grad = None
            F.cross_entropy(F.linear(F.linear(xt, W, b).relu(), W2, b2), yt).backward()

        yield Case(
            "backprop",
            f"MLP 784-256-10, batch {n}, forward and backward",
            lambda x=x, t=t: backprop(weights, biases, x, t),  # type: ignore[misc]
            theirs,
            "torch.autograd",
        )
