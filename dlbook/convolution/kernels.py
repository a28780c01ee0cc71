"""Kernels within kernels: small ones as large ones with zeros, and large ones as products of two.

Axes: c and o maps, r reduced maps, k places of a kernel.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbook._checks import axes

__all__ = ["Factors", "embed_kernels", "factor_kernel"]


class Factors(NamedTuple):
    """A 1 x 1 convolution and the k x k convolution after it, which together stand for one k x k convolution."""

    reduce: Tensor  # (r, c, 1, 1), orthonormal rows
    expand: Tensor  # (o, r, k, k)


def embed_kernels(weights: Sequence[Tensor], kernel_size: int) -> Tensor:
    """Write parallel convolutions of one input as a single one: zeros around each kernel, then stack the outputs.

    Parameters
    ----------
    weights : sequence of (o, c, k, k)
        Kernels of the branches, with odd k and one c; each branch is padded by (k - 1) / 2.
    kernel_size : int
        Side of the common kernel, odd, at least the largest k.

    Returns
    -------
    (sum of o, c, kernel_size, kernel_size)
        Its convolution, padded by (kernel_size - 1) / 2, is the concatenation of the branches'.

    Examples
    --------
    >>> embed_kernels([torch.ones(1, 1, 1, 1), torch.full((1, 1, 3, 3), 2.0)], 3).sum(dim=(1, 2, 3))
    tensor([ 1., 18.])
    """
    shapes = [tuple(weight.shape) for weight in weights]
    if not shapes or any(len(shape) != 4 or shape[1] != shapes[0][1] or shape[2] != shape[3] for shape in shapes):
        raise ValueError(f"weights are (o, c, k, k) with one c, found shapes {shapes}")
    if kernel_size % 2 == 0 or any(shape[2] % 2 == 0 or shape[2] > kernel_size for shape in shapes):
        raise ValueError(
            f"sides of kernels are odd and at most kernel_size = {kernel_size}, which is odd, found {shapes}"
        )
    margins = [(kernel_size - weight.shape[-1]) // 2 for weight in weights]
    return torch.cat([F.pad(weight, (m, m, m, m)) for weight, m in zip(weights, margins, strict=True)])


def factor_kernel(weight: Tensor, rank: int) -> Factors:
    """Return the 1 x 1 reduction to ``rank`` maps, and the k x k convolution after it, that come nearest to a kernel.

    The kernels as a matrix, a column for each input map and a row for each output map and place, have a best
    approximation of every rank: the truncated singular value decomposition (Eckart and Young, 1936).

    Parameters
    ----------
    weight : (o, c, k, k)
    rank : int
        From 1 to c.

    Examples
    --------
    >>> reduce, expand = factor_kernel(torch.randn(8, 6, 3, 3), 2)
    >>> reduce.shape, expand.shape
    (torch.Size([2, 6, 1, 1]), torch.Size([8, 2, 3, 3]))
    """
    o, c, i, j = axes("weight", weight, "o c i j", least=1)
    if not 1 <= rank <= c:
        raise ValueError(f"rank is from 1 to {c}, the number of input maps, found {rank}")
    matrix = weight.permute(0, 2, 3, 1).reshape(o * i * j, c)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    kept = min(rank, len(s))  # a matrix of fewer rows than rank has no further directions
    expand = F.pad(u[:, :kept] * s[:kept], (0, rank - kept)).reshape(o, i, j, rank).permute(0, 3, 1, 2)
    reduce = F.pad(vt[:kept], (0, 0, 0, rank - kept))
    return Factors(reduce[:, :, None, None].contiguous(), expand.contiguous())
