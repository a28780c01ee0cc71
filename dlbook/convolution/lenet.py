"""LeNet-5: LeCun, Bottou, Bengio and Haffner (1998), Proc. IEEE 86(11), Sec. II-B and II-C, and its modern twin.

The paper's names → ours: C1, S2, C3, S4, C5, F6 → ``c1`` to ``f6``; f (squashing function) → :func:`scaled_tanh`;
j of eq. (9) → ``rubbish``.  Its "sub-sampling" is average
pooling with a trainable coefficient and bias a map, then a tanh; its "convolution" is cross-correlation, as in torch.
A map's size at each layer, for an input of 32 x 32: 28, 14, 10, 5, 1.  Axes: b images, c maps, h and w pixels.

Both networks return logits (b, 10), larger for a likelier digit, so a loss or an attack takes either of them.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import undrawn, uniform_
from dlbook.convolution.rbf import RBF, digit_codes
from dlbook.convolution.table_conv import TableConv2d, connection_table

__all__ = [
    "CoveringConv2d",
    "LeNet5",
    "Maps",
    "ModernLeNet",
    "Subsampling",
    "map_criterion",
    "mse_criterion",
    "prepare",
    "scaled_tanh",
]

L = TypeVar("L", nn.Conv2d, nn.Linear)


A, S = 1.7159, 2 / 3  # amplitude and slope of the squashing function, App. A


def prepare(images: Tensor) -> Tensor:
    """Turn digits of MNIST into what the networks read: uint8 (n, 1, 28, 28) → float32 (n, 1, 32, 32).

    Sec. II-B: paper becomes -0.1 and ink 1.175, for a mean near 0 and a variance that the paper calls "roughly 1" (on
    MNIST it is 0.12); two pixels of paper on each side let a stroke's end lie at the center of a receptive field.
    """
    axes("images", images, "n 1 28 28")
    if images.dtype != torch.uint8:
        raise ValueError(f"images are uint8, found {images.dtype}")
    return F.pad(images / 255 * 1.275 - 0.1, (2, 2, 2, 2), value=-0.1)


def scaled_tanh(a: Tensor) -> Tensor:
    """Squash to (-1.7159, 1.7159), eq. (6): ``A tanh(S a)`` with f(1) = 1 and f(-1) = -1 to five digits.

    Examples
    --------
    >>> scaled_tanh(torch.tensor([-1.0, 0.0, 1.0, 100.0]))
    tensor([-1.0000,  0.0000,  1.0000,  1.7159])
    """
    return A * (S * a).tanh_()  # in place: one large tensor less


class Subsampling(nn.Module):
    """Layers S2 and S4: halve each side of every map, with one coefficient and one bias a map.

    Each output is ``scaled_tanh(coefficient * (sum of a 2 x 2 square) + bias)``; the squares do not overlap.

    Parameters
    ----------
    maps : int
    generator : torch.Generator, optional
        Draws the coefficients, uniform in ±2.4/4 (App. A: 2.4 over the number of inputs); biases start at 0.
    device, dtype : optional

    Examples
    --------
    >>> layer = Subsampling(6)
    >>> layer(torch.zeros(2, 6, 28, 28)).shape
    torch.Size([2, 6, 14, 14])
    """

    def __init__(
        self,
        maps: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.coefficient = nn.Parameter(torch.empty(maps, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.zeros(maps, device=device, dtype=dtype))
        uniform_(self.coefficient, 2.4 / 4, generator)

    def extra_repr(self) -> str:
        """Name the number of maps."""
        return f"{len(self.bias)}"

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, maps, h, w) to (b, maps, h // 2, w // 2); an odd last row or column is left out."""
        maps = len(self.bias)
        if x.ndim != 4 or x.shape[1] != maps or min(x.shape[2:]) < 2:
            raise ValueError(f"x is (b, {maps}, h, w) with h, w >= 2, found shape {tuple(x.shape)}")
        sums = F.avg_pool2d(x, 2, divisor_override=1)
        return scaled_tanh(self.coefficient[:, None, None] * sums + self.bias[:, None, None])


class CoveringConv2d(nn.Conv2d):
    """Layers C5 and F6: a convolution whose kernel covers the whole map, which makes it a fully connected layer.

    On such a map it is computed as a matrix product, the same and cheaper; on a larger one it is torch's convolution.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h - k + 1, w - k + 1)."""
        if x.shape[2:] != self.kernel_size:
            return super().forward(x)
        return F.linear(x.flatten(1), self.weight.flatten(1), self.bias)[:, :, None, None]


