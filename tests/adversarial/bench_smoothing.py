"""Certificates by randomized smoothing against a plain loop over noisy copies."""

from collections.abc import Iterator

import torch
from scipy import stats
from torch import Tensor, nn

from bench import Case
from dlbook.adversarial.smoothing import Smoothed


@torch.no_grad()
def plain(model: nn.Module, x: Tensor, draw: torch.Generator) -> list[float]:
    """Certify image by image, as the paper's pseudocode reads."""
    radii = []
    for image in x:
        few = (image + 0.5 * torch.randn(100, *image.shape, generator=draw)).to(x)
        guess = model(few).argmax(dim=1).mode().values
        many = image + 0.5 * torch.randn(1000, *image.shape, generator=draw)
        k = int((model(many).argmax(dim=1) == guess).sum())
        radii.append(0.5 * float(stats.norm.ppf(stats.beta.ppf(0.001, k, 1001 - k))))
    return radii


def cases() -> Iterator[Case]:
    """Yield the certificates of twenty images."""
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10),
    ).eval()  # fmt: skip
    x = torch.rand(20, 1, 28, 28)
    smoothed = Smoothed(model, 0.5)
    yield Case(
        "Smoothed.certify",
        "20 images 28 x 28, 100 and 1,000 noisy copies",
        lambda: smoothed.certify(x, generator=torch.Generator().manual_seed(0)),
        lambda: plain(model, x, torch.Generator().manual_seed(0)),
        "a plain loop",
    )
