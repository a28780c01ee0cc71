"""AlexNet: Krizhevsky, Sutskever and Hinton (2012), NIPS 25, and the small one of Zhang et al. (2017).

The paper's "GPUs" → ``groups``.  Layers have no names in the paper; ours, ``conv1`` to ``fc8``, are those in common
use.  Dropout here keeps the scale in training ("inverted"), where the paper halves the outputs in the test: the same
network with weights half as large.
Axes: b images, c maps or colors, h and w pixels.  Side of the maps, for images of 227: 55, 27, 13, 13, 13, 6.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook._draws import normal_, undrawn
from dlbook.convolution.response_norm import LocalResponseNorm

__all__ = ["ILSVRC", "AlexNet", "Result", "SmallAlexNet"]


class Result(NamedTuple):
    """What one entry reached in the classification task of ILSVRC, on its test images and without other data."""

    year: int
    team: str
    method: str
    error: float  # top-5, in percent
    convolutional: bool
    sources: tuple[str, ...]  # keys of book/references.bib that print the number


# The winners, and AlexNet's entry without other data; with other data it had 15.3 in 2012, Clarifai 11.2 in 2013.
ILSVRC = (
    Result(2010, "NEC-UIUC", "six sparse-coding models on different features", 28.2, False, ("krizhevsky2012",)),
    Result(2011, "XRCE", "Fisher vectors of hand-made features", 25.8, False, ("russakovsky2015",)),
    Result(2012, "ISI", "Fisher vectors, second place", 26.2, False, ("krizhevsky2012", "ilsvrc2012")),
    Result(2012, "SuperVision", "AlexNet, five of them", 16.4, True, ("krizhevsky2012", "ilsvrc2012")),
    Result(2013, "Clarifai", "convolutional networks", 11.7, True, ("szegedy2014",)),
    Result(2014, "GoogLeNet", "Inception, seven of them", 6.67, True, ("szegedy2014",)),
    Result(2015, "MSRA", "an ensemble of residual networks", 3.57, True, ("he2015",)),
)


class AlexNet(nn.Module):
    """The network of 2012, with its 60,965,224 parameters.

    ===== ==================================== =============== ==========
    layer what it does                         maps            parameters
    ===== ==================================== =============== ==========
    conv1 11 x 11, stride 4; norm, maxima      96 of 55 x 55   34,944
    conv2 5 x 5, in two groups; norm, maxima   256 of 27 x 27  307,456
    conv3 3 x 3                                384 of 13 x 13  885,120
    conv4 3 x 3, in two groups                 384 of 13 x 13  663,936
    conv5 3 x 3, in two groups; maxima         256 of 13 x 13  442,624
    fc6   fully connected, dropout             4,096           37,752,832
    fc7   fully connected, dropout             4,096           16,781,312
    fc8   fully connected                      1,000           4,097,000
    ===== ==================================== =============== ==========

    Maxima are over 3 x 3 pixels with stride 2; each layer but the last is followed by a ReLU.

    Parameters
    ----------
    classes : int
    groups : int
        2: half of the maps on each of two GPUs. 1: one tower, 62,378,344 parameters. A divisor of 32.
    dropout : float
        Share of the units of fc6 and fc7 that is dropped in training.
    generator : torch.Generator, optional
        Draws the weights as Sec. 5 says, normal with deviation 0.01; the biases of conv2, conv4, conv5, fc6 and fc7
        start at 1, the others at 0.
    device, dtype : optional

    Raises
    ------
    ValueError
        If ``classes`` < 1, ``groups`` is no divisor of 32, the largest number that divides 96, 256 and 384, or
        ``dropout`` is not in [0, 1).

    Examples
    --------
    >>> sum(p.numel() for p in AlexNet(device="meta").parameters())
    60965224
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        groups: int = 2,
        dropout: float = 0.5,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _check_classes(classes, dropout)
        if groups < 1 or 32 % groups:
            raise ValueError(f"groups divides 96, 256 and 384 maps, so it divides 32, found {groups}")
        super().__init__()
        self.dropout = dropout
        self.norm = LocalResponseNorm()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.conv1 = _conv(3, 96, 11, stride=4, **options)
        self.conv2 = _conv(96, 256, 5, padding=2, groups=groups, **options)
        self.conv3 = _conv(256, 384, 3, padding=1, **options)
        self.conv4 = _conv(384, 384, 3, padding=1, groups=groups, **options)
        self.conv5 = _conv(384, 256, 3, padding=1, groups=groups, **options)
        self.fc6 = undrawn(nn.Linear, 256 * 6 * 6, 4096, **options)
        self.fc7 = undrawn(nn.Linear, 4096, 4096, **options)
        self.fc8 = undrawn(nn.Linear, 4096, classes, **options)
        for name, layer in self.named_children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                bias = 1.0 if name in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0
                _draw(layer, 0.01, bias, generator)

    def features(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 227, 227) to the last maxima (b, 256, 6, 6)."""
        _check_images(x, 227, "the 224 of the paper leave 54.25 places for conv1: see the chapter")
        x = _overlapping_maxima(self.norm(F.relu(self.conv1(x))))
        x = _overlapping_maxima(self.norm(F.relu(self.conv2(x))))
        x = F.relu(self.conv3(x))
        x = F.relu(self.conv4(x))
        return _overlapping_maxima(F.relu(self.conv5(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 227, 227) to logits (b, classes); raises as :meth:`features`."""
        x = self.features(x).flatten(1)
        x = F.dropout(F.relu(self.fc6(x)), self.dropout, self.training)
        x = F.dropout(F.relu(self.fc7(x)), self.dropout, self.training)
        return self.fc8(x)


