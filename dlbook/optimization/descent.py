"""Gradient descent: Cauchy (1847), C. R. Acad. Sci. Paris 25, 536-538; its step in other norms; the natural gradient.

Natural gradient: Amari (1998), Neural Computation 10(2), 251-276.  The lecture's ∂J/∂θ and ε_k → ``gradient``
and ``rate``; its ε, the radius of a trust region, keeps its name.  Axes: d parameters, n examples, k classes.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = [
    "Descent",
    "gradient_descent",
    "natural_gradient",
    "natural_gradient_step",
    "numerical_gradient",
    "softmax_fisher",
    "trust_region_step",
]

Function = Callable[[Tensor], Tensor]


class Descent(NamedTuple):
    """Where gradient descent went: every point of its path, and the function there."""

    path: Tensor  # (steps + 1, ...), the start first
    values: Tensor  # (steps + 1,)


def gradient_descent(function: Function, start: Tensor, *, lr: float | Callable[[int], float], steps: int) -> Descent:
    """Walk down: ``steps`` times, move against the gradient, ``x - lr * gradient``.

    Nothing stops it: a rate that is too large shows in a path that grows, to infinity in the end. Where the function
    has a kink, autograd returns one of its sub-gradients, and this is the sub-gradient method.

    Parameters
    ----------
    function : callable
        Maps a tensor like ``start`` to a scalar, by operations that autograd knows.
    start : (d,), or any other shape
        Floats. It is not changed.
    lr : float or callable
        Size of a step, η; or η_t as a function of the step t = 0, 1, ...
    steps : int

    Returns
    -------
    Descent
        ``path`` (steps + 1, d) and ``values`` (steps + 1,).

    Examples
    --------
    >>> gradient_descent(lambda x: (x**2).sum(), torch.tensor([8.0]), lr=0.25, steps=3).path.flatten()
    tensor([8., 4., 2., 1.])
    """
    _finite_floats("start", start)
    if steps < 1:
        raise ValueError(f"steps counts the steps, at least 1, found {steps}")
    rates = [lr(t) for t in range(steps)] if callable(lr) else [lr] * steps
    for t, eta in enumerate(rates):
        if not (eta > 0 and math.isfinite(eta)):
            raise ValueError(f"a rate is positive and finite, found {eta} at step {t}")
    x = start.detach().clone()
    path, values = [x], []
    for eta in rates:
        value, gradient = _value_and_gradient(function, x)
        x = x - eta * gradient
        path.append(x)
        values.append(value)
    with torch.no_grad():
        values.append(function(x))
    return Descent(torch.stack(path), torch.stack(values))


def _value_and_gradient(function: Function, x: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        value = function(x)
    if not isinstance(value, Tensor) or value.ndim or not value.requires_grad:
        found = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise ValueError(f"the function returns a scalar tensor that depends on its argument, found {found}")
    (gradient,) = torch.autograd.grad(value, x)
    return value.detach(), gradient


@torch.no_grad()
def numerical_gradient(function: Function, x: Tensor, *, step: float | None = None) -> Tensor:
    """Difference a function along each axis: ``(f(x + h e_i) - f(x - h e_i)) / 2h``, for every i.

    The error of this *central* difference is about ``h**2 / 6`` times the third derivative, and the rounding of the two
    values adds about their precision over ``h``. So h should be small, but not smaller than the cube root of the
    precision.

    Parameters
    ----------
    function : callable
        Maps a tensor like ``x`` to a scalar.
    x : (d,), or any other shape
        Floats; float64 unless a few digits are enough.
    step : float, optional
        h. By default the cube root of the precision of ``x`` (6e-6 for float64), times ``max(1, abs(x_i))``.

    Returns
    -------
    tensor
        Like ``x``: one partial derivative for each entry.

    Examples
    --------
    >>> numerical_gradient(lambda x: x[0] * x[1] ** 2, torch.tensor([2.0, 3.0], dtype=torch.float64))
    tensor([ 9.0000, 12.0000], dtype=torch.float64)
    """
    _finite_floats("x", x)
    if step is not None and not (step > 0 and math.isfinite(step)):
        raise ValueError(f"step is positive and finite, found {step}")
    flat = x.detach().flatten()
    sizes = torch.full_like(flat, step) if step is not None else _cube_root_of_precision(flat)
    partials = []
    for i, h in enumerate(sizes):
        ahead, behind = flat.clone(), flat.clone()
        ahead[i] += h
        behind[i] -= h
        values = [torch.as_tensor(function(at.view_as(x))) for at in (ahead, behind)]
        if values[0].ndim:
            raise ValueError(f"the function returns a scalar, found shape {tuple(values[0].shape)}")
        partials.append((values[0] - values[1]) / (ahead[i] - behind[i]))  # what was really moved, after rounding
    return torch.stack(partials).to(x.dtype).view_as(x)


def _cube_root_of_precision(x: Tensor) -> Tensor:
    return torch.finfo(x.dtype).eps ** (1 / 3) * x.abs().clamp(min=1)


def trust_region_step(gradient: Tensor, epsilon: float, *, norm: float = 2) -> Tensor:
    """Solve ``min gradient · s`` over all s whose ``norm`` is at most ``epsilon``: the best step of a linear model.

    With the norm 2 it is the negative gradient, *normalized*; with ``math.inf`` its sign in every entry; with 1 it
    moves one entry alone, the steepest. For any other p it is the case of equality of Hölder's inequality.

    Parameters
    ----------
    gradient : (d,), or any other shape
        Floats.
    epsilon : float
        Radius of the ball, in the units of the parameters.
    norm : float
        p of the p-norm of all entries together, from 1 to ``math.inf``.

    Returns
    -------
    tensor
        Like ``gradient``. It has norm ``epsilon``; or it is zero where the gradient is zero and all steps are alike.

    Examples
    --------
    >>> gradient = torch.tensor([3.0, -4.0])
    >>> for norm in (2, math.inf, 1):
    ...     trust_region_step(gradient, 1.0, norm=norm)
    tensor([-0.6000,  0.8000])
    tensor([-1.,  1.])
    tensor([0., 1.])
    """
    _finite_floats("gradient", gradient)
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon is a radius, positive and finite, found {epsilon}")
    if not norm >= 1:
        raise ValueError(f"norm is the p of a p-norm, from 1 to infinity, found {norm}")
    size = gradient.abs()
    if not size.any():
        return torch.zeros_like(gradient)
    if norm == 1:
        share = torch.zeros_like(size).flatten()
        share[size.argmax()] = 1  # the first of several that are equally steep
        share = share.view_as(size)
    elif norm == math.inf:
        share = torch.ones_like(size)
    else:
        share = (size / size.max()) ** (1 / (norm - 1))  # q - 1 = 1 / (p - 1)
        share = share / torch.linalg.vector_norm(share, norm)
    return -epsilon * gradient.sign() * share + 0.0  # of minus zero this makes zero


def softmax_fisher(weight: Tensor, x: Tensor) -> Tensor:
    """Compute the Fisher information of softmax regression: the mean of ``g gᵀ`` over the model's own answers.

    With p the probabilities of an example it is the mean of ``(diag(p) - p pᵀ) ⊗ x xᵀ``. No label occurs in it, and it
    is also the Hessian of the mean cross-entropy, whatever the labels are.

    Parameters
    ----------
    weight : (k, d)
        A row a class, at least two. A column of ones in ``x`` makes one column of it a bias.
    x : (n, d)

    Returns
    -------
    tensor
        (k d, k d), entries in the order of ``weight.flatten()``.

    Examples
    --------
    >>> softmax_fisher(torch.zeros(2, 1), torch.tensor([[2.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    _finite_floats("weight", weight)
    _finite_floats("x", x)
    if weight.ndim != 2 or x.ndim != 2 or weight.shape[1] != x.shape[1] or len(weight) < 2 or weight.dtype != x.dtype:
        raise ValueError(
            f"weight is (k, d) with k at least 2 and x is (n, d), of one dtype, found shapes {tuple(weight.shape)} of "
            f"{weight.dtype} and {tuple(x.shape)} of {x.dtype}"
        )
    (k, d), n = weight.shape, len(x)
    p = (x @ weight.T).softmax(dim=1)
    each = (p[:, :, None] * x[:, None, :]).reshape(n, k * d)  # p ⊗ x, a row an example
    fisher = -(each.T @ each) / n
    for j in range(k):
        block = slice(j * d, (j + 1) * d)
        fisher[block, block] += (p[:, j, None] * x).T @ x / n
    return fisher


def natural_gradient(weight: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Turn the gradient of the mean cross-entropy into the natural one of Amari (1998), ``F⁺ g``.

    The Fisher information F of softmax regression is always singular, since a constant that is added to all scores
    changes no probability, and more so where features depend on each other. F⁺ is its pseudo-inverse, so the result is
    the shortest of the solutions. A step of rate 1 against it is one of Newton's method, since F is also the Hessian.

    Parameters
    ----------
    weight : (k, d)
    x : (n, d)
    y : int64 (n,)
        Classes, 0 to k - 1.

    Returns
    -------
    tensor
        (k, d)

    Examples
    --------
    >>> x, y = torch.tensor([[1.0], [1.0], [1.0], [1.0]]), torch.tensor([0, 0, 0, 1])
    >>> natural_gradient(torch.zeros(2, 1), x, y)
    tensor([[-0.5000],
            [ 0.5000]])
    """
    return _natural(weight, x, y)[0]


def natural_gradient_step(weight: Tensor, x: Tensor, y: Tensor, epsilon: float) -> Tensor:
    """Solve ``min g · s`` over the steps that change the *answers* by at most ``epsilon`` nats.

    As :func:`trust_region_step`, with a ball in function space: the mean Kullback-Leibler divergence of the new
    probabilities from the old ones, which is ``sᵀ F s / 2`` for small steps.

    Parameters
    ----------
    weight : (k, d)
    x : (n, d)
    y : int64 (n,)
        Classes, 0 to k - 1.
    epsilon : float
        Mean divergence, in nats.

    Returns
    -------
    tensor
        (k, d), to be added to ``weight``; zero where the gradient is zero.

    Examples
    --------
    >>> x, y = torch.tensor([[1.0], [1.0], [1.0], [1.0]]), torch.tensor([0, 0, 0, 1])
    >>> natural_gradient_step(torch.zeros(2, 1), x, y, 0.02)
    tensor([[ 0.2000],
            [-0.2000]])
    """
    if not (epsilon > 0 and math.isfinite(epsilon)):
        raise ValueError(f"epsilon is a divergence in nats, positive and finite, found {epsilon}")
    natural, gradient = _natural(weight, x, y)
    slope = (natural * gradient).sum()  # gᵀ F⁺ g
    if not slope > 0:
        return torch.zeros_like(weight)
    return -(2 * epsilon / slope).sqrt() * natural


@torch.no_grad()
def _natural(weight: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return the natural gradient and the ordinary one, each (k, d)."""
    fisher = softmax_fisher(weight, x)
    classes = len(weight)
    if y.shape != (len(x),) or y.dtype != torch.int64 or not 0 <= int(y.min()) <= int(y.max()) < classes:
        raise ValueError(
            f"y holds a class from 0 to {classes - 1} for each of the {len(x)} rows of x, int64, found shape "
            f"{tuple(y.shape)} of {y.dtype}" + (f", from {y.min()} to {y.max()}" if y.numel() else "")
        )
    blame = (x @ weight.T).softmax(dim=1)
    blame[torch.arange(len(x)), y] -= 1
    gradient = blame.T @ x / len(x)
    # a row that is added to all classes changes no answer: give F some curvature there, so that no rank is guessed
    same = torch.full_like(fisher[:classes, :classes], 1 / classes).kron(torch.eye(x.shape[1]).to(x))
    curved = fisher + fisher.diagonal().mean() * same
    rounding = max(len(x), len(fisher)) * torch.finfo(x.dtype).eps
    inverse = torch.linalg.pinv(curved, hermitian=True, rtol=rounding)
    return (inverse @ gradient.flatten()).view_as(weight), gradient


def _finite_floats(name: str, x: Tensor) -> None:
    if not x.is_floating_point():
        raise ValueError(f"{name} is a tensor of floats, found {x.dtype}")
    if not x.numel():
        raise ValueError(f"{name} is empty: shape {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(f"{name} is finite, found {x[~x.isfinite()][0].item()} in it")
