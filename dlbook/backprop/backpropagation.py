"""Back-propagation written out for layers, in NumPy and without any other machine.

The lecture's deltas (S3:137-152) in matrices: with u_l = W_l h_{l-1} + b_l and h_l = g(u_l),

    delta_L = ∂L/∂u_L,               delta_l = (W_{l+1}ᵀ delta_{l+1}) * g'(u_l),
    ∂L/∂W_l = delta_l h_{l-1}ᵀ,      ∂L/∂b_l = delta_l.

Source: Rumelhart, Hinton and Williams (1986).  Arrays hold an example in each row, so products stand the other way
round than in the formulas for one column.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes

__all__ = ["Forward", "Gradients", "backprop", "forward"]

Array = NDArray[Any]
Activation = Literal["sigmoid", "tanh", "relu", "identity"]
Loss = Literal["squares", "cross-entropy"]


class Forward(NamedTuple):
    """What the way forward computed, and the way back needs."""

    sums: list[Array]  # u_1 ... u_L, (n, units)
    states: list[Array]  # h_0 = x, h_1 ... h_L


class Gradients(NamedTuple):
    """What the way back computed; of the mean loss over the examples."""

    loss: float
    weights: list[Array]  # ∂L/∂W_l, (units of l, units of l - 1)
    biases: list[Array]  # ∂L/∂b_l, (units of l,)
    deltas: list[Array]  # ∂L/∂u_l, (n, units of l)


def forward(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    *,
    activation: Activation = "relu",
    output: Activation = "identity",
) -> Forward:
    """Compute all layers of a network.

    Parameters
    ----------
    weights : L arrays (units, units before)
    biases : L arrays (units,)
    x : (n, units of the input)
    activation, output : {"sigmoid", "tanh", "relu", "identity"}
        After the hidden layers, and after the last one.

    Examples
    --------
    >>> forward([[[1.0, -1.0]]], [[0.5]], [[2.0, 1.0], [0.0, 3.0]]).states[-1]
    array([[ 1.5],
           [-2.5]])
    """
    weights, biases, x = _network(weights, biases, x)
    for name in (activation, output):
        if name not in _ACTIVATIONS:
            raise ValueError(f"activations are {', '.join(_ACTIVATIONS)}, found {name!r}")
    sums, states = [], [x]
    for place, (weight, bias) in enumerate(zip(weights, biases, strict=True), 1):
        g, _ = _ACTIVATIONS[output if place == len(weights) else activation]
        sums.append(states[-1] @ weight.T + bias)
        states.append(g(sums[-1]))
    return Forward(sums, states)


def backprop(
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    x: ArrayLike,
    target: ArrayLike,
    *,
    activation: Activation = "relu",
    loss: Loss = "cross-entropy",
    output: Activation = "identity",
) -> Gradients:
    """Return the loss of a network and its gradient with respect to every weight and bias.

    Parameters
    ----------
    weights, biases, x, activation
        As in :func:`forward`.
    target : (n, units of the output)
        What the outputs should be; for the cross-entropy a distribution in each row, such as a one at the class.
    loss : {"cross-entropy", "squares"}
        The mean over examples of -Σ t log softmax(u_L), or of ½ Σ (h_L - t)².
    output : {"identity", "sigmoid", "tanh", "relu"}
        After the last layer, for squares (the lecture's is "sigmoid"); scores of the cross-entropy are not squashed.

    Returns
    -------
    Gradients

    Examples
    --------
    >>> backprop([[[2.0]]], [[0.0]], [[3.0]], [[5.0]], loss="squares").weights[0]  # (6 - 5) * 3
    array([[3.]])
    """
    if loss not in ("squares", "cross-entropy"):
        raise ValueError(f'loss is "squares" or "cross-entropy", found {loss!r}')
    if loss == "cross-entropy" and output != "identity":
        raise ValueError(f'the scores of the cross-entropy are not squashed: output is "identity", found {output!r}')
    weights, biases, x = _network(weights, biases, x)
    sums, states = forward(weights, biases, x, activation=activation, output=output)
    target = np.asarray(target, sums[-1].dtype)
    n, k = states[-1].shape
    axes("target", target, "n k", n=n, k=k, hint="one number for each output")
    if loss == "squares":
        wrong = states[-1] - target
        value = 0.5 * (wrong**2).sum() / n
        delta = wrong * _ACTIVATIONS[output][1](sums[-1]) / n
    else:
        shifted = sums[-1] - sums[-1].max(axis=1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        value = -(target * log_p).sum() / n
        delta = (np.exp(log_p) * target.sum(axis=1, keepdims=True) - target) / n
    slope = _ACTIVATIONS[activation][1]
    by_weight: list[Array] = []
    deltas = [delta]
    for place in reversed(range(len(weights))):
        by_weight.append(deltas[-1].T @ states[place])
        if place:  # each unit collects from all units that it feeds
            deltas.append((deltas[-1] @ weights[place]) * slope(sums[place - 1]))
    deltas.reverse()
    return Gradients(float(value), by_weight[::-1], [delta.sum(axis=0) for delta in deltas], deltas)


def _sigmoid(u: Array) -> Array:
    return 0.5 * np.tanh(0.5 * u) + 0.5


def _sigmoid_slope(u: Array) -> Array:
    return _sigmoid(u) * _sigmoid(-u)


_ACTIVATIONS: dict[str, tuple[Callable[[Array], Array], Callable[[Array], Array]]] = {
    "sigmoid": (_sigmoid, _sigmoid_slope),
    "tanh": (np.tanh, lambda u: 4 * _sigmoid_slope(2 * u)),
    "relu": (lambda u: np.maximum(u, 0), lambda u: (u > 0).astype(u.dtype)),
    "identity": (lambda u: u, np.ones_like),
}


def _network(
    weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], x: ArrayLike
) -> tuple[list[Array], list[Array], Array]:
    """Return the arrays of a network whose layers fit together, in a floating dtype."""
    table, layers, shifts = _floats(x), [_floats(weight) for weight in weights], [_floats(bias) for bias in biases]
    if not layers or len(layers) != len(shifts):
        raise ValueError(f"each layer has weights and biases, found {len(layers)} and {len(shifts)}")
    _, width = axes("x", table, "n d", least=1)
    for place, (weight, bias) in enumerate(zip(layers, shifts, strict=True), 1):
        units, _ = axes(f"the weight of layer {place}", weight, "units inputs", least=1, inputs=width)
        axes(f"the bias of layer {place}", bias, "units", units=units)
        width = units
    return layers, shifts, table


def _floats(values: ArrayLike) -> Array:
    array = np.asarray(values)
    return array if array.dtype.kind == "f" else array.astype(np.float64)