class Maps(NamedTuple):
    """The states of all layers, after their squashing function; h = w = 1 for an input of 32 x 32."""

    c1: Tensor  # (b, 6, 28, 28)
    s2: Tensor  # (b, 6, 14, 14)
    c3: Tensor  # (b, 16, 10, 10)
    s4: Tensor  # (b, 16, 5, 5)
    c5: Tensor  # (b, 120, h, w)
    f6: Tensor  # (b, 84, h, w)


class LeNet5(nn.Module):
    """The network of 1998, with its 60,000 trainable parameters.

    ===== ============================= ================ ==========
    layer what it does                  maps             parameters
    ===== ============================= ================ ==========
    C1    convolution 5 x 5             6 of 28 x 28     156
    S2    sub-sampling 2 x 2            6 of 14 x 14     12
    C3    convolution 5 x 5 by a table  16 of 10 x 10    1,516
    S4    sub-sampling 2 x 2            16 of 5 x 5      32
    C5    convolution 5 x 5             120 of 1 x 1     48,120
    F6    fully connected               84               10,164
    RBF   distance to fixed codes       10               0
    ===== ============================= ================ ==========

    Parameters
    ----------
    codes : (10, 84), optional
        Fixed codes of the classes; by default those of :func:`~dlbook.convolution.rbf.digit_codes`. Another number of
        rows gives another number of classes.
    generator : torch.Generator, optional
        Draws the weights as App. A says, uniform in ±2.4 / (number of inputs of the unit); biases start at 0.
    device, dtype : optional

    Examples
    --------
    >>> model = LeNet5()
    >>> model(torch.zeros(7, 1, 32, 32)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([7, 10]), 60000)
    """

    def __init__(
        self,
        codes: Tensor | None = None,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if codes is None:
            codes = digit_codes().flatten(1)
        axes("codes", codes, "classes 84", hint="one number a unit of F6")
        options: dict[str, Any] = {"generator": generator, "device": device, "dtype": dtype}
        self.c1 = _layer(nn.Conv2d, 1, 6, 5, bound=2.4 / 25, **options)
        self.s2 = Subsampling(6, **options)
        self.c3 = TableConv2d(connection_table(), 5, **options)
        self.s4 = Subsampling(16, **options)
        self.c5 = _layer(CoveringConv2d, 16, 120, 5, bound=2.4 / 400, **options)
        self.f6 = _layer(CoveringConv2d, 120, 84, 1, bound=2.4 / 120, **options)
        self.output = RBF(codes).to(device=device, dtype=dtype or torch.get_default_dtype())
        _channels_last(self.c1)

    def maps(self, x: Tensor) -> Maps:
        """Return the states of all layers for images (b, 1, h, w) of at least 32 x 32."""
        _check_images(x, exactly=False)
        c1 = scaled_tanh(self.c1(x))
        s2 = self.s2(c1)
        c3 = scaled_tanh(self.c3(s2))
        s4 = self.s4(c3)
        c5 = scaled_tanh(self.c5(s4))
        return Maps(c1, s2, c3, s4, c5, scaled_tanh(self.f6(c5)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 1, 32, 32) to logits (b, classes)."""
        _check_images(x, exactly=True)
        return self.output(self.maps(x).f6.flatten(1))

    def scan(self, x: Tensor) -> Tensor:
        """Read a larger image (b, 1, h, w) at every place at once (Sec. VII): logits (b, classes, rows, columns).

        Row i and column j are the logits of the window of 32 x 32 whose corner is pixel (4 i, 4 j): the two
        sub-samplings make the network step by four.

        Examples
        --------
        >>> LeNet5().scan(torch.zeros(1, 1, 32, 60)).shape
        torch.Size([1, 10, 1, 8])
        """
        return self.output(self.maps(x).f6.movedim(1, -1)).movedim(-1, 1)


class ModernLeNet(nn.Module):
    """LeNet-5 as it is built today: ReLU, max pooling, all maps connected, a linear output; 61,706 parameters.

    The layers keep their names and sizes. Weights start as He et al. (2015) draw them, biases at 0.

    Parameters
    ----------
    classes : int
    generator : torch.Generator, optional
    device, dtype : optional

    Examples
    --------
    >>> model = ModernLeNet()
    >>> model(torch.zeros(7, 1, 32, 32)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([7, 10]), 61706)
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes is at least 1, found {classes}")
        options: dict[str, Any] = {"generator": generator, "device": device, "dtype": dtype}
        self.c1 = _layer(nn.Conv2d, 1, 6, 5, bound=math.sqrt(6 / 25), **options)
        self.c3 = _layer(nn.Conv2d, 6, 16, 5, bound=math.sqrt(6 / 150), **options)
        self.c5 = _layer(nn.Linear, 400, 120, bound=math.sqrt(6 / 400), **options)
        self.f6 = _layer(nn.Linear, 120, 84, bound=math.sqrt(6 / 120), **options)
        self.output = _layer(nn.Linear, 84, classes, bound=math.sqrt(6 / 84), **options)
        _channels_last(self.c1)

    def features(self, x: Tensor) -> Tensor:
        """Map images (b, 1, 32, 32) to the states of F6 (b, 84), which the output layer reads."""
        _check_images(x, exactly=True)
        x = F.relu(F.max_pool2d(self.c1(x), 2))  # relu after the pooling: the same, on a quarter of the pixels
        x = F.relu(F.max_pool2d(self.c3(x), 2))
        x = F.relu(self.c5(x.flatten(1)))
        return F.relu(self.f6(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 1, 32, 32) to logits (b, classes); raises as :meth:`features`."""
        return self.output(self.features(x))


def mse_criterion(score: Tensor, target: Tensor) -> Tensor:
    """Return eq. (8): the mean squared distance of the state to the code of the right class.

    Parameters
    ----------
    score : (b, classes)
        Minus the squared distances, as :class:`LeNet5` returns them.
    target : int64 (b,)
    """
    _check_targets(score, target)
    return -score.gather(1, target[:, None]).mean()


def map_criterion(score: Tensor, target: Tensor, *, rubbish: float) -> Tensor:
    """Return eq. (9): cross-entropy, with one more class for what is no digit, whose logit is ``-rubbish``.

    Eq. (9) reads ``y_D + log(exp(-j) + sum_i exp(-y_i))``; with scores ``-y_i`` and ``-j`` that is the negative
    logarithm of the softmax at D.  Far from every code the rubbish class wins, and the gradient is that of
    :func:`mse_criterion`; near the codes it is that of cross-entropy.

    Parameters
    ----------
    score : (b, classes)
    target : int64 (b,)
    rubbish : float
        j of the paper, a squared distance; its value is not printed there. ``math.inf`` leaves the class out.

    Examples
    --------
    >>> score, target = torch.tensor([[-1.0, -3.0]]), torch.tensor([0])
    >>> torch.isclose(map_criterion(score, target, rubbish=math.inf), F.cross_entropy(score, target))
    tensor(True)
    """
    if not rubbish > 0:
        raise ValueError(f"rubbish is a positive squared distance, found {rubbish}")
    _check_targets(score, target)
    total = F.pad(score, (0, 1), value=-rubbish).logsumexp(dim=1)
    return (total - score.gather(1, target[:, None])[:, 0]).mean()


def _layer(
    kind: Callable[..., L],
    *sizes: int,
    bound: float,
    generator: Generator | None,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> L:
    """Make a layer of torch with weights from ±bound and no bias; a given generator is the only one that is used."""
    layer = undrawn(kind, *sizes, device=device, dtype=dtype)
    uniform_(layer.weight, bound, generator)
    nn.init.zeros_(layer.get_parameter("bias"))
    return layer


def _channels_last(layer: nn.Conv2d) -> None:
    """Store the maps of a pixel side by side from here on: same numbers, but C1 costs a quarter on the CPU."""
    layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)


def _check_images(x: Tensor, *, exactly: bool) -> None:
    size = "of 32 x 32" if exactly else "of at least 32 x 32"
    fits = x.ndim == 4 and x.shape[1] == 1 and (x.shape[2:] == (32, 32) if exactly else min(x.shape[2:]) >= 32)
    if not fits:
        hint = ": pad by 2 on each side, as prepare() does" if x.shape[2:] == (28, 28) else ""
        raise ValueError(f"images are (b, 1, h, w) {size}, found shape {tuple(x.shape)}{hint}")
    if not x.is_floating_point():
        raise ValueError(f"images are floats, found {x.dtype}: prepare() turns bytes into them")


def _check_targets(score: Tensor, target: Tensor) -> None:
    b, _ = axes("score", score, "b classes", least=1)
    axes("target", target, "b", b=b)
    if target.dtype != torch.int64:  # no look at values, at every step: gather() refuses what is no class
        raise ValueError(f"targets are class numbers of dtype int64, found {target.dtype}")
