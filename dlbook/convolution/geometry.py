"""Where a kernel fits, and what a unit sees: the arithmetic of strides, paddings and dilations, along one axis.

Sources: Dumoulin and Visin (2016), arXiv:1603.07285, for the number of places; Yu and Koltun (2016), arXiv:1511.07122,
for dilation and receptive fields.
"""

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["Field", "Layer", "Pair", "pair", "places", "receptive_field"]

Pair = int | tuple[int, int]


class Layer(NamedTuple):
    """Geometry of one layer along one axis, for :func:`receptive_field`."""

    kernel: int
    stride: int = 1
    dilation: int = 1
    padding: int = 0


class Field(NamedTuple):
    """Unit ``u`` of a stack sees the inputs from ``start + u * step`` to ``start + u * step + size - 1``."""

    size: int
    step: int
    start: int


def places(length: int, kernel: int, stride: int = 1, dilation: int = 1) -> int:
    """Count the places of a kernel in a row of ``length`` pixels, padding included.

    Examples
    --------
    >>> places(3, 2), places(5, 2), places(5, 2, stride=2), places(3, 2, dilation=2)
    (2, 4, 2, 1)
    """
    reach = dilation * (kernel - 1) + 1  # pixels from the first to the last that the kernel lies on
    if kernel < 1 or length < reach:
        raise ValueError(f"a kernel of {kernel}, dilation {dilation}, does not fit into {length} pixels with padding")
    return (length - reach) // stride + 1


def receptive_field(layers: Iterable[Layer | tuple[int, ...]]) -> Field:
    """Say which inputs a unit of a stack sees along one axis.

    With r = 1 and step = 1 at the input, each layer makes ``r += dilation (kernel - 1) step`` and ``step *= stride``.

    Parameters
    ----------
    layers : iterable of Layer or (kernel, stride, dilation, padding)
        From the input on; pooling counts as a kernel. What is missing at the end of a tuple is 1, 1 and 0.

    Returns
    -------
    Field

    Examples
    --------
    >>> receptive_field([(2, 1, 2**n) for n in range(10)]).size  # one block of WaveNet
    1024
    >>> receptive_field([(5,), (2, 2), (5,), (2, 2), (5,)])  # LeNet-5 up to C5
    Field(size=32, step=4, start=0)
    """
    size, step, start = 1, 1, 0
    for given in layers:
        layer = Layer(*given)
        if min(layer.kernel, layer.stride, layer.dilation) < 1 or layer.padding < 0:
            raise ValueError(f"kernel, stride, dilation are at least 1 and padding at least 0, found {layer}")
        size += layer.dilation * (layer.kernel - 1) * step
        start -= layer.padding * step
        step *= layer.stride
    return Field(size, step, start)


def pair(value: Pair, least: int, name: str) -> tuple[int, int]:
    """Read an option of a layer: one number for both axes, or (down, across), each at least ``least``."""
    pair = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(pair) != 2 or not all(isinstance(n, int) and n >= least for n in pair):
        raise ValueError(f"{name} is one or two whole numbers, at least {least}, found {value!r}")
    return pair[0], pair[1]
