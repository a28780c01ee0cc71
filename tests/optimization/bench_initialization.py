"""Starting weights against `torch.nn.init`."""

from collections.abc import Iterator

import torch
from torch import nn

from bench import Case
from dlbook.optimization.initialization import he_normal_, orthogonal_


def cases() -> Iterator[Case]:
    """Yield a matrix of normal numbers and an orthogonal one."""
    stream, weight = torch.Generator().manual_seed(0), torch.empty(512, 512)
    yield Case(
        "he_normal_",
        "512 x 512",
        lambda: he_normal_(weight, generator=stream),
        lambda: nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=stream),
        "torch.nn.init.kaiming_normal_",
    )
    yield Case(
        "orthogonal_",
        "512 x 512",
        lambda: orthogonal_(weight, generator=stream),
        lambda: nn.init.orthogonal_(weight, generator=stream),
        "torch.nn.init.orthogonal_",
    )
