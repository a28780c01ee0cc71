"""The perceptron: Rosenblatt's error-correcting rule (1962, Principles of Neurodynamics), its bound, its average.

The lecture's and papers' symbols → ours: a → ``weight``, b → ``bias``; Novikoff's and Freund and Schapire's u (a
separating direction) → ``weight`` and ``bias`` of :func:`novikoff_bound`, v_k (a prediction vector) → ``weight``,
k → number of ``mistakes``. They fold the bias into the weight by a constant input 1; here it stands apart, and the two
are the same rule.  Axes: n examples, d features.  Labels are -1 and +1, everything is computed in float64.

An example is corrected when ``y * score <= 0``, so a score of exactly zero counts as a mistake in training, for either
class: the rule can leave its start at zero, and a run that stops has strictly separated its examples.  In prediction
a score of zero is +1.
"""

import math
from collections.abc import Sequence
from operator import index
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dlbook._checks import axes, finite_table

__all__ = ["AveragedPerceptron", "Bound", "Pass", "Perceptron", "novikoff_bound", "one_pass"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_ROWS = 32  # scored at once: measured best on MNIST, where about one image in 20 is a mistake


class Pass(NamedTuple):
    """What one pass over the examples made of a weight and a bias."""

    weight: Floats  # (d,)
    bias: float
    mistakes: Integers  # (m,) rows that were corrected, in the order of the pass


class Bound(NamedTuple):
    """Novikoff's bound and the two numbers that it is made of, for inputs that carry a constant 1."""

    radius: float  # R, length of the longest (1, x)
    margin: float  # γ, least distance of a (1, x) to the separating hyperplane through the origin
    mistakes: float  # (R / γ)²


def one_pass(x: ArrayLike, y: ArrayLike, weight: ArrayLike, bias: float) -> Pass:
    """Go through the examples once, in order; at each mistake add ``y * x`` to the weight and ``y`` to the bias.

    The rule of Rosenblatt (1962) with unit steps; one pass is the online algorithm on a stream of ``n`` examples, and
    the next part of a stream starts from what the last one returned.

    Parameters
    ----------
    x : (n, d)
    y : (n,)
        -1 or +1.
    weight : (d,)
        Where to start; not changed.
    bias : float

    Returns
    -------
    Pass
        ``weight`` (d,), ``bias``, and the rows ``mistakes`` (m,) that were corrected.

    Notes
    -----
    Between two mistakes the weight does not move, so rows are scored 32 at a time and the walk jumps to the first that
    is not right beyond doubt of rounding; that row is then scored alone. The result is, bit for bit, that of::

        for i in range(n):
            if not y[i] * (x[i] @ weight + bias) > 0:
                weight, bias = weight + y[i] * x[i], bias + y[i]

    Examples
    --------
    >>> weight, bias, mistakes = one_pass([[0, 2], [1, 0], [0, 1]], [1, -1, 1], [0, 0], 0)
    >>> weight, bias, mistakes
    (array([-1.,  2.]), 0.0, array([0, 1]))
    """
    x, y = _examples(x, y)
    weight, bias = _parameters(weight, bias, x.shape[1])
    return _one_pass(x, y, weight, bias, _longest(x))


def novikoff_bound(x: ArrayLike, y: ArrayLike, weight: ArrayLike, bias: float) -> Bound:
    """Bound the number of mistakes, over any number of passes in any order: Novikoff (1962).

    A perceptron that starts at zero makes at most (R / γ)² of them, where, with u = (bias, weight) and z = (1, x),
    R = max ‖z‖ and γ = min y (u · z) / ‖u‖. Every separating u gives a true bound, the one of largest margin the least.

    Parameters
    ----------
    x : (n, d)
    y : (n,)
        -1 or +1.
    weight : (d,)
    bias : float

    Returns
    -------
    Bound

    Raises
    ------
    ValueError
        If ``weight`` and ``bias`` do not separate the examples strictly, or on input that :func:`one_pass` refuses.

    Examples
    --------
    >>> bound = novikoff_bound([[3.0], [-3.0]], [1, -1], [1.0], 0.0)
    >>> round(bound.radius**2), bound.margin, round(bound.mistakes, 3)  # (1, 3) and (1, -3); (R / γ)² = 10 / 9
    (10, 3.0, 1.111)
    """
    x, y = _examples(x, y)
    weight, bias = _parameters(weight, bias, x.shape[1])
    right = y * (x @ weight + bias)
    if not right.min() > 0:
        row = int(right.argmin())
        raise ValueError(
            f"weight and bias do not separate: row {row} has label {y[row]:+.0f} and score {y[row] * right[row]:g}"
        )
    margin = float(right.min()) / math.hypot(_length(weight), bias)
    radius = math.hypot(_longest(x), 1.0)
    return Bound(radius, margin, (radius / margin) ** 2)


class Perceptron:
    """The perceptron: pass over the examples until none is a mistake.

    Parameters
    ----------
    max_epochs : int
        Most passes. Examples that no hyperplane separates use them all.
    rng : numpy.random.Generator, optional
        Shuffles the examples before each pass; by default they come as they stand.

    Attributes
    ----------
    weight : float64 (d,)
        Zero before the first correction, so the size of a step would change nothing and there is none to set.
    bias : float
    mistakes : list of int
        Corrections in each pass.
    converged : bool
        True if the last pass had none; ``y * score > 0`` then holds for every example.

    Examples
    --------
    >>> x, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, 1]  # OR
    >>> model = Perceptron().fit(x, y)
    >>> model.predict(x), model.mistakes, model.converged
    (array([-1,  1,  1,  1]), [3, 1, 2, 2, 1, 0], True)
    """

    weight: Floats
    bias: float
    mistakes: list[int]
    converged: bool

    def __init__(self, *, max_epochs: int = 1000, rng: np.random.Generator | None = None) -> None:
        self.max_epochs = _positive("max_epochs", max_epochs)
        self.rng = rng

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Learn from examples ``x`` (n, d) with labels ``y`` (n,) of -1 and +1, starting again from zero.

        One class alone is learned too: any half-space that holds it will do.

        Raises
        ------
        ValueError
            On input that :func:`one_pass` refuses; what was learned before is kept.
        """
        x, y = _examples(x, y)
        longest, counts = _longest(x), list[int]()
        weight, bias = np.zeros(x.shape[1]), 0.0
        while len(counts) < self.max_epochs and (not counts or counts[-1]):
            order = slice(None) if self.rng is None else self.rng.permutation(len(x))
            weight, bias, rows = _one_pass(x[order], y[order], weight, bias, longest)
            counts.append(len(rows))
        self.weight, self.bias, self.mistakes, self.converged = weight, bias, counts, counts[-1] == 0
        return self

    def decision_function(self, x: ArrayLike) -> Floats:
        """Score ``x`` (n, d): ``x @ weight + bias`` (n,).

        Raises
        ------
        ValueError
            Before ``fit``, or if ``x`` is not finite or not of the width that was fitted.
        """
        return _scores(self, x)

    def predict(self, x: ArrayLike) -> Integers:
        """Classify ``x`` (n, d) as -1 or +1, int64 (n,): +1 where the score is at least zero."""
        return np.where(_scores(self, x) >= 0, 1, -1)


class AveragedPerceptron:
    """The mean of every weight and bias that a perceptron held, one term for each example it looked at.

    Freund and Schapire (1999), Machine Learning 37:277-296, prediction with the averaged (unnormalized) vector: one
    linear classifier, in which a weight counts by the number of examples that it survived.

    Parameters
    ----------
    epochs : int
        Passes; all are made, also after one without mistakes, because a survivor earns its share.
    rng : numpy.random.Generator, optional
        Shuffles the examples before each pass; by default they come as they stand.

    Attributes
    ----------
    weight : float64 (d,)
        The average.
    bias : float
        The average.
    mistakes : list of int
        Corrections in each pass of the perceptron that is averaged.
    converged : bool
        True if its last pass had none. The average may still be wrong on some example.

    Examples
    --------
    >>> model = AveragedPerceptron(epochs=1).fit([[2.0], [0.0]], [1, -1])  # after the first (2, 1), the second (2, 0)
    >>> model.weight, model.bias
    (array([2.]), 0.5)
    """

    weight: Floats
    bias: float
    mistakes: list[int]
    converged: bool

    def __init__(self, *, epochs: int = 10, rng: np.random.Generator | None = None) -> None:
        self.epochs = _positive("epochs", epochs)
        self.rng = rng

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Learn from examples ``x`` (n, d) with labels ``y`` (n,) of -1 and +1, starting again from zero.

        Raises
        ------
        ValueError
            On input that :func:`one_pass` refuses; what was learned before is kept.
        """
        x, y = _examples(x, y)
        longest, counts = _longest(x), list[int]()
        weight, bias = np.zeros(x.shape[1]), 0.0
        late_weight, late_bias, seen = np.zeros(x.shape[1]), 0.0, 0
        for _ in range(self.epochs):
            order = slice(None) if self.rng is None else self.rng.permutation(len(x))
            shown, labels = x[order], y[order]
            weight, bias, rows = _one_pass(shown, labels, weight, bias, longest)
            # a correction made after `seen + rows` examples is missing from as many terms of the sum
            missing = (seen + rows) * labels[rows]
            late_weight, late_bias = late_weight + missing @ shown[rows], late_bias + missing.sum()
            seen += len(x)
            counts.append(len(rows))
        self.weight, self.bias = weight - late_weight / seen, float(bias - late_bias / seen)
        self.mistakes, self.converged = counts, counts[-1] == 0
        return self

    def decision_function(self, x: ArrayLike) -> Floats:
        """Score ``x`` (n, d): ``x @ weight + bias`` (n,).

        Raises
        ------
        ValueError
            Before ``fit``, or if ``x`` is not finite or not of the width that was fitted.
        """
        return _scores(self, x)

    def predict(self, x: ArrayLike) -> Integers:
        """Classify ``x`` (n, d) as -1 or +1, int64 (n,): +1 where the score is at least zero."""
        return np.where(_scores(self, x) >= 0, 1, -1)


def _one_pass(x: Floats, y: Floats, weight: Floats, bias: float, longest: float) -> Pass:
    weight, rows, start = weight.copy(), list[int](), 0
    doubt = _rounding(weight, bias, longest)
    while start < len(x):
        block = slice(start, start + _ROWS)
        right = y[block] * (x[block] @ weight + bias) > doubt
        first = int(right.argmin())  # of the False ones, or 0 if there are none
        if right[first]:
            start += _ROWS
            continue
        row = start + first
        if not y[row] * (x[row] @ weight + bias) > 0:
            weight += y[row] * x[row]
            bias += float(y[row])
            doubt = _rounding(weight, bias, longest)
            rows.append(row)
        start = row + 1
    return Pass(weight, bias, np.array(rows, dtype=np.int64))


def _rounding(weight: Floats, bias: float, longest: float) -> float:
    """Bound the difference of two float64 evaluations of ``x @ weight + bias``, whatever the order of the sum."""
    return 2 * (len(weight) + 2) * float(np.finfo(np.float64).eps) * (longest * _length(weight) + abs(bias))


def _length(vector: Floats) -> float:
    return math.sqrt(vector @ vector)


def _longest(x: Floats) -> float:
    return math.sqrt(np.einsum("nd,nd->n", x, x).max())


def _positive(name: str, value: int) -> int:
    try:
        count = index(value)
    except TypeError:
        count = 0
    if count < 1:
        raise ValueError(f"{name} is a number of passes, an integer of at least 1, found {value!r}")
    return count


def _examples(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    x, y = finite_table("x", x), np.asarray(y)
    if y.shape != (len(x),):
        raise ValueError(f"each of the {len(x)} rows of x has a label, found y of shape {y.shape}")
    if not np.isin(y, (-1, 1)).all():
        found: Sequence[object] = np.unique(y).tolist()
        raise ValueError(
            f"labels are -1 and +1, found {', '.join(map(repr, found[:4]))}{', ...' if len(found) > 4 else ''}: "
            f"np.where(y == {found[-1]!r}, 1, -1) makes {found[-1]!r} the positive class"
        )
    return x, y.astype(np.float64)


def _parameters(weight: ArrayLike, bias: float, width: int) -> tuple[Floats, float]:
    weight = np.asarray(weight, dtype=np.float64)
    axes("weight", weight, "d", d=width)
    if not (np.isfinite(weight).all() and math.isfinite(bias)):
        raise ValueError(f"weight and bias are finite, found {weight} and {bias}")
    return weight, float(bias)


def _scores(model: "Perceptron | AveragedPerceptron", x: ArrayLike) -> Floats:
    if not hasattr(model, "weight"):
        raise ValueError(f"this {type(model).__name__} has learned nothing yet: call fit(x, y) first")
    x = finite_table("x", x, rows=0)
    if x.shape[1] != len(model.weight):
        raise ValueError(f"fitted on {len(model.weight)} features, found x of shape {x.shape}")
    return x @ model.weight + model.bias
