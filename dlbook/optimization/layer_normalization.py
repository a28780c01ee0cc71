"""Normalizations that look at one example only: layer, group and root mean square normalization.

Ba, Kiros and Hinton (2016), arXiv:1607.06450; Wu and He (2018), arXiv:1803.08494; Zhang and Sennrich (2019),
arXiv:1910.07467.  Paper → code: gain g or γ → ``weight``, β or b → ``bias``, ε → ``eps``, G →
``num_groups``.  Axes: b examples, c channels, ... places (of groups) or examples (of rows); d features.

Functions compute in the dtype of their input; the layers leave half precision to torch, which sums in float32.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbook._checks import axes

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm", "group_norm", "layer_norm", "rms_norm"]


def layer_norm(x: Tensor, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5) -> Tensor:
    """Normalize the features of each example, the last axis of (..., d), by their own mean and variance.

    Parameters
    ----------
    x : (..., d)
    weight, bias : (d,), optional
    eps : float

    Examples
    --------
    >>> layer_norm(torch.tensor([[1.0, 3.0, 5.0, 7.0]])).round(decimals=2)
    tensor([[-1.3400, -0.4500,  0.4500,  1.3400]])
    """
    _check_learned(x.shape[-1], weight, bias)
    centered = x - x.mean(dim=-1, keepdim=True)
    var = centered.square().mean(dim=-1, keepdim=True)
    normalized = centered * torch.rsqrt(var + eps)
    if weight is not None:
        normalized = normalized * weight
    return normalized if bias is None else normalized + bias


def rms_norm(x: Tensor, weight: Tensor | None = None, *, eps: float | None = None) -> Tensor:
    """Divide the features of each example, the last axis of (..., d), by their root mean square.

    Parameters
    ----------
    x : (..., d)
    weight : (d,), optional
    eps : float, optional
        Added to the mean square; by default the machine epsilon of the input's dtype.

    Examples
    --------
    >>> rms_norm(torch.tensor([[1.0, 7.0]])).round(decimals=2)  # root mean square 5
    tensor([[0.2000, 1.4000]])
    """
    _check_learned(x.shape[-1], weight)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    normalized = x * torch.rsqrt(x.square().mean(dim=-1, keepdim=True) + eps)
    return normalized if weight is None else normalized * weight


def group_norm(
    x: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, *, eps: float = 1e-5
) -> Tensor:
    """Normalize each group of neighboring channels of each example, all its places together.

    One group is layer normalization of a whole example, as many groups as channels instance normalization.

    Parameters
    ----------
    x : (b, c, ...)
    num_groups : int
        Divides c.
    weight, bias : (c,), optional
    eps : float

    Examples
    --------
    >>> group_norm(torch.tensor([[1.0, 3.0, 50.0, 70.0]]), 2).round(decimals=2)
    tensor([[-1.,  1., -1.,  1.]])
    """
    b, c = _grouped(x, num_groups)
    _check_learned(c, weight, bias)
    grouped = layer_norm(x.reshape(b, num_groups, math.prod(x.shape[1:]) // num_groups), eps=eps).reshape(x.shape)
    beside = (-1, *[1] * (x.dim() - 2))
    if weight is not None:
        grouped = grouped * weight.reshape(beside)
    return grouped if bias is None else grouped + bias.reshape(beside)


class LayerNorm(nn.Module):
    """Layer normalization: arguments, parameters and numbers of ``nn.LayerNorm``.

    Parameters
    ----------
    normalized_shape : int or sequence of int
        Sizes of the last axes, which are normalized together.
    eps : float
    elementwise_affine, bias : bool
        Whether there is a ``weight``, and with it a ``bias``.
    device, dtype : optional

    Examples
    --------
    >>> LayerNorm(4)(torch.tensor([[1.0, 3.0, 5.0, 7.0]])).round(decimals=2)
    tensor([[-1.3400, -0.4500,  0.4500,  1.3400]], grad_fn=<RoundBackward1>)
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        ones = torch.ones(self.normalized_shape, device=device, dtype=dtype)
        self.register_parameter("weight", nn.Parameter(ones) if elementwise_affine else None)
        zeros = torch.zeros_like(ones)
        self.register_parameter("bias", nn.Parameter(zeros) if elementwise_affine and bias else None)

    def extra_repr(self) -> str:
        """Name the shape and what torch names."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axes of ``x``, those of ``normalized_shape``."""
        _ends_in(x, self.normalized_shape)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)


class RMSNorm(nn.Module):
    """Root mean square normalization: arguments, parameters and numbers of ``nn.RMSNorm``.

    Parameters
    ----------
    normalized_shape : int or sequence of int
    eps : float, optional
    elementwise_affine : bool
    device, dtype : optional

    Examples
    --------
    >>> RMSNorm(2, elementwise_affine=False)(torch.tensor([[1.0, 7.0]])).round(decimals=2)
    tensor([[0.2000, 1.4000]])
    """

    weight: nn.Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape, self.eps, self.elementwise_affine = _shape(normalized_shape), eps, elementwise_affine
        ones = torch.ones(self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", None if ones is None else nn.Parameter(ones))

    def extra_repr(self) -> str:
        """Name the shape and what torch names."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"

    def forward(self, x: Tensor) -> Tensor:
        """Normalize the last axes of ``x``, those of ``normalized_shape``."""
        _ends_in(x, self.normalized_shape)
        return F.rms_norm(x, list(self.normalized_shape), self.weight, self.eps)


class GroupNorm(nn.Module):
    """Group normalization: arguments, parameters and numbers of ``nn.GroupNorm``.

    Parameters
    ----------
    num_groups, num_channels : int
        The first divides the second.
    eps : float
    affine, bias : bool
        Whether there is a ``weight``, and with it a ``bias``.
    device, dtype : optional

    Examples
    --------
    >>> GroupNorm(2, 4, affine=False)(torch.tensor([[1.0, 3.0, 50.0, 70.0]])).round(decimals=2)
    tensor([[-1.,  1., -1.,  1.]])
    """

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if num_groups < 1 or num_channels < 1 or num_channels % num_groups:
            raise ValueError(f"num_groups divides num_channels, found {num_groups} and {num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        ones = torch.ones(num_channels, device=device, dtype=dtype)
        self.register_parameter("weight", nn.Parameter(ones) if affine else None)
        self.register_parameter("bias", nn.Parameter(torch.zeros_like(ones)) if affine and bias else None)

    def extra_repr(self) -> str:
        """Name what torch names."""
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (b, c, ...)."""
        _grouped(x, self.num_groups, self.num_channels)
        return F.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)


def _check_learned(size: int, weight: Tensor | None, bias: Tensor | None = None) -> None:
    for name, given in (("weight", weight), ("bias", bias)):
        if given is not None:  # a single number would pass unseen
            axes(name, given, "d", d=size)


def _grouped(x: Tensor, num_groups: int, known: int | None = None) -> tuple[int, int]:
    if x.dim() < 2 or (known is not None and x.shape[1] != known):
        raise ValueError(f"x is (b, {known or 'c'}, ...), found shape {tuple(x.shape)}")
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"num_groups divides the channels, found {num_groups} for shape {tuple(x.shape)}")
    return x.shape[0], x.shape[1]


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or min(shape) < 1:
        raise ValueError(f"normalized_shape has sizes of at least 1, found {shape}")
    return shape


def _ends_in(x: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(x.shape[-len(shape) :]) != shape:
        raise ValueError(f"x is (..., {', '.join(map(str, shape))}), found shape {tuple(x.shape)}")
