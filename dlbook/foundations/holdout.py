"""Holding examples out: splits that keep copies together, copies between two sets, and a test set that opens once.

Axes: n examples; all further axes of an example (pixels, say) are compared as they are, byte by byte.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Sealed", "shared_rows", "split"]

Integers = NDArray[np.int64]
T = TypeVar("T")


def split(x: ArrayLike, fractions: Sequence[float], *, rng: np.random.Generator) -> list[Integers]:
    """Deal examples into disjoint parts at random, identical examples always into the same part.

    Parameters
    ----------
    x : (n, ...)
    fractions : sequence of float
        Share of each part, positive; they add up to 1.
    rng : numpy.random.Generator

    Returns
    -------
    list of int64 arrays
        Rows of each part, ascending. Every row is in exactly one. Without copies the sizes are those asked for, to
        within one example; a group of copies goes where its first one falls, which may shift the next border.

    Examples
    --------
    >>> train, test = split([[1], [2], [1], [3]], [0.5, 0.5], rng=np.random.default_rng(0))
    >>> train.tolist(), test.tolist()  # the two copies stay together
    ([3], [0, 1, 2])
    """
    groups = _groups(_examples("x", x))
    shares = np.asarray(fractions, dtype=np.float64)
    if shares.ndim != 1 or not (shares > 0).all() or not np.isclose(shares.sum(), 1):
        raise ValueError(f"fractions are positive and add up to 1, found {fractions}")
    order = rng.permutation(groups.max() + 1)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    sizes = np.bincount(groups)[order]  # of the groups, in the order in which they are dealt
    middle = (np.cumsum(sizes) - sizes / 2) / len(groups)
    part = np.minimum(np.searchsorted(np.cumsum(shares)[:-1], middle, side="right"), len(shares) - 1)
    parts = [np.flatnonzero(part[place[groups]] == k) for k in range(len(shares))]
    if not all(map(len, parts)):
        raise ValueError(f"{len(groups)} examples, {len(order)} of them distinct, leave a part of {fractions} empty")
    return parts


def shared_rows(a: ArrayLike, b: ArrayLike) -> Integers:
    """Return pairs (k, 2), a row of ``a`` (n, ...) and one of ``b`` (m, ...), for each of ``b`` that ``a`` holds.

    Of several copies in ``a`` the first is named.

    Examples
    --------
    >>> shared_rows([[1, 2], [3, 4]], [[3, 4], [5, 6], [3, 4]])
    array([[1, 0],
           [1, 2]])
    """
    a, b = _examples("a", a), _examples("b", b)
    if a.shape[1:] != b.shape[1:] or a.dtype != b.dtype:
        raise ValueError(f"examples are alike, found {a.shape[1:]} of {a.dtype} and {b.shape[1:]} of {b.dtype}")
    first: dict[bytes, int] = {}
    for row, example in enumerate(a):
        first.setdefault(example.tobytes(), row)
    found = [(first[key], row) for row, example in enumerate(b) if (key := example.tobytes()) in first]
    return np.array(found, dtype=np.int64).reshape(-1, 2)


class Sealed(Generic[T]):
    """A test set in an envelope: it opens once.

    Examples
    --------
    >>> envelope = Sealed(([[0.5]], [1]))
    >>> envelope.open()
    ([[0.5]], [1])
    >>> envelope.open()
    Traceback (most recent call last):
    ValueError: this test set was opened before: what was chosen since then may have been chosen by it
    """

    def __init__(self, content: T) -> None:
        self._content = content
        self.opened = False

    def open(self) -> T:
        """Return what is inside.

        Raises
        ------
        ValueError
            The second time.
        """
        if self.opened:
            raise ValueError("this test set was opened before: what was chosen since then may have been chosen by it")
        self.opened = True
        return self._content


def _examples(name: str, x: ArrayLike) -> NDArray[np.generic]:
    x = np.ascontiguousarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"{name} holds at least one example along its first axis, found shape {x.shape}")
    return x


def _groups(x: NDArray[np.generic]) -> Integers:
    """Return a number for each row of ``x``, the same for identical rows, in order of appearance (n,)."""
    number: dict[bytes, int] = {}
    return np.array([number.setdefault(example.tobytes(), len(number)) for example in x], dtype=np.int64)
