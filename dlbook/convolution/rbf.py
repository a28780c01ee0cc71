"""Output units that compare with a code: LeCun, Bottou, Bengio and Haffner (1998), Sec. II-B, eq. (7), Fig. 3.

The paper's W and y of eq. (7) → ``codes`` and minus the logits.
"""

import torch
from torch import Tensor, nn

from dlbook._checks import axes

__all__ = ["RBF", "digit_codes"]

# Drawn for this book: the paper prints its own (Fig. 3) as a picture only.
DIGITS = """
..###..  ...##..  ..####.  .#####.  ....##.  #######  ..####.  #######  ..###..  ..####.
.##.##.  ..###..  .##..##  ##...##  ...###.  ##.....  .##..##  ##...##  .##.##.  .##..##
##...##  .####..  ##...##  .....##  ..####.  ##.....  ##.....  .....##  ##...##  ##...##
##...##  ...##..  .....##  .....##  ..#.##.  ##.....  ##.....  ....##.  ##...##  ##...##
##...##  ...##..  .....##  .....##  .##.##.  #####..  ##.....  ....##.  .##.##.  ##...##
##...##  ...##..  ....##.  ..####.  .#..##.  .....##  #####..  ...##..  ..###..  .##.###
##...##  ...##..  ...##..  .....##  ##..##.  .....##  ##..##.  ...##..  .##.##.  ..###.#
##...##  ...##..  ..##...  .....##  #######  .....##  ##...##  ..##...  ##...##  .....##
##...##  ...##..  .##....  .....##  ....##.  .....##  ##...##  ..##...  ##...##  .....##
##...##  ...##..  ##.....  ##...##  ....##.  ##...##  ##...##  .##....  ##...##  ....##.
.##.##.  ...##..  ##.....  ##...##  ....##.  ##..##.  .##.##.  .##....  .##.##.  ...##..
..###..  .######  #######  .#####.  ....##.  .####..  ..###..  .##....  ..###..  .###...
"""


def digit_codes() -> Tensor:
    """Return ten digits drawn on 7 x 12 pixels, (10, 12, 7): +1 is ink and -1 paper.

    They stand in for the bitmaps of Fig. 3, which the paper prints without their numbers; any other set of codes can
    be given to :class:`~dlbook.convolution.lenet.LeNet5`.

    Examples
    --------
    >>> for row in digit_codes()[7, :4]:
    ...     print("".join("#" if pixel > 0 else "." for pixel in row))
    #######
    ##...##
    .....##
    ....##.
    """
    rows = [line.split() for line in DIGITS.strip().splitlines()]
    return torch.tensor(
        [[[1.0 if pixel == "#" else -1.0 for pixel in row[digit]] for row in rows] for digit in range(10)]
    )


class RBF(nn.Module):
    """The output layer, eq. (7): minus the squared distance of the state to the code of each class.

    The codes are chosen by hand and stay as they are: a buffer, not parameters.

    Parameters
    ----------
    codes : (classes, d)

    Examples
    --------
    >>> RBF(torch.tensor([[1.0, 1.0], [1.0, -1.0]]))(torch.tensor([[1.0, 0.5]]))
    tensor([[-0.2500, -2.2500]])
    """

    codes: Tensor

    def __init__(self, codes: Tensor) -> None:
        super().__init__()
        axes("codes", codes, "classes d", least=1)
        if not codes.is_floating_point() or not codes.isfinite().all():
            raise ValueError(f"codes are finite floats, found {codes.dtype}:\n{codes}")
        self.register_buffer("codes", codes.clone())

    def forward(self, x: Tensor) -> Tensor:
        """Map states (..., d) to logits (..., classes)."""
        return -(x[..., None, :] - self.codes).square().sum(dim=-1)
