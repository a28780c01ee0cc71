"""Activations: what stands between two affine maps, entry by entry, and the slopes of these functions.

Each is computed in a form that neither overflows nor loses all digits, nor its slope at 0.  The lecture's σ, tanh, relu
(S2:194-200) and maxout (S0:64-68).  An activation works *within* a network; what turns the last scores into a
prediction is in :mod:`dlbook.foundations.losses`.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["gelu", "maxout", "relu", "sigmoid", "slope", "softplus", "tanh"]

Activation = Callable[[Tensor], Tensor]


def sigmoid(u: Tensor) -> Tensor:
    """Return 1 / (1 + exp(-u)); same shape as ``u``, between 0 and 1.

    exp(u) / (1 + exp(u)) as printed is nan at u = 1000; torch's kernel does not exponentiate large numbers.

    Examples
    --------
    >>> sigmoid(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    _check(u)
    return torch.sigmoid(u)


def tanh(u: Tensor) -> Tensor:
    """Return (exp(2u) - 1) / (exp(2u) + 1) = 2 sigmoid(2u) - 1; same shape as ``u``, between -1 and 1.

    As printed it is nan at u = 1000, and of small u it keeps few digits; torch's kernel does neither.

    Examples
    --------
    >>> tanh(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([-1.,  0.,  1.])
    """
    _check(u)
    return torch.tanh(u)


def relu(u: Tensor) -> Tensor:
    """Return max(0, u); same shape as ``u``.

    Glorot, Bordes and Bengio (2011). Its slope at 0 is taken to be 0.

    Examples
    --------
    >>> relu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    _check(u)
    return torch.relu(u)  # clamp(min=0) would have the slope 1 at 0


def softplus(u: Tensor) -> Tensor:
    """Return log(1 + exp(u)), a smooth max(0, u); same shape as ``u``.

    Examples
    --------
    >>> softplus(torch.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.0000e+00, 6.9315e-01, 1.0000e+03])
    """
    _check(u)
    return torch.logaddexp(u, torch.zeros_like(u))  # F.softplus is linear from 20 on, wrong in the 9th digit


def gelu(u: Tensor) -> Tensor:
    """Return u Φ(u), with Φ the distribution function of the normal distribution; same shape as ``u``.

    Hendrycks and Gimpel (2016), Gaussian error linear units, in the exact form.

    Examples
    --------
    >>> gelu(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1587,  0.0000,  0.8413])
    """
    _check(u)
    return 0.5 * u * torch.erfc(-u / math.sqrt(2))


def maxout(u: Tensor, pieces: int) -> Tensor:
    """Return the largest of each group of ``pieces`` neighboring entries: (..., k · pieces) → (..., k).

    Goodfellow et al. (2013), eq. for h_i: the maximum of several affine functions, learned like any weights, so a
    convex piecewise linear function of any shape.  Two pieces can be max(0, u), and the absolute value of u.

    Raises
    ------
    ValueError
        If the last axis is not made of such groups.

    Examples
    --------
    >>> maxout(torch.tensor([[1.0, -1.0, 0.0, 3.0]]), 2)
    tensor([[1., 3.]])
    """
    _check(u)
    if pieces < 1 or u.ndim == 0 or u.shape[-1] == 0 or u.shape[-1] % pieces:
        raise ValueError(f"the last axis is made of groups of {pieces}, found shape {tuple(u.shape)}")
    return u.unflatten(-1, (-1, pieces)).amax(dim=-1)


def slope(activation: Activation, u: Tensor) -> Tensor:
    """Return the derivative of one of the functions above at each entry of ``u``, in closed form.

    Parameters
    ----------
    activation : function
        :func:`sigmoid`, :func:`tanh`, :func:`relu` (0 at 0, as in torch), :func:`softplus` or :func:`gelu`.
    u : Tensor

    Examples
    --------
    >>> slope(sigmoid, torch.tensor(0.0))  # its largest
    tensor(0.2500)
    """
    _check(u)
    if activation is sigmoid:
        return sigmoid(u) * sigmoid(-u)
    if activation is tanh:
        return 4 * sigmoid(2 * u) * sigmoid(-2 * u)
    if activation is relu:
        return (u > 0).to(u.dtype)
    if activation is softplus:
        return sigmoid(u)
    if activation is gelu:
        density = torch.exp(-u * u / 2) / math.sqrt(2 * math.pi)
        return 0.5 * torch.erfc(-u / math.sqrt(2)) + u * density
    name = getattr(activation, "__name__", repr(activation))
    raise ValueError(f"slopes are known of sigmoid, tanh, relu, softplus and gelu of this module, found {name}")


def _check(u: Tensor) -> None:
    if not (isinstance(u, Tensor) and u.is_floating_point()):
        found = u.dtype if isinstance(u, Tensor) else type(u).__name__
        raise ValueError(f"u is a tensor of a floating dtype, found {found}")
