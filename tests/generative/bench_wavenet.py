"""WaveNet's causal convolution against torch's on a padded signal, and generation with queues against the slow way."""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from bench import Case
from dlbook.generative.wavenet import CausalConv1d, WaveNet, draw_codes


def slow_way(model: WaveNet, length: int) -> Tensor:
    """Draw codes with a pass over the receptive field for each."""
    uniform = torch.rand(length, 1, generator=torch.Generator().manual_seed(0))
    codes = torch.zeros(1, length + 1, dtype=torch.long)
    with torch.no_grad():
        for t in range(length):
            window = codes[:, max(0, t + 1 - model.field) : t + 1]
            codes[:, t] = draw_codes(model(window)[..., -1], uniform[t])
    return codes[:, :length]


def cases() -> Iterator[Case]:
    """Yield a layer forward and backward, and a tenth of a second of sound."""
    layer = CausalConv1d(24, 48, dilation=16, generator=torch.Generator().manual_seed(0))
    x = torch.randn(8, 24, 1024, generator=torch.Generator().manual_seed(1))

    def ours() -> None:
        layer(x).sum().backward()

    def theirs() -> None:
        F.conv1d(F.pad(x, (16, 0)), layer.conv.weight, layer.conv.bias, dilation=16).sum().backward()

    yield Case(
        "CausalConv1d",
        "24 to 48 channels, 8 x 1,024 samples, forward and backward",
        ours,
        theirs,
        "torch.nn.functional.conv1d",
    )
    model = WaveNet(
        channels=24, gated=24, skip=64, dilations=[2**k for k in range(9)], generator=torch.Generator().manual_seed(0)
    )
    yield Case(
        "WaveNet.sample",
        "9 blocks, 800 samples",
        lambda: model.sample(1, 800, generator=torch.Generator().manual_seed(0)),
        lambda: slow_way(model, 800),
        "a pass over the receptive field for each sample",
    )
