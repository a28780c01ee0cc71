"""What several modules ask of their input, so that each says it in the same words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:  # modules that need NumPy alone come here too
    from torch import Tensor


class Shaped(Protocol):
    """What has a shape: a tensor, an array."""

    @property
    def shape(self) -> Sequence[int]:
        """Sizes of its axes."""


def axes(name: str, x: Shaped, letters: str, *, least: int = 0, hint: str = "", **sizes: int) -> tuple[int, ...]:
    """Return the sizes of the axes that ``letters`` name, or say which shape was expected.

    Parameters
    ----------
    name : str
        What the caller calls ``x``, for the message.
    x : tensor or array
    letters : str
        The axes as the docstring has them, ``"b c h w"``. A letter that comes twice is one size; a number is that size;
        ``"... h w"`` lets any axes stand before these.
    least : int
        The least size of those axes whose size is not given.
    hint : str
        What to do about it, for the end of the message.
    sizes : int
        Sizes that are known: ``c=3``.

    Examples
    --------
    >>> axes("x", np.zeros((2, 3, 5, 7)), "b c h w", c=3)
    (2, 3, 5, 7)
    >>> axes("x", np.zeros((2, 3, 5)), "b c h w", c=3)
    Traceback (most recent call last):
        ...
    ValueError: x is (b, 3, h, w), found shape (2, 3, 5)
    """
    wanted, shape = letters.split(), tuple(x.shape)
    before = wanted[0] == "..."
    last = wanted[1:] if before else wanted
    found = shape[max(len(shape) - len(last), 0) :] if before else shape
    known, fits = dict(sizes), len(found) == len(last)
    for letter, size in zip(last, found) if fits else ():  # noqa: B905  (equal lengths; torch.compile knows no strict)
        if letter.isdigit():
            fits = fits and size == int(letter)
        elif letter in known:
            fits = fits and size == known[letter]
        else:
            fits = fits and size >= least
            known[letter] = size
    if not fits:
        expected = ", ".join(str(sizes.get(letter, letter)) for letter in wanted) + "," * (len(wanted) == 1)
        above = f" with all sizes at least {least}" if least else ""
        raise ValueError(f"{name} is ({expected}){above}, found shape {shape}" + (f": {hint}" if hint else ""))
    return found


def finite_table(name: str, values: ArrayLike, *, rows: int = 1) -> NDArray[np.float64]:
    """Return ``values`` as a float64 table (rows, columns), C-contiguous.

    Parameters
    ----------
    name : str
        What the caller calls it, for the message.
    values : (n, d)
        Real, finite, with at least one column.
    rows : int
        How many rows there must be at least.

    Raises
    ------
    ValueError
        If it is anything else; a vector gets the advice how to make a column of it.

    Examples
    --------
    >>> finite_table("x", [[1, 2]])
    array([[1., 2.]])
    """
    table = np.asarray(values)
    shaped = table.ndim == 2 and len(table) >= rows and table.shape[1] >= 1
    if not shaped or table.dtype.kind not in "biuf":
        hint = f": {name}[:, None] makes a column of one feature" if table.ndim == 1 else ""
        raise ValueError(
            f"{name} is a real table (n, d) with n >= {rows} and d >= 1, found shape {table.shape} "
            f"of {table.dtype}{hint}"
        )
    table = np.ascontiguousarray(table, dtype=np.float64)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise ValueError(f"{name} is finite, found {table[row, column]} in row {row}, column {column}")
    return table


def image_batch(x: "Tensor", channels: int, *, least: int = 1) -> None:
    """Refuse what is not a batch of images.

    Parameters
    ----------
    x : (b, channels, h, w)
        Floats, with h and w of at least ``least``.
    channels, least : int

    Raises
    ------
    ValueError
        If it is anything else; bytes get the advice how to make floats of them.

    Examples
    --------
    >>> import torch
    >>> image_batch(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), 3)
    Traceback (most recent call last):
        ...
    ValueError: images are floats, found torch.uint8: images / 255 makes floats between 0 and 1 of bytes
    """
    if x.ndim != 4 or x.shape[1] != channels or min(x.shape[2:]) < least:
        sides = f"h, w >= {least}"
        raise ValueError(f"images are (b, {channels}, h, w) with {sides}, found shape {tuple(x.shape)}")
    if not x.is_floating_point():
        hint = ": images / 255 makes floats between 0 and 1 of bytes" if str(x.dtype) == "torch.uint8" else ""
        raise ValueError(f"images are floats, found {x.dtype}{hint}")


def finite_images(x: "Tensor", *, one: bool = False) -> None:
    """Refuse what is not a batch of images (b, c, h, w) of finite floats, or, if ``one``, a single image."""
    if x.ndim != 4 or 0 in x.shape or not x.is_floating_point() or (one and len(x) != 1):
        batch = "1" if one else "b"
        raise ValueError(f"images are floats ({batch}, c, h, w), found {x.dtype} {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(f"images are finite, found {int((~x.isfinite()).sum())} numbers that are not")


def one_number_each(numbers: "Tensor", x: "Tensor") -> None:
    """Refuse answers ``numbers`` to a question about images ``x`` that are not (b,)."""
    if numbers.shape != x.shape[:1]:
        raise ValueError(f"f gives one number an image, ({len(x)},), found shape {tuple(numbers.shape)}")
