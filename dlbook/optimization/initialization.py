"""Starting weights whose signals and gradients keep their size: Glorot, He, LeCun and orthogonal draws.

LeCun et al. (1998), "Efficient BackProp": variance 1/n_in.  Glorot and Bengio (2010): variance 2/(n_in + n_out), and
its uniform form, their "normalized initialization".  He et al. (2015), arXiv:1502.01852: variance 2/n_in before a
rectifier.  Saxe, McClelland and Ganguli (2013), arXiv:1312.6120: orthogonal matrices.

n_in, n_out → the two numbers of :func:`fans`; the square root of the numerator → ``gain``.  Each function fills a
tensor in place, as those of ``torch.nn.init`` do, and draws the same numbers from a generator of the same seed.
Axes: o outputs, i inputs, ... the sides of a kernel.
"""

import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from dlbook._draws import normal_, uniform_

__all__ = ["fans", "gain", "glorot_normal_", "glorot_uniform_", "he_normal_", "he_uniform_", "orthogonal_"]

MODES = ("fan_in", "fan_out")


def gain(activation: Callable[[Tensor], Tensor]) -> float:
    """Return the factor that makes the mean square 1 behind ``activation``, if standard normal numbers come before it.

    It is 1 / √E[φ(z)²]: with weights of deviation gain / √n_in, sums that are standard normal in one layer are so in
    the next.  The square root of 2 for a rectifier, 1 for no activation.

    Parameters
    ----------
    activation : function
        Acts entry by entry.

    Examples
    --------
    >>> [round(gain(f), 3) for f in (torch.relu, torch.tanh)]
    [1.414, 1.593]
    """
    z = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
    behind = activation(z.clone())  # it may work in place
    if behind.shape != z.shape:
        raise ValueError(f"an activation returns the shape it is given, {tuple(z.shape)}, found {tuple(behind.shape)}")
    density = torch.exp(-(z**2) / 2)
    square = (behind**2 * density).sum() / density.sum()
    if not (square > 0 and square.isfinite()):
        raise ValueError(f"the mean square behind an activation is above 0 and finite, found {square.item()}")
    return 1 / math.sqrt(square.item())


def fans(weight: Tensor) -> tuple[int, int]:
    """Return how many inputs an output has, and how many outputs an input has, for weights (o, i, ...).

    Examples
    --------
    >>> fans(torch.empty(16, 3, 5, 5))
    (75, 400)
    """
    if weight.dim() < 2 or weight.numel() == 0:
        raise ValueError(f"weight is (o, i, ...) with all sizes at least 1, found shape {tuple(weight.shape)}")
    kernel = weight[0, 0].numel()
    return weight.shape[1] * kernel, weight.shape[0] * kernel


def glorot_normal_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill (o, i, ...) with normal numbers of variance 2 gain² / (n_in + n_out), as Glorot and Bengio propose.

    Examples
    --------
    >>> w = glorot_normal_(torch.empty(300, 700), generator=torch.Generator().manual_seed(0))
    >>> round(w.var().item() * 500, 2)
    1.0
    """
    return normal_(weight, gain * math.sqrt(2 / sum(fans(weight))), generator)


def glorot_uniform_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill (o, i, ...) with uniform numbers of the same variance, in ± gain √6 / √(n_in + n_out).

    Examples
    --------
    >>> w = glorot_uniform_(torch.empty(300, 300), generator=torch.Generator().manual_seed(0))
    >>> round(w.abs().max().item(), 3)
    0.1
    """
    return uniform_(weight, gain * math.sqrt(6 / sum(fans(weight))), generator)


def he_normal_(
    weight: Tensor, gain: float = math.sqrt(2), *, mode: str = "fan_in", generator: Generator | None = None
) -> Tensor:
    """Fill (o, i, ...) with normal numbers of variance gain² / n, as He et al. do; with gain 1, LeCun's.

    Parameters
    ----------
    weight : (o, i, ...)
    gain : float
        √2 before a rectifier; see :func:`gain` for others.
    mode : {"fan_in", "fan_out"}
        Whether n is the number of inputs, which keeps signals, or of outputs, which keeps gradients.
    generator : torch.Generator, optional

    Examples
    --------
    >>> w = he_normal_(torch.empty(300, 700), generator=torch.Generator().manual_seed(0))
    >>> round(w.var().item() * 350, 2)
    1.0
    """
    return normal_(weight, gain / math.sqrt(_fan(weight, mode)), generator)


def he_uniform_(
    weight: Tensor, gain: float = math.sqrt(2), *, mode: str = "fan_in", generator: Generator | None = None
) -> Tensor:
    """Fill (o, i, ...) with uniform numbers of the variance of :func:`he_normal_`, whose arguments it takes.

    Examples
    --------
    >>> w = he_uniform_(torch.empty(300, 600), generator=torch.Generator().manual_seed(0))
    >>> round(w.abs().max().item(), 3)
    0.1
    """
    return uniform_(weight, gain * math.sqrt(3 / _fan(weight, mode)), generator)


@torch.no_grad()
def orthogonal_(weight: Tensor, gain: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Fill (o, i, ...) with ``gain`` times a random matrix of orthonormal rows, or of columns if o is the larger.

    Kernels count as long rows.  The matrix is the Q of a QR decomposition of normal numbers; the signs of R's diagonal
    make it uniform among all such matrices.

    Examples
    --------
    >>> w = orthogonal_(torch.empty(2, 3), generator=torch.Generator().manual_seed(0))
    >>> (w @ w.T).round(decimals=4).abs()
    tensor([[1., 0.],
            [0., 1.]])
    """
    fans(weight)
    if not weight.is_floating_point():
        raise ValueError(f"weight is of floats, found {weight.dtype}")
    if weight.is_meta:
        return weight
    exact = torch.promote_types(weight.dtype, torch.float32)  # there is no QR in half precision
    draws = normal_(torch.empty(len(weight), weight[0].numel(), device=weight.device, dtype=exact), 1.0, generator)
    wide = draws.shape[0] < draws.shape[1]
    q, r = torch.linalg.qr(draws.T if wide else draws)
    q = q * r.diagonal().sign()
    return weight.copy_(gain * (q.T if wide else q).reshape(weight.shape))


def _fan(weight: Tensor, mode: str) -> int:
    if mode not in MODES:
        raise ValueError(f"mode is one of {', '.join(MODES)}, found {mode!r}")
    return fans(weight)[MODES.index(mode)]
