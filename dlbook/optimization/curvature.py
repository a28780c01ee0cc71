"""The curvature of a loss: products with its Hessian, the ends of its spectrum, and places where the gradient is zero.

Pearlmutter (1994), "Fast exact multiplication by the Hessian", has the product; Dauphin et al. (2014), arXiv:1406.2572,
find critical points of networks by Newton's method and count their index.  A loss is a function ``f`` of one vector
(d,); :func:`dlbook.optimization.landscape.flat_loss` makes one of a model.  Axes: d parameters, k eigenvalues.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Generator, Tensor
from torch.func import grad, hessian, jvp, vmap

from dlbook._checks import axes

__all__ = ["CriticalPoint", "Eigenpairs", "critical_point", "hessian_eigenvalues", "hessian_vector_product", "index"]

Loss = Callable[[Tensor], Tensor]


class Eigenpairs(NamedTuple):
    """Eigenvalues, the largest first, and an eigenvector of length one for each."""

    values: Tensor  # (k,)
    vectors: Tensor  # (k, d)


class CriticalPoint(NamedTuple):
    """Where a search ended. A zero of the gradient only if ``gradient_norm`` says so."""

    theta: Tensor  # (d,)
    gradient_norm: float
    steps: int


def hessian_vector_product(f: Loss, theta: Tensor, v: Tensor) -> Tensor:
    """Return H v, the derivative of the gradient along v, without H: Pearlmutter (1994), R{∇f}.

    It costs a few times what a gradient costs, whatever the number of parameters.

    Parameters
    ----------
    f : callable
        A vector (d,) to a number, twice differentiable.
    theta, v : (d,)

    Returns
    -------
    tensor
        (d,), detached: it is not differentiated further.

    Examples
    --------
    >>> f = lambda t: t[0] ** 2 + 3 * t[0] * t[1]
    >>> hessian_vector_product(f, torch.zeros(2), torch.tensor([1.0, 0]))
    tensor([2., 3.])
    """
    (d,) = axes("theta", theta, "d")
    axes("v", v, "d", d=d)
    along: Tensor = jvp(grad(f), (theta,), (v,))[1]
    return along.detach()


def hessian_eigenvalues(
    f: Loss, theta: Tensor, k: int = 1, *, which: str = "largest", tolerance: float = 1e-6, generator: Generator
) -> Eigenpairs:
    """Find the k largest, or smallest, eigenvalues of the Hessian by Lanczos' method, from products H v alone.

    ARPACK does the work in float64, through SciPy; the products are computed on the device of ``theta`` in its dtype.
    Eigenvalues far from the others are found after a few dozen products, those in a crowd after hundreds.

    Parameters
    ----------
    f : callable
        A vector (d,) to a number, twice differentiable.
    theta : (d,)
    k : int
        At least 1 and below d.
    which : {"largest", "smallest"}
        In the order of the numbers, so that "smallest" are the most negative.
    tolerance : float
        Relative to each eigenvalue.
    generator : torch.Generator
        Draws the vector with which the search begins.

    Examples
    --------
    >>> f = lambda t: (torch.tensor([5.0, 1, -3]) * t * t).sum() / 2
    >>> hessian_eigenvalues(f, torch.zeros(3), 2, generator=torch.Generator().manual_seed(0)).values.round(decimals=3)
    tensor([5., 1.])
    """
    (d,) = axes("theta", theta, "d")
    codes = {"largest": "LA", "smallest": "SA"}
    if which not in codes:
        raise ValueError(f"which is one of {', '.join(codes)}, found {which!r}")
    if not 1 <= k < d:
        raise ValueError(f"k is at least 1 and below the number of parameters, {d}, found {k}")

    def product(v: NDArray[np.float64]) -> Any:
        along = torch.from_numpy(v.reshape(-1).copy()).to(theta)
        return hessian_vector_product(f, theta, along).double().cpu().numpy()

    begin = torch.randn(d, generator=generator, device=generator.device).double().cpu().numpy()
    first = product(begin)
    if not np.isfinite(first).all():
        raise ValueError("the Hessian at theta is not finite")
    if not first.any():
        raise ValueError("the Hessian at theta is zero, so every direction belongs to the eigenvalue 0")
    operator = LinearOperator((d, d), matvec=product, dtype=np.float64)
    values, vectors = eigsh(operator, k=k, which=codes[which], v0=begin, tol=tolerance)
    order = np.argsort(-values)
    return Eigenpairs(torch.from_numpy(values[order]).to(theta), torch.from_numpy(vectors.T[order].copy()).to(theta))


def index(f: Loss, theta: Tensor, *, tolerance: float = 1e-8) -> int:
    """Count the eigenvalues of the Hessian below ``-tolerance``: directions in which f curves downward.

    It forms the whole Hessian, d by d, so it is for hundreds of parameters. The tolerance is for float64; in float32
    the rounding of a flat direction may exceed it and count.

    Examples
    --------
    >>> index(lambda t: t[0] ** 2 - t[1] ** 2 - t[2] ** 2, torch.zeros(3))
    2
    """
    axes("theta", theta, "d")
    return int((torch.linalg.eigvalsh(hessian(f)(theta)) < -tolerance).sum())


def critical_point(f: Loss, theta: Tensor, *, steps: int = 60, tolerance: float = 1e-10) -> CriticalPoint:
    """Search a zero of the gradient, whether minimum, saddle or maximum, by damped Newton steps on the gradient.

    Newton's step -H⁻¹ g is damped as Levenberg and Marquardt damp least squares, -H (H² + μ)⁻¹ g. Of fifteen μ from
    1e-12 to 100 each step takes that which leaves the shortest gradient. The search ends when the gradient is at most
    ``tolerance`` long, when no μ shortens it by a ten-thousandth, or after ``steps`` steps. *It may end elsewhere than
    at a critical point*, where the gradient's length has a minimum of its own; look at ``gradient_norm``.

    Parameters
    ----------
    f : callable
        A vector (d,) to a number, twice differentiable. Its whole Hessian is formed in each step.
    theta : (d,)
        Float64 unless a long gradient is good enough.
    steps : int
    tolerance : float

    Examples
    --------
    >>> found = critical_point(lambda t: torch.cos(t).sum(), torch.tensor([0.4, 2.9], dtype=torch.float64))
    >>> [round(v, 6) + 0.0 for v in found.theta.tolist()]
    [0.0, 3.141593]
    """
    axes("theta", theta, "d")
    slope, curvature = grad(f), hessian(f)
    damping = 10.0 ** torch.arange(-12, 3).to(theta)
    g, taken = slope(theta), 0
    while taken < steps and g.norm() > tolerance:
        values, vectors = torch.linalg.eigh(curvature(theta))
        share = values / (values**2 + damping[:, None])  # (μ, d)
        trials = theta - (share * (vectors.T @ g)) @ vectors.T
        gradients = vmap(slope)(trials)
        best = int(gradients.norm(dim=1).nan_to_num(nan=torch.inf).argmin())
        if not gradients[best].norm() < 0.9999 * g.norm():
            break
        theta, g, taken = trials[best], gradients[best], taken + 1
    return CriticalPoint(theta.detach(), g.norm().item(), taken)
