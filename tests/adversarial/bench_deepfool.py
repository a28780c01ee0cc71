"""DeepFool against foolbox's, on the same networks and images.

foolbox 3 calls the network once for each candidate class, and lets images that are turned run along.  Without foolbox
(extra `dev`) the counterpart is a port of its loop.
"""

import importlib.util
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from bench import Case
from dlbook._draws import drawn
from dlbook.adversarial.deepfool import deepfool


def plain(model: nn.Module, x: Tensor, *, steps: int = 50, candidates: int = 10, overshoot: float = 0.02) -> Tensor:
    """Port of the algorithm of foolbox's L2DeepFoolAttack, with images between 0 and 1."""
    with torch.no_grad():
        classes = model(x).argsort(dim=1, descending=True)[:, :candidates]
    start, total, rows = x, torch.zeros_like(x), torch.arange(len(x))

    def slope(k: int) -> tuple[Tensor, Tensor, Tensor]:
        z = x.detach().requires_grad_()
        scores = model(z)
        gap = scores[rows, classes[:, k]] - scores[rows, classes[:, 0]]
        return scores.detach(), gap.detach(), torch.autograd.grad(gap.sum(), z)[0]

    for _ in range(steps):
        scores, gap, w = slope(1)
        done = scores.argmax(dim=1) != classes[:, 0]
        if done.all():
            break
        pairs = [(gap, w)] + [slope(k)[1:] for k in range(2, candidates)]
        gaps, ws = torch.stack([gap for gap, _ in pairs], 1), torch.stack([w for _, w in pairs], 1)
        distances = gaps.abs() / (ws.flatten(2).norm(dim=2) + 1e-8)
        best = distances.argmin(dim=1)
        w = ws[rows, best]
        length = (distances[rows, best] + 1e-4) / (w.flatten(1).norm(dim=1) + 1e-8)
        total = total + length.reshape(-1, 1, 1, 1) * w
        x = torch.where(done.reshape(-1, 1, 1, 1), x, start + (1 + overshoot) * total).clamp(0, 1)
    return x


def counterpart(model: nn.Module, x: Tensor) -> tuple[str, Callable[[], object]]:
    """Return the name and the call of what we compare with."""
    if importlib.util.find_spec("foolbox") is None:
        return "plain port of foolbox", lambda: plain(model, x)
    import foolbox

    attack = foolbox.attacks.L2DeepFoolAttack()
    wrapped, y = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), model(x).argmax(dim=1)
    return "foolbox.attacks.L2DeepFoolAttack", lambda: attack(wrapped, x, y, epsilons=None)


def cases() -> Iterator[Case]:
    """Yield a small convolutional network on images like digits, and on images like photographs."""
    for channels, side, batch in ((1, 28, 100), (3, 32, 64)):
        g = torch.Generator().manual_seed(0)
        model = nn.Sequential(
            drawn(nn.Conv2d, channels, 12, 3, stride=2, padding=1, generator=g), nn.ReLU(),
            drawn(nn.Conv2d, 12, 24, 3, stride=2, padding=1, generator=g), nn.ReLU(), nn.Flatten(),
            drawn(nn.Linear, 24 * (side // 4) ** 2, 10, generator=g),
        ).eval()  # fmt: skip
        x = torch.rand(batch, channels, side, side, generator=torch.Generator().manual_seed(1))
        name, theirs = counterpart(model, x)
        yield Case(
            "DeepFool",
            f"{batch} images {channels} x {side} x {side}, ten classes",
            lambda model=model, x=x: deepfool(model, x),
            theirs,
            name,
        )
