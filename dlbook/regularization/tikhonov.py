"""What input noise does to a squared error, to second order: Bishop (1995), doi:10.1162/neco.1995.7.1.108.

With ε of mean 0 and covariance σ² I, the mean of ‖f(x + ε) - y‖² is

    ‖f(x) - y‖²  +  σ² (‖J‖²  +  (f(x) - y) · Δf(x))  +  O(σ⁴),

where J is the Jacobian of f and Δ sums its second derivatives.  Where f fits the mean of y, the last product vanishes
on average, and what is left punishes steepness: a Tikhonov regularizer.

Axes: b examples, d inputs, k outputs.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import jacfwd, jacrev, vmap

from dlbook._checks import axes

__all__ = ["laplacian", "noise_penalty", "squared_jacobian"]

Map = Callable[[Tensor], Tensor]


def squared_jacobian(f: Map, x: Tensor) -> Tensor:
    """Return the sum of the squares of all derivatives of all outputs, for each example.

    Parameters
    ----------
    f : callable
        Takes (..., d) to (..., k), each example by itself.
    x : (b, d)

    Returns
    -------
    (b,)

    Examples
    --------
    >>> squared_jacobian(lambda x: 3 * x, torch.ones(1, 2))
    tensor([18.])
    """
    axes("x", x, "b d")
    return _jacobians(f, x).square().sum(dim=(1, 2))


def laplacian(f: Map, x: Tensor) -> Tensor:
    """Return the sum of the second derivatives of each output along the d axes, for each example.

    It takes d derivatives of the Jacobian, so it is meant for small d.

    Parameters
    ----------
    f : callable
        Takes (..., d) to (..., k), each example by itself.
    x : (b, d)

    Returns
    -------
    (b, k)

    Examples
    --------
    >>> laplacian(lambda x: (x**2).sum(dim=-1, keepdim=True), torch.ones(1, 3))
    tensor([[6.]])
    """
    axes("x", x, "b d")
    second: Tensor = vmap(jacfwd(jacrev(f)))(x)
    axes("the second derivative of f", second, "b k d d")
    return torch.einsum("bkii->bk", second)


def noise_penalty(f: Map, x: Tensor, y: Tensor) -> Tensor:
    """Return what a small noise adds to the mean squared error, for each example, divided by the noise's variance.

    Parameters
    ----------
    f : callable
        Takes (..., d) to (..., k), each example by itself.
    x : (b, d)
    y : (b, k)

    Returns
    -------
    (b,)
        ``squared_jacobian + ((f(x) - y) * laplacian).sum()``; for a linear map there is no other term.

    Examples
    --------
    >>> noise_penalty(lambda x: x**2, torch.tensor([[1.0]]), torch.tensor([[0.0]]))  # 4 x² + 2 x²
    tensor([6.])
    """
    axes("x", x, "b d")
    found = f(x)
    b, k = axes("f(x)", found, "b k", b=len(x))
    axes("y", y, "b k", b=b, k=k)
    return squared_jacobian(f, x) + ((found - y) * laplacian(f, x)).sum(dim=1)


def _jacobians(f: Map, x: Tensor) -> Tensor:
    found: Tensor = vmap(jacrev(f))(x)
    axes("the Jacobian of f", found, "b k d")
    return found
