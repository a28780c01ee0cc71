"""What several modules ask of their input, so that each says it in the same words."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:  # modules that need NumPy alone come here too
    from torch import Tensor


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
