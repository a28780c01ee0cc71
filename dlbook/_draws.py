"""Weights drawn from a given stream, wherever they live: the same numbers on a CPU and on a GPU."""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import torch
from torch import Generator, Tensor, nn
from torch.nn.utils import skip_init

L = TypeVar("L", bound=nn.Module)


def undrawn(kind: Callable[..., L], *sizes: int, **options: Any) -> L:
    """Make a layer of torch whose parameters are still to be filled; no stream is used, and options may be None.

    Examples
    --------
    >>> undrawn(nn.Linear, 3, 5, device=None, dtype=torch.float64)
    Linear(in_features=3, out_features=5, bias=True)
    """
    given = {name: value for name, value in options.items() if value is not None}
    return cast(L, skip_init(kind, *sizes, **given))  # it wants a device, or no word of it


def drawn(kind: Callable[..., L], *sizes: int, generator: Generator | None = None, **options: Any) -> L:
    """Make a linear or convolution layer of torch, filled as torch fills it: uniform in ±1/√fan-in, from a stream.

    Parameters
    ----------
    kind : nn.Linear, nn.Conv1d, nn.Conv2d, nn.ConvTranspose2d, ...
        The fan-in is what torch takes for it: the numbers in ``weight[0]``, also where a convolution is transposed.
    sizes, options
        Those of the layer; options may be None.
    generator : torch.Generator, optional
        By default PyTorch's own, of the device on which the layer lives.

    Examples
    --------
    >>> layer = drawn(nn.Conv2d, 3, 5, 3, generator=torch.Generator().manual_seed(0))
    >>> bool(layer.weight.abs().max() <= (3 * 3 * 3) ** -0.5)
    True
    """
    layer = undrawn(kind, *sizes, **options)
    bound = math.prod(cast(Tensor, layer.weight).shape[1:]) ** -0.5
    for parameter in layer.parameters():
        uniform_(parameter, bound, generator)
    return layer


@torch.no_grad()
def uniform_(parameter: Tensor, bound: float | Tensor, generator: Generator | None = None) -> Tensor:
    """Fill ``parameter`` in place with draws from ±``bound`` and return it.

    The draws are made where the generator lives and then moved, so a seed gives the same weights on every device.

    Parameters
    ----------
    parameter : tensor of any shape
    bound : float or tensor that broadcasts to that shape
    generator : torch.Generator, optional
        By default PyTorch's own, of the device on which the parameter lives.

    Examples
    --------
    >>> uniform_(torch.empty(2), 0.5, torch.Generator().manual_seed(0))
    tensor([-0.0037,  0.2682])
    """
    if parameter.is_meta:  # there is no room for numbers
        return parameter
    draws = _like(parameter, generator).uniform_(-1, 1, generator=generator)
    return parameter.copy_(draws * (bound.to(draws) if isinstance(bound, Tensor) else bound))


@torch.no_grad()
def normal_(parameter: Tensor, std: float | Tensor, generator: Generator | None = None) -> Tensor:
    """Fill ``parameter`` in place with normal draws of mean 0 and deviation ``std`` and return it.

    Parameters and device as in :func:`uniform_`.

    Examples
    --------
    >>> normal_(torch.empty(2), 0.1, torch.Generator().manual_seed(0))
    tensor([ 0.1541, -0.0293])
    """
    if parameter.is_meta:
        return parameter
    draws = _like(parameter, generator).normal_(generator=generator)
    return parameter.copy_(draws * (std.to(draws) if isinstance(std, Tensor) else std))


def standard_normal(*shape: int, like: Tensor, generator: Generator | None = None) -> Tensor:
    """Draw standard normal numbers where the generator lives, of the device and dtype of ``like``.

    Examples
    --------
    >>> standard_normal(2, 3, like=torch.zeros(1, dtype=torch.float64)).dtype
    torch.float64
    """
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)


def _like(parameter: Tensor, generator: Generator | None) -> Tensor:
    """Make room for the draws where the generator lives, in one order whatever the parameter's strides are."""
    device = parameter.device if generator is None else generator.device
    return torch.empty_like(parameter, device=device, memory_format=torch.contiguous_format)