class SmallAlexNet(nn.Module):
    """The small AlexNet of Zhang et al. (2017), App. A, for crops of 28 x 28 from CIFAR-10: 1,387,786 parameters.

    Twice a 5 x 5 convolution, maxima over 3 x 3 pixels with stride 2 and response normalization; then two fully
    connected layers, and the one that says the class.

    Parameters
    ----------
    classes : int
    widths : four int
        Maps of the two convolutions, units of the two fully connected layers.
    side : int
        Of the images in pixels; the last maps have a quarter of it, rounded up twice.
    groups : int
        Of the second convolution, as in :class:`AlexNet`.
    activation : callable
        What follows every layer but the last.
    norm : bool
        With response normalization, with the constants of Krizhevsky et al. (those of Zhang et al. are not printed).
    dropout : float
        After the fully connected layers, in training; 0 as in Zhang et al.
    generator : torch.Generator, optional
        Draws the weights as He et al. (2015) do (the paper does not say); biases start at 0.
    device, dtype : optional

    Raises
    ------
    ValueError
        If ``classes``, ``side``, ``groups`` or a width is below 1, ``groups`` divides not both widths of the
        convolutions, or ``dropout`` is not in [0, 1).

    Examples
    --------
    >>> model = SmallAlexNet()
    >>> model(torch.zeros(2, 3, 28, 28)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([2, 10]), 1387786)
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        widths: Sequence[int] = (64, 64, 384, 192),
        side: int = 28,
        groups: int = 1,
        activation: Callable[[Tensor], Tensor] = F.relu,
        norm: bool = True,
        dropout: float = 0.0,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        _check_classes(classes, dropout)
        if len(widths) != 4 or min(*widths, side, groups) < 1:
            raise ValueError(f"four widths, side and groups are at least 1, found {tuple(widths)}, {side} and {groups}")
        if widths[0] % groups or widths[1] % groups:
            raise ValueError(f"groups divides the maps of both convolutions, found {groups} for {tuple(widths[:2])}")
        super().__init__()
        self.side, self.activation, self.dropout = side, activation, dropout
        self.norm = LocalResponseNorm() if norm else nn.Identity()
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        last = -(-side // 4)  # two halvings, each rounded up
        self.conv1 = _conv(3, widths[0], 5, padding=2, **options)
        self.conv2 = _conv(widths[0], widths[1], 5, padding=2, groups=groups, **options)
        self.fc3 = undrawn(nn.Linear, widths[1] * last**2, widths[2], **options)
        self.fc4 = undrawn(nn.Linear, widths[2], widths[3], **options)
        self.fc5 = undrawn(nn.Linear, widths[3], classes, **options)
        for layer in self.children():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                _draw(layer, (2 / layer.weight[0].numel()) ** 0.5, 0.0, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, side, side) to logits (b, classes)."""
        _check_images(x, self.side, "crop them, as random_crop_and_flip() does")
        for conv in (self.conv1, self.conv2):
            x = self.norm(F.max_pool2d(self.activation(conv(x)), 3, stride=2, padding=1))
        x = x.flatten(1)
        for layer in (self.fc3, self.fc4):
            x = F.dropout(self.activation(layer(x)), self.dropout, self.training)
        return self.fc5(x)


def _overlapping_maxima(x: Tensor) -> Tensor:
    """Sec. 3.4: z = 3, s = 2."""
    return F.max_pool2d(x, 3, stride=2)


def _conv(
    in_channels: int,
    out_channels: int,
    side: int,
    *,
    stride: int = 1,
    padding: int = 0,
    groups: int = 1,
    **options: Any,
) -> nn.Conv2d:
    """Make a convolution whose weights are still to be drawn."""
    sizes = {"stride": stride, "padding": padding, "groups": groups}
    return undrawn(nn.Conv2d, in_channels, out_channels, side, **sizes, **options)


def _draw(layer: nn.Conv2d | nn.Linear, std: float, bias: float, generator: Generator | None) -> None:
    """Fill the weight with normal draws of deviation ``std``, and the bias."""
    normal_(layer.weight, std, generator)
    nn.init.constant_(layer.get_parameter("bias"), bias)


def _check_classes(classes: int, dropout: float) -> None:
    if classes < 1 or not 0 <= dropout < 1:
        raise ValueError(f"classes is at least 1 and dropout in [0, 1), found {classes} and {dropout}")


def _check_images(x: Tensor, side: int, hint: str) -> None:
    axes("x", x, "b 3 h w", h=side, w=side, hint=hint)
    if not x.is_floating_point():
        raise ValueError(f"images are floats, found {x.dtype}: divide bytes by 255")
