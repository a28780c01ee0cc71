"""A convolution whose maps read chosen maps, and the table of LeNet-5: LeCun et al. (1998), Sec. II-B, Table I.

Axes: b images, c maps, h and w pixels.
"""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._draws import uniform_

__all__ = ["TableConv2d", "connection_table"]

TABLE = """
X...XXX..XXXX.XX
XX...XXX..XXXX.X
XXX...XXX..X.XXX
.XXX..XXXX..X.XX
..XXX..XXXX.XX.X
...XXX..XXXX.XXX
"""


def connection_table() -> Tensor:
    """Return Table I, bool (16, 6): which of the six maps of S2 each of the sixteen maps of C3 looks at.

    Examples
    --------
    >>> connection_table().sum(dim=1).tolist()
    [3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 6]
    """
    return torch.tensor([[mark == "X" for mark in row] for row in TABLE.split()]).T.contiguous()


class TableConv2d(nn.Module):
    """Layer C3: a convolution in which each output map looks at some of the input maps only.

    Only the kernels of connections that exist are stored, so there is nothing to mask in their gradient.

    Parameters
    ----------
    table : bool (out_channels, in_channels)
        True where an output map looks at an input map.
    kernel_size : int
        Side of the square kernels.
    generator : torch.Generator, optional
        Draws the kernels, uniform in ±2.4 / (number of inputs of the unit); biases start at 0.
    device, dtype : optional

    Raises
    ------
    ValueError
        If ``table`` is not such a table, or an output map looks at nothing, or ``kernel_size`` < 1.

    Examples
    --------
    >>> layer = TableConv2d(connection_table(), 5)
    >>> layer.weight.shape, sum(p.numel() for p in layer.parameters())
    (torch.Size([60, 5, 5]), 1516)
    """

    table: Tensor

    def __init__(
        self,
        table: Tensor,
        kernel_size: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if table.dtype != torch.bool or table.ndim != 2 or table.shape[1] == 0 or not table.any(dim=1).all():
            found = f"{table.dtype} of shape {tuple(table.shape)}"
            raise ValueError(
                f"table is bool (out_channels, in_channels) with a True in each row, found {found}:\n{table}"
            )
        if kernel_size < 1:
            raise ValueError(f"kernel_size is at least 1, found {kernel_size}")
        self.register_buffer("table", table.to(device))
        shape = (int(table.sum()), kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.empty(shape, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(len(table), device=device, dtype=dtype))
        inputs = table.sum(dim=1)[table.nonzero()[:, 0]] * kernel_size**2  # of the unit that a kernel belongs to
        uniform_(self.weight, (2.4 / inputs)[:, None, None], generator)

    def dense_weight(self) -> Tensor:
        """Return the kernels (out_channels, in_channels, k, k), with zeros where there is no connection."""
        kernels = self.weight.new_zeros(*self.table.shape, *self.weight.shape[1:])
        return kernels.masked_scatter(self.table[:, :, None, None], self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h - k + 1, w - k + 1)."""
        maps, side = self.table.shape[1], self.weight.shape[-1]
        if x.ndim != 4 or x.shape[1] != maps or min(x.shape[2:]) < side:
            raise ValueError(f"x is (b, {maps}, h, w) with h, w >= {side}, found shape {tuple(x.shape)}")
        return F.conv2d(x, self.dense_weight(), self.bias)
