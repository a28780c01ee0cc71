"""The Playground's machine: planar sets, features of two coordinates, and a small network trained by plain descent.

The page computes the same in the reader's browser (``book/_assets/live/network.js``), from the same draws, so that what
is seen there can be counted here.  A setting is written as in the page's address:
``problem=spiral&hidden=8,8&rate=0.1``.

The idea of a network to play with, its sets and its seven features: Smilkov et al. (2017), arXiv:1708.03788, and
https://playground.tensorflow.org.  Nothing here is their code.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes, finite_table
from dlbook.backprop.backpropagation import Activation, Gradients, backprop, forward
from dlbook.data.generators import PROBLEMS, playground

__all__ = ["FEATURES", "Played", "Setting", "cost", "features", "play", "points", "score", "start", "update"]

Array = NDArray[np.float64]
FEATURES = {
    "x1": lambda a, b: a,
    "x2": lambda a, b: b,
    "x1^2": lambda a, b: a * a,
    "x2^2": lambda a, b: b * b,
    "x1x2": lambda a, b: a * b,
    "sin-x1": lambda a, b: np.sin(a),
    "sin-x2": lambda a, b: np.sin(b),
}
ACTIVATIONS = ("tanh", "relu", "sigmoid", "linear")
POINTS, UNITS, LAYERS = 500, 8, 6  # of a set; of a hidden layer and of a network at most
POINTS_FROM, WEIGHTS_FROM, ORDER_FROM = 0, 1, 2  # a stream of draws each: another network sees the same points


@dataclass(frozen=True)
class Setting:
    """What the page's controls say."""

    problem: str = "circle"
    noise: float = 0.0  # standard deviation of a Gaussian added to each coordinate, in units of the plane
    share: float = 0.5  # of the 500 points, the first ones are for training, the rest for testing
    inputs: tuple[str, ...] = ("x1", "x2")
    hidden: tuple[int, ...] = (4, 2)
    activation: str = "tanh"
    rate: float = 0.03
    batch: int = 10
    l1: float = 0.0  # α in the penalty α Σ|w|; biases are not punished
    l2: float = 0.0  # α in ½ α Σw²
    seed: int = 1

    def __post_init__(self) -> None:
        """Refuse what the page could not show."""
        for name, value, known in (
            ("problem", self.problem, PROBLEMS),
            ("activation", self.activation, ACTIVATIONS),
            *(("input", name, tuple(FEATURES)) for name in self.inputs),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, found {value!r}")
        if not all(isinstance(whole, Integral) for whole in (*self.hidden, self.batch, self.seed)):
            raise ValueError(f"units of hidden layers, batch and seed are whole numbers, found {self}")
        if not self.inputs or len(self.hidden) > LAYERS or not all(1 <= units <= UNITS for units in self.hidden):
            raise ValueError(f"a network has an input and up to {LAYERS} layers of 1 to {UNITS}, found {self}")
        numbers = (self.noise, self.rate, self.l1, self.l2, self.seed, self.batch - 1)
        if not (0 < self.share < 1 and all(0 <= number < math.inf for number in numbers)):
            raise ValueError(
                f"share is between 0 and 1, no other number negative or infinite, a batch at least 1, found {self}"
            )

    @classmethod
    def read(cls, address: str) -> "Setting":
        """Read a setting from the part of the page's address after the #; what is not said has its default.

        Examples
        --------
        >>> Setting.read("problem=xor&inputs=x1x2&hidden=&rate=0.1").hidden
        ()
        """
        kinds: dict[str, Any] = {field.name: type(field.default) for field in dataclasses.fields(cls)}
        said: dict[str, Any] = {}
        for pair in filter(None, address.lstrip("#").split("&")):
            name, _, text = pair.partition("=")
            if name not in kinds:
                raise ValueError(f"a setting has {', '.join(kinds)}, found {name!r}")
            parts = tuple(part for part in text.split(",") if part)
            try:
                if name == "inputs":
                    said[name] = parts
                elif name == "hidden":
                    said[name] = tuple(int(part) for part in parts)
                else:
                    said[name] = kinds[name](text)
            except ValueError:
                raise ValueError(
                    f"{name} takes numbers, whole ones for hidden, batch and seed, found {text!r}"
                ) from None
        return cls(**said)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Numbers of features, of units in each hidden layer, and of outputs."""
        return (len(self.inputs), *self.hidden, 1)


class Played(NamedTuple):
    """A network after some passes, and how it did on the way."""

    weights: list[Array]
    biases: list[Array]
    loss: Array  # (passes + 1, 2), mean logistic loss of training and test points before the first pass and after each
    right: Array  # (2,), share of the training and of the test points on the right side after the last pass


def features(x: ArrayLike, names: Sequence[str]) -> Array:
    """Return the named features (n, k) of points (n, 2).

    Examples
    --------
    >>> features(np.array([[2.0, 3.0]]), ["x1^2", "x1x2"])
    array([[4., 6.]])
    """
    x = finite_table("x", x)
    axes("x", x, "n 2")
    if unknown := sorted(set(names) - set(FEATURES)):
        raise ValueError(f"features are {', '.join(FEATURES)}, found {', '.join(unknown)}")
    return np.stack([FEATURES[name](*x.T) for name in names], axis=1)


def start(sizes: Sequence[int], *, rng: np.random.Generator) -> tuple[list[Array], list[Array]]:
    """Draw weights and then biases of each layer, uniform in ± 1/√inputs, as ``nn.Linear`` does."""
    if min(sizes) < 1:
        raise ValueError(f"sizes are at least 1, found {tuple(sizes)}")
    weights, biases = [], []
    for inputs, outputs in pairwise(sizes):
        weights.append((2 * rng.random((outputs, inputs)) - 1) / np.sqrt(inputs))
        biases.append((2 * rng.random(outputs) - 1) / np.sqrt(inputs))
    return weights, biases


def cost(weights: Sequence[Array], biases: Sequence[Array], x: Array, y: NDArray[Any], activation: str) -> Gradients:
    """Return the mean logistic loss log(1 + exp(-y u)) of a network's score u, and its gradients.

    It is the cross-entropy of two scores of which the second is always 0: the network gets a last unit without weights,
    and what :func:`~dlbook.backprop.backpropagation.backprop` says about that unit is dropped.

    Parameters
    ----------
    weights, biases : lists of arrays
        The last layer has one unit.
    x : (n, k)
    y : (n,), -1 or +1
    activation : {"tanh", "relu", "sigmoid", "linear"}
    """
    if y.shape != (len(x),) or not (np.abs(y) == 1).all():
        raise ValueError(f"y is -1 or +1 for each of {len(x)} points, found shape {y.shape} with {np.unique(y)[:5]}")
    padded = [*weights[:-1], np.concatenate([weights[-1], np.zeros_like(weights[-1])])]
    shifts = [*biases[:-1], np.append(biases[-1], 0.0)]
    target = np.stack([y > 0, y < 0], axis=1).astype(float)
    loss, by_weight, by_bias, deltas = backprop(padded, shifts, x, target, activation=_name(activation))
    return Gradients(
        loss, [*by_weight[:-1], by_weight[-1][:1]], [*by_bias[:-1], by_bias[-1][:1]], [*deltas[:-1], deltas[-1][:, :1]]
    )


def score(weights: Sequence[Array], biases: Sequence[Array], x: Array, activation: str) -> Array:
    """Return the scores (n,) of rows of features; positive means class +1."""
    return forward(weights, biases, x, activation=_name(activation)).states[-1][:, 0]


def update(
    weights: list[Array],
    biases: list[Array],
    x: Array,
    y: NDArray[Any],
    activation: str,
    *,
    rate: float,
    l1: float,
    l2: float,
) -> tuple[list[Array], list[Array]]:
    """Take one step of descent, and then the L1 penalty's own step, the soft threshold, which makes exact zeros."""
    if min(rate, l1, l2) < 0:
        raise ValueError(f"rate, l1 and l2 are at least 0, found {rate}, {l1}, {l2}")
    _, by_weight, by_bias, _ = cost(weights, biases, x, y, activation)
    moved = [w - rate * (g + l2 * w) for w, g in zip(weights, by_weight, strict=True)]
    if l1:
        moved = [np.sign(w) * np.maximum(np.abs(w) - rate * l1, 0) for w in moved]
    return moved, [b - rate * g for b, g in zip(biases, by_bias, strict=True)]


def points(setting: Setting) -> tuple[Array, NDArray[Any]]:
    """Return the points x (n, 2) of a game and their classes y (n,), +1 or -1; those for training come first.

    Examples
    --------
    >>> x, y = points(Setting.read("problem=xor"))
    >>> bool((np.sign(x[:, 0] * x[:, 1]) == y).all())
    True
    """
    rng = np.random.default_rng([setting.seed, POINTS_FROM])
    return playground(setting.problem, POINTS, noise=setting.noise, rng=rng)


def play(setting: Setting, passes: int) -> Played:
    """Train a network for some passes over its training points, from the draws that the page makes.

    Examples
    --------
    >>> play(Setting.read("inputs=x1^2,x2^2&hidden="), 20).right.tolist()  # a line in the squares parts disk and ring
    [1.0, 1.0]
    """
    if not isinstance(passes, Integral) or passes < 0:
        raise ValueError(f"passes is a whole number of at least 0, found {passes}")
    s = setting
    x, y = points(s)
    inputs, n = features(x, s.inputs), max(1, round(s.share * POINTS))
    weights, biases = start(s.sizes, rng=np.random.default_rng([s.seed, WEIGHTS_FROM]))
    order = np.random.default_rng([s.seed, ORDER_FROM])
    halves = ((inputs[:n], y[:n]), (inputs[n:], y[n:]))

    def losses() -> list[float]:
        margins = [label * score(weights, biases, rows, s.activation) for rows, label in halves]
        return [float(np.logaddexp(0, -margin).mean()) for margin in margins]

    seen = [losses()]
    for _ in range(passes):
        turn = _shuffled(n, order)
        for first in range(0, n, s.batch):
            few = turn[first : first + s.batch]
            weights, biases = update(weights, biases, inputs[few], y[few], s.activation, rate=s.rate, l1=s.l1, l2=s.l2)
        seen.append(losses())
    right = [float((label * score(weights, biases, rows, s.activation) > 0).mean()) for rows, label in halves]
    return Played(weights, biases, np.array(seen), np.array(right))


def _shuffled(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return 0 ... n - 1 in an order drawn from uniform numbers alone, which are easy to draw in another language."""
    order = np.arange(n)
    for last, draw in zip(range(n - 1, 0, -1), rng.random(n - 1), strict=True):
        other = int(draw * (last + 1))
        order[[last, other]] = order[[other, last]]
    return order


def _name(activation: str) -> Activation:
    return "identity" if activation == "linear" else activation  # type: ignore[return-value]
