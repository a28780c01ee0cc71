"""Pictures of a loss: slices, normalized as in Li et al. (2018), arXiv:1712.09913, and curves between minima.

A loss is a function ``f`` of one vector, all parameters of a network in a row; ``flat_loss`` makes one of a model.
Paper → code: θ* → ``theta``; δ, η → ``first``, ``second``; α, β → the steps along them; d_{i,j}, filter j of layer i →
a row of a parameter with two axes or more, all that enters one unit or one map.  Garipov et al. (2018),
arXiv:1802.10026: ŵ₁, θ, ŵ₂ → ``start``, ``bend``, ``end``.  Axes: d parameters, a and b steps.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from dlbook._checks import axes

__all__ = ["bezier", "filter_normalized", "flat_loss", "slice_1d", "slice_2d", "unflatten"]

Loss = Callable[[Tensor], Tensor]


def unflatten(theta: Tensor, model: nn.Module) -> dict[str, Tensor]:
    """Cut a vector (d,) into the named parameters of a model, in their order; views, not copies.

    Examples
    --------
    >>> {name: p.tolist() for name, p in unflatten(torch.arange(3.0), nn.Linear(2, 1)).items()}
    {'weight': [[0.0, 1.0]], 'bias': [2.0]}
    """
    named = dict(model.named_parameters())
    axes("theta", theta, "d", d=sum(p.numel() for p in named.values()))
    pieces = theta.split([p.numel() for p in named.values()])
    return {name: piece.view(p.shape) for piece, (name, p) in zip(pieces, named.items(), strict=True)}


def flat_loss(model: nn.Module, cost: Callable[[Callable[..., Tensor]], Tensor]) -> tuple[Loss, Tensor]:
    """Turn the loss of a model into a function of one vector, and return it with the model's own place.

    Parameters
    ----------
    model : Module
        Its parameters stay as they are. Buffers are used as they are; layers that draw or that keep statistics belong
        into ``eval()`` mode.
    cost : callable
        Takes the model and returns a number: ``lambda net: cross_entropy(net(x), y)``. What it gets stands in for the
        model: it can be called with positional arguments, and has no attributes.

    Returns
    -------
    f : callable
        A vector (d,) to a number.
    theta : (d,)

    Examples
    --------
    >>> f, theta = flat_loss(nn.Linear(2, 1), lambda net: net(torch.tensor([[1.0, 10]])).sum())
    >>> f(torch.tensor([1.0, 2, 0.5])).item()
    21.5
    """

    def f(theta: Tensor) -> Tensor:
        parameters = unflatten(theta, model)
        return cost(lambda *inputs: functional_call(model, parameters, inputs))

    return f, torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def slice_1d(f: Loss, theta: Tensor, direction: Tensor, steps: Tensor, *, chunk_size: int = 1) -> Tensor:
    """Evaluate f(θ + α δ) for every step α: the loss along a line.

    Parameters
    ----------
    f : callable
        A vector (d,) to a number.
    theta, direction : (d,)
    steps : (a,)
    chunk_size : int
        Points that are evaluated at once, by ``vmap`` if more than one. They need memory, and pay on a GPU.

    Returns
    -------
    tensor
        (a,)

    Examples
    --------
    >>> slice_1d(lambda t: (t * t).sum(), torch.tensor([1.0, 0]), torch.tensor([0, 2.0]), torch.tensor([-1.0, 0, 1]))
    tensor([5., 1., 5.])
    """
    (d,) = axes("theta", theta, "d")
    axes("direction", direction, "d", d=d), axes("steps", steps, "a")
    return _at_each(lambda a: f(theta + a * direction), steps, chunk_size)


def slice_2d(
    f: Loss,
    theta: Tensor,
    first: Tensor,
    second: Tensor,
    steps_first: Tensor,
    steps_second: Tensor,
    *,
    chunk_size: int = 1,
) -> Tensor:
    """Evaluate f(θ + α δ + β η) on a grid, the surfaces of Li et al.

    Takes what :func:`slice_1d` takes, with two directions (d,) and steps (a,) along the first, (b,) along the second.

    Returns
    -------
    tensor
        (b, a): a row for each β, as ``matplotlib.pyplot.contour`` wants it.

    Examples
    --------
    >>> f, zero, one = lambda t: t[0] + 10 * t[1], torch.zeros(2), torch.eye(2)
    >>> slice_2d(f, zero, one[0], one[1], torch.arange(3.0), torch.arange(2.0))
    tensor([[ 0.,  1.,  2.],
            [10., 11., 12.]])
    """
    (d,) = axes("theta", theta, "d")
    (a,), (b,) = axes("steps_first", steps_first, "a"), axes("steps_second", steps_second, "b")
    axes("first", first, "d", d=d), axes("second", second, "d", d=d)
    points = torch.cartesian_prod(steps_second, steps_first).view(b * a, 2)
    values = _at_each(lambda p: f(theta + p[1] * first + p[0] * second), points, chunk_size)
    return values.view(b, a)


def filter_normalized(direction: Tensor, theta: Tensor, model: nn.Module) -> Tensor:
    """Give every filter of a direction the length of the network's own: Li et al., d ← d ‖θ‖ / ‖d‖.

    Parameters that are vectors, such as biases, stay where they are: their part of the direction becomes zero. A filter
    of the direction that is all zeros stays so.

    Parameters
    ----------
    direction : (d,)
        As a rule random, standard normal numbers.
    theta : (d,)
        The place in whose units one wants to step.
    model : Module
        Says which parameter is where.

    Examples
    --------
    >>> place, raw = torch.tensor([0.0, 7, 9]), torch.tensor([3.0, 4, 5])
    >>> filter_normalized(raw, place, nn.Linear(2, 1)).round(decimals=4)
    tensor([4.2000, 5.6000, 0.0000])
    """
    weights = unflatten(theta, model)
    axes("direction", direction, "d", d=len(theta))
    parts = unflatten(direction, model)
    normalized = []
    for part, weight in zip(parts.values(), weights.values(), strict=True):
        if part.ndim < 2:
            normalized.append(torch.zeros_like(part))
            continue
        rows, own = part.flatten(1), weight.flatten(1)
        # a row of zeros is divided by the smallest number first, and stays zero: 0 / tiny, never 0 times infinity
        length = rows.norm(dim=1, keepdim=True).clamp_min(torch.finfo(rows.dtype).tiny)
        normalized.append((rows / length * own.norm(dim=1, keepdim=True)).flatten())
    return torch.cat([part.flatten() for part in normalized])


def bezier(start: Tensor, bend: Tensor, end: Tensor, t: Tensor | float) -> Tensor:
    """Return the points (1 - t)² start + 2 t (1 - t) bend + t² end of a curve: Garipov et al., quadratic Bezier curve.

    Parameters
    ----------
    start, bend, end : (d,)
        The curve leaves ``start`` in the direction of ``bend`` and passes it by.
    t : (...), from 0 to 1

    Returns
    -------
    tensor
        (..., d)

    Examples
    --------
    >>> bezier(torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor([0.0, 0.5, 1]))
    tensor([[0.0000],
            [0.5000],
            [0.0000]])
    """
    (d,) = axes("start", start, "d")
    axes("bend", bend, "d", d=d), axes("end", end, "d", d=d)
    if not start.is_floating_point():
        raise ValueError(f"start is of floats, as the steps between 0 and 1 are, found {start.dtype}")
    t = torch.as_tensor(t, dtype=start.dtype, device=start.device)[..., None]
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end


def _at_each(f: Loss, points: Tensor, chunk_size: int) -> Tensor:
    """Evaluate f at every row, one by one or, in chunks, all at once."""
    if chunk_size == 1:  # what vmap costs is not won back by one point
        return torch.stack([f(point) for point in points])
    return vmap(f, chunk_size=chunk_size)(points)
