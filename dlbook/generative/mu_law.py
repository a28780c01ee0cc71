"""Mu-law companding: Smith (1957), Bell System Technical Journal 36; ITU-T G.711; WaveNet, arXiv:1609.03499, sec. 2.2.

f(x) = sign(x) ln(1 + μ abs(x)) / ln(1 + μ) with μ = 255 squeezes amplitudes in [-1, 1] before they are rounded to 256
levels. The recordings of :func:`dlbook.data.speech_prompts` were stored as such codes, so encoding them loses nothing.
"""

import math

import torch
from torch import Tensor

__all__ = ["code_edges", "compress", "decode", "encode", "expand"]

MU = 255.0


def compress(x: Tensor) -> Tensor:
    """Map amplitudes in [-1, 1] to f(x), in [-1, 1].

    Examples
    --------
    >>> compress(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-1.,  0.,  1.])
    """
    return x.sign() * torch.log1p(MU * x.abs()) / math.log1p(MU)


def expand(y: Tensor) -> Tensor:
    """Undo :func:`compress`: sign(y) ((1 + μ)^abs(y) - 1) / μ."""
    return y.sign() * torch.expm1(y.abs() * math.log1p(MU)) / MU


def encode(x: Tensor) -> Tensor:
    """Round f(x) to the nearest of 256 levels: amplitudes in [-1, 1], of any shape, become codes int64, 0 to 255.

    What lies outside of [-1, 1] is clipped.

    Examples
    --------
    >>> encode(torch.tensor([-1.0, -1e-9, 1e-9, 1.0]))
    tensor([  0, 127, 128, 255])
    """
    if not x.is_floating_point():
        raise ValueError(f"amplitudes are floats in [-1, 1], found {x.dtype}: divide int16 by 32767")
    x = x.to(torch.promote_types(x.dtype, torch.float32))  # half precision cannot tell the levels apart
    return ((compress(x.clamp(-1, 1)) + 1) * 127.5 + 0.5).floor().long().clamp(max=255)


def decode(codes: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """Return the amplitude in the middle of each code's level: integers, 0 to 255, become floats in [-1, 1].

    Examples
    --------
    >>> decode(torch.tensor([0, 255]))
    tensor([-1.,  1.])
    """
    if codes.is_floating_point():
        raise ValueError(f"codes are integers, found {codes.dtype}")
    dtype = dtype or torch.get_default_dtype()
    return expand(codes.to(torch.promote_types(dtype, torch.float32)) / 127.5 - 1).to(dtype)


def code_edges(*, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Tensor:
    """Return the 255 amplitudes at which one code gives way to the next: below the first of them lies code 0."""
    dtype = dtype or torch.get_default_dtype()
    fine = torch.promote_types(dtype, torch.float32)  # half precision cannot tell the levels apart
    return expand((torch.arange(255, device=device, dtype=fine) + 0.5) / 127.5 - 1).to(dtype)
