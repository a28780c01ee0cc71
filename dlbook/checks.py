"""What several modules ask of their input, so that each says it in the same words."""

import numpy as np
from numpy.typing import ArrayLike, NDArray


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
