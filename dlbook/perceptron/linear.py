"""Linear classifiers for k classes: one score a class, the largest wins.

The lecture's A (k, n), b, w = A x + b → ``weight`` (k, d), ``bias`` (k,), scores.  Multi-class perceptron: Duda and
Hart (1973), *Pattern Classification and Scene Analysis*, Ch. 5 (Kesler's construction); its family: Crammer and Singer
(2003).  Softmax (multinomial logistic) regression: Bridle (1990).  Axes: n examples, d features, k classes.
"""

from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from dlbook._checks import axes, finite_table

__all__ = ["MulticlassPerceptron", "Pass", "SoftmaxRegression", "one_pass", "sum_of_versions"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Pass(NamedTuple):
    """What one pass over the examples made of the weights of k classes."""

    weight: Floats  # (k, d)
    bias: Floats  # (k,)
    mistakes: Integers  # (m,) rows that were corrected, in the order of the pass
    rivals: Integers  # (m,) the class that lost each of these rows


def one_pass(x: ArrayLike, y: ArrayLike, weight: ArrayLike, bias: ArrayLike) -> Pass:
    """Go through the examples once, in order; at each mistake move the weights of two classes.

    The right class gains the example, and the rival, the best of the others, loses it: Crammer and Singer (2003) call
    this the max-score update. A rival whose score ties with that of the right class has made a mistake.

    Parameters
    ----------
    x : (n, d)
    y : (n,)
        Classes, integers from 0 to k - 1.
    weight : (k, d)
        Where to start; not changed.
    bias : (k,)

    Returns
    -------
    Pass
        ``weight`` (k, d), ``bias`` (k,), the rows ``mistakes`` (m,) that were corrected, and for each its ``rivals``.

    Examples
    --------
    >>> done = one_pass([[0, 2], [1, 0]], [0, 1], np.zeros((2, 2)), np.zeros(2))
    >>> done.weight[1], done.mistakes, done.rivals
    (array([ 1., -2.]), array([0, 1]), array([1, 0]))
    """
    x = finite_table("x", x)
    weight, bias = finite_table("weight", weight).copy(), np.array(bias, dtype=np.float64)
    k = len(weight)
    if weight.shape[1] != x.shape[1] or bias.shape != (k,) or k < 2 or not np.isfinite(bias).all():
        raise ValueError(
            f"for x of shape {x.shape}, weight is (k, {x.shape[1]}) with k at least 2 and bias (k,), finite, found "
            f"shapes {weight.shape} and {bias.shape}"
        )
    y = _classes(y, len(x), k)
    return _one_pass(x, y, np.arange(len(x)), weight, bias)


def _one_pass(x: Floats, y: Integers, order: Integers, weight: Floats, bias: Floats) -> Pass:
    """As :func:`one_pass`, on checked input and in some order; ``weight`` and ``bias`` are changed in place."""
    mistakes, rivals = list[int](), list[int]()
    for i in order.tolist():
        row, label = x[i], y[i]
        scores = weight @ row + bias
        right, scores[label] = scores[label], -np.inf
        rival = int(scores.argmax())
        if scores[rival] >= right:
            weight[label] += row
            weight[rival] -= row
            bias[label] += 1
            bias[rival] -= 1
            mistakes.append(i)
            rivals.append(rival)
    return Pass(weight, bias, np.array(mistakes, dtype=np.int64), np.array(rivals, dtype=np.int64))


def sum_of_versions(done: Pass, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    """Add up the weights as they stood after each example of a pass; divided by n, their mean.

    A correction at row i is in all n versions but the first i, so the last version, n times, is too much by i of it.

    Parameters
    ----------
    done : Pass
        What :func:`one_pass` made of these examples.
    x : (n, d)
    y : (n,)

    Returns
    -------
    weight : (k, d)
    bias : (k,)

    Examples
    --------
    >>> x, y = [[0, 2], [1, 0]], [0, 1]  # after the first, weight[1] is (0, -2), after the second (1, -2)
    >>> sum_of_versions(one_pass(x, y, np.zeros((2, 2)), np.zeros(2)), x, y)[0][1]
    array([ 1., -4.])
    """
    x = finite_table("x", x)
    axes("x", x, "n d", d=done.weight.shape[1], hint="as in the pass")
    y = _classes(y, len(x), len(done.weight))
    if len(done.mistakes) and done.mistakes.max() >= len(x):
        raise ValueError(
            f"x holds the examples of the pass, of which row {done.mistakes.max()} was a mistake, found {len(x)} rows"
        )
    classes, missing = np.eye(len(done.weight)), done.mistakes[:, None]
    late = missing * (classes[y[done.mistakes]] - classes[done.rivals])  # (m, k) +i right class, -i rival
    n = len(x)
    return n * done.weight - late.T @ x[done.mistakes], n * done.bias - late.sum(axis=0)


class MulticlassPerceptron:
    """The perceptron with k classes: at a mistake, the right class gains the example and the predicted one loses it.

    If the scores of an example tie, the right class among the largest is a mistake too, as a score of zero is in the
    binary rule; so the start at zero can be left. With two classes, started at zero, this is the binary perceptron: the
    difference of the two rows of weights is twice its weight.

    Parameters
    ----------
    max_epochs : int
        Most passes over the examples.
    rng : numpy.random.Generator, optional
        Shuffles the examples before each pass; by default they come as they stand.

    Attributes
    ----------
    weight : float64 (k, d)
        Its columns always sum to zero.
    bias : float64 (k,)
    mistakes : list of int
        Corrections in each pass.
    converged : bool
        True if the last pass had none.

    Examples
    --------
    >>> model = MulticlassPerceptron().fit([[0.0, 3.0], [3.0, 0.0], [-3.0, -3.0]], [0, 1, 2])
    >>> model.predict([[0.0, 1.0], [1.0, 0.0], [-1.0, -1.0]]), model.converged
    (array([0, 1, 2]), True)
    """

    weight: Floats
    bias: Floats
    mistakes: list[int]
    converged: bool

    def __init__(self, *, max_epochs: int = 1000, rng: np.random.Generator | None = None) -> None:
        if max_epochs < 1:
            raise ValueError(f"max_epochs is a number of passes, at least 1, found {max_epochs!r}")
        self.max_epochs, self.rng = max_epochs, rng

    def fit(self, x: ArrayLike, y: ArrayLike) -> Self:
        """Learn from examples ``x`` (n, d) with classes ``y`` (n,), integers from 0 to k - 1, starting from zero.

        Raises
        ------
        ValueError
            If ``x`` is not a finite table, ``y`` has another length, or holds anything but 0, 1, ..., at least two
            classes; what was learned before is kept.
        """
        x = finite_table("x", x)
        y = _classes(y, len(x))
        k = int(y.max()) + 1
        weight, bias, counts = np.zeros((k, x.shape[1])), np.zeros(k), list[int]()
        while len(counts) < self.max_epochs and (not counts or counts[-1]):
            order = np.arange(len(x)) if self.rng is None else self.rng.permutation(len(x))
            counts.append(len(_one_pass(x, y, order, weight, bias).mistakes))
        self.weight, self.bias, self.mistakes, self.converged = weight, bias, counts, counts[-1] == 0
        return self

    def decision_function(self, x: ArrayLike) -> Floats:
        """Score ``x`` (n, d): ``x @ weight.T + bias`` (n, k).

        Raises
        ------
        ValueError
            Before ``fit``, or if ``x`` is not finite or not of the width that was fitted.
        """
        if not hasattr(self, "weight"):
            raise ValueError("this MulticlassPerceptron has learned nothing yet: call fit(x, y) first")
        x = finite_table("x", x)
        if x.shape[1] != self.weight.shape[1]:
            raise ValueError(f"fitted on {self.weight.shape[1]} features, found x of shape {x.shape}")
        return x @ self.weight.T + self.bias

    def predict(self, x: ArrayLike) -> Integers:
        """Classify ``x`` (n, d): the class of the largest score, the first of several, int64 (n,)."""
        return self.decision_function(x).argmax(axis=1)


def _classes(y: ArrayLike, n: int, k: int | None = None) -> Integers:
    labels = np.asarray(y)
    if labels.shape != (n,):
        raise ValueError(f"y holds one class for each of the {n} rows of x, found shape {labels.shape}")
    most = labels.max() if k is None else k - 1
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0 or labels.max() > most or most < 1:
        found = sorted(set(labels.tolist()))[:4]
        those = ", 1, ..., at least two of them" if k is None else f" to {k - 1}"
        raise ValueError(f"classes are the integers 0{those}, found {found} of {labels.dtype}")
    return labels.astype(np.int64)


class SoftmaxRegression(nn.Module):
    """Multinomial logistic regression: linear scores, to be read through softmax.

    ``forward`` returns logits, as every classifier of the book does; :meth:`probabilities` are their softmax. It is
    ``torch.nn.Linear`` that starts at zero: the loss is convex, so no randomness is needed to leave the start, and
    every class begins with the same probability.

    Parameters
    ----------
    in_features : int
        d, at least 1.
    classes : int
        k, at least 2.
    generator : torch.Generator, optional
        Draws small normal weights (standard deviation 0.01) instead of zeros.
    device, dtype : optional
        As in ``torch.nn.Linear``.

    Attributes
    ----------
    weight : (k, d)
    bias : (k,)

    Examples
    --------
    >>> model = SoftmaxRegression(784, 10)
    >>> model(torch.zeros(5, 784)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([5, 10]), 7850)
    """

    def __init__(
        self,
        in_features: int,
        classes: int,
        *,
        generator: Generator | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        if in_features < 1 or classes < 2:
            raise ValueError(f"at least 1 feature and 2 classes are needed, found {in_features} and {classes}")
        super().__init__()
        weight = torch.zeros(classes, in_features, device=device, dtype=dtype)
        if generator is not None:
            weight += 0.01 * torch.randn(weight.shape, generator=generator, device=generator.device).to(weight)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(classes, device=device, dtype=dtype))

    def extra_repr(self) -> str:
        """Name the numbers of features and classes, as the constructor does."""
        return f"in_features={self.weight.shape[1]}, classes={self.weight.shape[0]}"

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (n, k) for inputs (n, d), or images (n, ...) that have d pixels."""
        flat = x.flatten(1)
        if flat.shape[1] != self.weight.shape[1]:
            raise ValueError(f"an example has {self.weight.shape[1]} features, found x of shape {tuple(x.shape)}")
        return F.linear(flat, self.weight, self.bias)

    def probabilities(self, x: Tensor) -> Tensor:
        """Return softmax(logits) (n, k); every row sums to one."""
        return self(x).softmax(dim=1)

    def predict(self, x: Tensor) -> Tensor:
        """Return the class of the largest logit, int64 (n,)."""
        return self(x).argmax(dim=1)
