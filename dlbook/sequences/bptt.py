"""Back-propagation through time by hand: Pascanu, Mikolov and Bengio (2013), arXiv:1211.5063, eq. (3) to (5).

The paper's W_rec → ``weight``, W_in x_t + b → ``drive`` (it may be any sequence), ∂E_t/∂x_t → ``blame``. The state is
h_t = tanh(W h_{t-1} + drive_t), here after the nonlinearity. Axes: t steps, h units.
"""

import numpy as np
from numpy.typing import NDArray

from dlbook._checks import axes

__all__ = ["bptt", "jacobian", "lag_terms", "unroll"]

Floats = NDArray[np.float64]


def unroll(weight: Floats, drive: Floats, start: Floats) -> Floats:
    """Return all states, the start first: (t + 1, h).

    Parameters
    ----------
    weight : (h, h)
    drive : (t, h)
        What the inputs add at each step.
    start : (h,)

    Examples
    --------
    >>> unroll(np.array([[0.0]]), np.array([[0.5]]), np.array([9.0])).round(4)
    array([[9.    ],
           [0.4621]])
    """
    h, _ = axes("weight", weight, "h h", least=1)
    axes("drive", drive, "t h", h=h)
    axes("start", start, "h", h=h)
    states = [start]
    for added in drive:
        states.append(np.tanh(weight @ states[-1] + added))
    return np.stack(states)


def jacobian(weight: Floats, states: Floats, later: int, earlier: int) -> Floats:
    """Return how one state depends on an earlier one: a product of ``later - earlier`` factors, eq. (5).

    Parameters
    ----------
    weight : (h, h)
    states : (t + 1, h)
        As :func:`unroll` returns them.
    later, earlier : int
        Numbers of steps, 0 for the start; ``earlier`` is not above ``later``.

    Returns
    -------
    (h, h)
        Column j belongs to unit j of the earlier state.

    Examples
    --------
    >>> jacobian(np.array([[2.0]]), np.zeros((4, 1)), later=3, earlier=0)  # tanh has slope 1 at zero
    array([[8.]])
    """
    if not 0 <= earlier <= later < len(states):
        raise ValueError(f"0 <= earlier <= later < {len(states)} states, found {earlier} and {later}")
    product = np.eye(len(weight))
    for j in range(earlier + 1, later + 1):
        product = (1 - states[j] ** 2)[:, None] * weight @ product
    return product


def bptt(weight: Floats, states: Floats, blame: Floats) -> tuple[Floats, Floats]:
    """Return the gradients of a sum of costs, one a step, with respect to the weights and to what the inputs add.

    Parameters
    ----------
    weight : (h, h)
    states : (t + 1, h)
        As :func:`unroll` returns them.
    blame : (t, h)
        Derivative of the cost of each step with respect to the state of that step, all else fixed.

    Returns
    -------
    weight : (h, h)
    drive : (t, h)
        The second one times the inputs gives the gradient of their weights.

    Examples
    --------
    >>> states = unroll(np.array([[0.5]]), np.array([[1.0], [0.0]]), np.zeros(1))
    >>> [g.round(4) for g in bptt(np.array([[0.5]]), states, np.array([[0.0], [1.0]]))]
    [array([[0.661]]), array([[0.1823],
           [0.8679]])]
    """
    steps, h = _steps(states, blame)
    gradient, drive, flowing = np.zeros_like(weight), np.empty_like(blame), np.zeros(h)
    for t in range(steps, 0, -1):
        flowing = (1 - states[t] ** 2) * (blame[t - 1] + flowing)  # through the tanh of step t
        drive[t - 1] = flowing
        gradient += np.outer(flowing, states[t - 1])
        flowing = weight.T @ flowing  # to the state of step t - 1
    return gradient, drive


def lag_terms(weight: Floats, states: Floats, blame: Floats) -> Floats:
    """Return what each lag contributes to the gradient of the weights: the sum over steps, taken apart by distance.

    Term k has the costs' blame carried k steps back by :func:`jacobian`, then the *immediate* derivative of that state
    with respect to the weights, in which the state before it is a constant.

    Parameters
    ----------
    weight, states, blame
        As in :func:`bptt`.

    Returns
    -------
    (t, h, h)
        Their sum is the gradient.

    Examples
    --------
    >>> states = unroll(np.array([[0.5]]), np.array([[1.0], [0.0]]), np.zeros(1))
    >>> lag_terms(np.array([[0.5]]), states, np.array([[0.0], [1.0]])).round(4).flatten()
    array([0.661, 0.   ])
    """
    steps, h = _steps(states, blame)
    terms = np.zeros((steps, h, h))
    for t in range(1, steps + 1):
        carried = blame[t - 1]
        for k in range(t):
            at = t - k
            immediate = (1 - states[at] ** 2) * carried
            terms[k] += np.outer(immediate, states[at - 1])
            carried = weight.T @ immediate
    return terms


def _steps(states: Floats, blame: Floats) -> tuple[int, int]:
    steps, h = axes("blame", blame, "t h")
    axes("states", states, "t+1 h", h=h)
    if len(states) != steps + 1:
        raise ValueError(f"there is one state more than steps, found {len(states)} and {steps}")
    return steps, h
