"""Logistic densities over the levels of mu-law codes: Salimans et al. (2017), arXiv:1701.05517, eq. (2).

The probability of a code is the mass that the density gives to its level: F((u - m) / s) - F((l - m) / s), where F is
the logistic function and l, u are the edges of the level; the outermost levels reach to infinity.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook.generative.mu_law import code_edges

__all__ = ["bin_log_prob", "draw_logistic"]


def bin_log_prob(codes: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
    """Return log-probabilities of mu-law codes under logistic densities, in nats.

    By F(u) - F(l) = F(u) F(-l) (1 - exp(l - u)) no two nearly equal numbers are subtracted.

    Parameters
    ----------
    codes : int64
        0 to 255; broadcasts with ``mean`` and ``scale``.
    mean, scale : float
        In units of amplitude, full scale 1. Half precision is computed in single.

    Examples
    --------
    >>> levels = bin_log_prob(torch.arange(256), torch.tensor(0.1), torch.tensor(0.02))
    >>> round(levels.exp().sum().item(), 4)
    1.0
    """
    if codes.dtype != torch.int64:
        raise ValueError(f"codes are int64, found {codes.dtype}: codes.long() makes them of bytes")
    mean = mean.to(torch.promote_types(mean.dtype, torch.float32))
    edges = code_edges(device=mean.device, dtype=mean.dtype)
    lower = (edges[(codes - 1).clamp(min=0)] - mean) / scale
    upper = (edges[codes.clamp(max=254)] - mean) / scale
    lowest, highest = codes == 0, codes == 255
    inner = ~(lowest | highest)
    gap = torch.where(inner, upper - lower, 1.0)
    log_prob = torch.where(highest, 0.0, F.logsigmoid(upper)) + torch.where(lowest, 0.0, F.logsigmoid(-lower))
    return log_prob + torch.where(inner, torch.log(-torch.expm1(-gap)), 0.0)


def draw_logistic(mean: Tensor, scale: Tensor, uniform: Tensor) -> Tensor:
    """Turn ``uniform`` numbers in (0, 1) into draws of logistic densities, by the inverse of F.

    Examples
    --------
    >>> draw_logistic(torch.tensor(3.0), torch.tensor(2.0), torch.tensor(0.5))
    tensor(3.)
    """
    tiny = torch.finfo(uniform.dtype).eps
    return mean + scale * uniform.clamp(tiny, 1 - tiny).logit()
