"""`fit` against the same loop written out with a DataLoader."""

from collections.abc import Iterator

import torch
from torch import Generator, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from bench import Case
from dlbook.data import Batches
from dlbook.training import fit


def cases() -> Iterator[Case]:
    """Yield one epoch of a small network."""
    x, y = torch.randn(12_800, 784, generator=Generator().manual_seed(0)), torch.arange(12_800) % 10
    ours, theirs = (nn.Sequential(nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 10)) for _ in range(2))
    batches = Batches(x, y, 128, generator=Generator().manual_seed(0))
    loader = DataLoader(TensorDataset(x, y), 128, shuffle=True)
    our_optimizer, their_optimizer = (torch.optim.SGD(net.parameters(), lr=0.1) for net in (ours, theirs))

    def written_out() -> None:
        for rows, labels in loader:
            their_optimizer.zero_grad()
            F.cross_entropy(theirs(rows), labels).backward()
            their_optimizer.step()

    yield Case(
        "training.fit",
        "one epoch, 12,800 x 784, batches of 128",
        lambda: fit(ours, F.cross_entropy, batches, our_optimizer, epochs=1, progress=False),
        written_out,
        "a loop over torch.utils.data.DataLoader",
    )
