"""The module of GoogLeNet and the small Inception, forward and backward, against layers of `torch`."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from bench import Case
from dlbook.convolution.inception import GOOGLENET, Inception
from dlbook.convolution.kernels import embed_kernels, factor_kernel


def step(model: nn.Module, x: Tensor) -> None:
    """Compute an output and the gradients of all weights."""
    model(x).sum().backward()
    model.zero_grad()


def cases() -> Iterator[Case]:
    """Yield the module with its reductions and without, and the two ways to rewrite a kernel."""
    draw = torch.Generator().manual_seed(0)
    one, _, three, _, five, _ = GOOGLENET["3a"]
    x = torch.randn(4, 192, 28, 28, generator=draw)
    plain = nn.Sequential(nn.Conv2d(192, 256, 5, padding=2), nn.ReLU())
    size = "192 to 256 maps of 28 x 28 (3a), batch 4, forward and backward"
    for name, module in {
        "Inception": Inception(192, *GOOGLENET["3a"], generator=draw),
        "Inception, no reductions": Inception(192, one, 0, three, 0, five, 32, generator=draw),
    }.items():
        yield Case(
            f"inception.{name}",
            size,
            lambda module=module: step(module, x),
            lambda: step(plain, x),
            "torch.nn.Conv2d, 5 x 5",
        )
    kernels = [torch.randn(64, 192, side, side, generator=draw) for side in (1, 3, 5)]
    yield Case(
        "inception.embed_kernels",
        "192 to 64 maps, kernels 1 x 1, 3 x 3 and 5 x 5",
        lambda: embed_kernels(kernels, 5),
        lambda: [torch.nn.functional.pad(kernel, (1, 1, 1, 1)) for kernel in kernels],
        "torch.nn.functional.pad",
        "pads each kernel by its own margin, and stacks them",
    )
    matrix = kernels[1].permute(0, 2, 3, 1).reshape(-1, 192)
    yield Case(
        "inception.factor_kernel",
        "192 to 64 maps, kernel 3 x 3, rank 32",
        lambda: factor_kernel(kernels[1], 32),
        lambda: torch.linalg.svd(matrix, full_matrices=False),
        "torch.linalg.svd",
    )
