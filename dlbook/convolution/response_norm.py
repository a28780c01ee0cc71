"""Local response normalization: Krizhevsky, Sutskever and Hinton (2012), NIPS 25, Sec. 3.3.

The paper's a, b, k, n, α, β → ``x``, the result, ``k``, ``size``, ``alpha``, ``beta``.  Axes: b images, c maps.
"""

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["LocalResponseNorm", "local_response_norm"]


def local_response_norm(x: Tensor, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Tensor:
    """Divide each number by what its neighbors in *other maps* at the same pixel amount to, Sec. 3.3.

    ``x[i] / (k + alpha * sum of x[j]**2 over |j - i| <= size // 2) ** beta``, with j among the maps that exist.  In
    torch ``alpha`` multiplies the mean over ``size`` places and not the sum: its ``alpha`` is ``size`` times ours.

    Parameters
    ----------
    x : (b, c, ...)
    size : int
        How many maps are summed, odd: n of the paper, which chose all four constants on validation images.
    alpha, beta, k : float

    Raises
    ------
    ValueError
        If ``x`` has fewer than two axes or is not of floats, ``size`` is not odd and positive, or ``k`` and ``alpha``
        are not above zero and at least zero, so that something would be divided by zero.

    Examples
    --------
    >>> import torch
    >>> x = torch.tensor([[3.0, 4.0, 0.0]])
    >>> local_response_norm(x, 3, alpha=1.0, beta=0.5, k=0.01).round(decimals=2)  # 3 / 5, 4 / 5 and 0 / 4
    tensor([[0.6000, 0.8000, 0.0000]])
    """
    if x.ndim < 2 or not x.is_floating_point():
        raise ValueError(f"x is floats (b, c, ...), found {x.dtype} of shape {tuple(x.shape)}")
    _check_norm(size, alpha, k)
    maps, reach = x.shape[1], size // 2
    squares = F.pad(x.square().flatten(2), (0, 0, reach, reach)) if x.ndim > 2 else F.pad(x.square(), (reach, reach))
    total = sum((squares[:, j : j + maps] for j in range(1, size)), start=squares[:, :maps])
    return x / (k + alpha * total.reshape(x.shape)) ** beta


class LocalResponseNorm(nn.Module):
    """:func:`local_response_norm` as a layer, with the constants of the paper.

    Parameters
    ----------
    size, alpha, beta, k
        As in :func:`local_response_norm`.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(2, 7, 3, 3)
    >>> torch.allclose(LocalResponseNorm()(x), nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)(x))
    True
    """

    def __init__(self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        _check_norm(size, alpha, k)
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (b, c, ...)."""
        return local_response_norm(x, self.size, alpha=self.alpha, beta=self.beta, k=self.k)

    def extra_repr(self) -> str:
        """Return the constants, for printing."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _check_norm(size: int, alpha: float, k: float) -> None:
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size is odd and positive, found {size}")
    if not (k > 0 and alpha >= 0):
        raise ValueError(f"k is above zero and alpha at least zero, found k = {k} and alpha = {alpha}")
