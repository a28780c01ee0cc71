"""Hand arrays that a cell computed to a live figure of its page, by a display without any visible part.

It stands apart from :mod:`dlbook.glue`, which every chapter imports.
"""

import base64
import json
from typing import Any

import numpy as np

from dlbook.glue import _record, _short

__all__ = ["live"]


def live(name: str, /, *, half: bool = False, **data: Any) -> None:
    """Hand data to the live figure ``name`` of the same page, which the directive ``{live}`` shows.

    Outside a notebook there is no page, and the call does nothing.

    Parameters
    ----------
    name : str
        Module of the figure: ``"lenet"`` for ``book/_assets/live/lenet.js``.
    half : bool
        Store floats in 16 bits instead of 32: half the bytes, three digits.
    **data
        Whatever JSON holds, and in it arrays and tensors: floats, bytes (uint8), and other integers, in 32 bits.

    Raises
    ------
    ValueError
        If a number is not finite or too large for its bits, or something is of another kind.

    Examples
    --------
    >>> live("perceptron", weight=np.array([1.0, -2.0]), labels=["zero", "one"])
    """
    _record(f"live {name}", json.dumps(_portable(data, half), allow_nan=False, separators=(",", ":")), live=name)


def _portable(value: Any, half: bool) -> Any:
    """Return data as JSON holds it: an array as its shape and its bytes, which stand under the name of their type."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = (value.float() if value.is_floating_point() else value).numpy()  # NumPy has no bfloat16
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, dict):
        return {str(key): _portable(one, half) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_portable(one, half) for one in value]
    if value is None or isinstance(value, (str, int, float)):
        return value
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub":
        raise ValueError(f"a live figure takes numbers, texts and arrays of numbers, found {_short(value)}")
    kind = "f16" if half else "f32"
    if value.dtype.kind != "f":
        kind = "u8" if value.dtype.kind == "b" or value.dtype == np.uint8 else "i32"
    with np.errstate(over="ignore"):  # it is said below
        stored = value.astype({"f16": "<f2", "f32": "<f4", "i32": "<i4", "u8": "u1"}[kind])
    if not (np.isfinite(stored).all() if kind[0] == "f" else np.array_equal(stored, value)):
        raise ValueError(f"an array of a live figure is finite and fits into {kind}, found {_short(value)}")
    return {"shape": list(value.shape), kind: base64.b64encode(stored.tobytes()).decode()}
