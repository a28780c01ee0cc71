"""Inception modules: Szegedy et al. (2014), arXiv:1409.4842, and the small Inception of Zhang et al. (2017).

The paper's "#1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj" (Table 1) → the six widths of :class:`Inception`,
in that order.  Zhang et al. (arXiv:1611.03530, App. A, Fig. 3) keep two branches, "C1" and "C3" → ``one``, ``three``.
Axes: b images, c maps, h and w pixels.
"""

from typing import Any

import torch
from torch import Generator, Tensor, nn

from dlbook._checks import image_batch
from dlbook._draws import normal_, undrawn

__all__ = ["GOOGLENET", "GoogLeNet", "Inception", "SmallInception"]

# Table 1, rows "inception (3a)" to "inception (5b)"; max pooling halves the maps after 3b and after 4e.
GOOGLENET = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


# Zhang et al., Fig. 3: (1 x 1, 3 x 3) maps of an inception module, or the 3 x 3 maps of a downsampling one.
SMALL = ((32, 32), (32, 48), 80, (112, 48), (96, 64), (80, 80), (48, 96), 96, (176, 160), (176, 160))


class Inception(nn.Module):
    """The module of Fig. 2: four branches on one input, side by side, their maps put together.

    Maps of the output, in this order: 1 x 1; 3 x 3 after a reduction; 5 x 5 after a reduction; a 1 x 1 projection of
    the 3 x 3 maximum.  Every convolution is followed by a ReLU, and the size of the maps stays as it is.

    Parameters
    ----------
    in_channels : int
    one : int
        "#1x1" of Table 1.
    reduce3, three, reduce5, five : int
        "#3x3 reduce", "#3x3", "#5x5 reduce", "#5x5". A reduction of 0 is left out, as in Fig. 2(a).
    pool : int
        "pool proj". 0 passes the maxima on as they are, as in Fig. 2(a).
    generator : torch.Generator, optional
        Draws the weights as He et al. (2015) do; biases start at 0.
    device, dtype : optional

    Examples
    --------
    >>> module = Inception(192, *GOOGLENET["3a"])
    >>> module(torch.zeros(2, 192, 28, 28)).shape, sum(p.numel() for p in module.parameters())
    (torch.Size([2, 256, 28, 28]), 163696)
    """

    def __init__(
        self,
        in_channels: int,
        one: int,
        reduce3: int,
        three: int,
        reduce5: int,
        five: int,
        pool: int,
        *,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        widths = (in_channels, one, reduce3, three, reduce5, five, pool)
        if min(in_channels, one, three, five) < 1 or min(widths) < 0:
            raise ValueError(f"maps, 1 x 1, 3 x 3 and 5 x 5 are at least 1 and the others at least 0, found {widths}")
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        self.branch1 = _conv(in_channels, one, 1, **options)
        self.branch3 = _reduced(in_channels, reduce3, three, 3, options)
        self.branch5 = _reduced(in_channels, reduce5, five, 5, options)
        project = [_conv(in_channels, pool, 1, **options)] if pool else []
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *project)
        self.out_channels = one + three + five + (pool or in_channels)
        _draw(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map (b, in_channels, h, w) to (b, out_channels, h, w)."""
        branches = self.branch1, self.branch3, self.branch5, self.branch_pool
        return torch.cat([branch(x) for branch in branches], dim=1)


class GoogLeNet(nn.Module):
    """The network of Table 1, without the auxiliary classifiers, which are used in training only.

    22 layers with parameters from pixel to class, and 6,998,552 of them.  ``stem`` and ``inception3a`` to
    ``inception5b`` are its modules, each of which includes the max pooling after it.

    Parameters
    ----------
    classes : int
    dropout : float
        Share of the 1,024 means that is dropped in training; 0.4 in Table 1.
    generator : torch.Generator, optional
        Draws the weights as He et al. (2015) do (the paper does not say); biases start at 0.
    device, dtype : optional

    Examples
    --------
    >>> sum(p.numel() for p in GoogLeNet(device="meta").parameters())
    6998552
    """

    def __init__(
        self,
        classes: int = 1000,
        *,
        dropout: float = 0.4,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes is at least 1, found {classes}")
        options: dict[str, Any] = {"device": device, "dtype": dtype}
        # Fig. 3 names the normalizations and not their constants, which are those of torch here.
        self.stem = nn.Sequential(
            _conv(3, 64, 7, stride=2, **options),
            _halve(),
            nn.LocalResponseNorm(5),
            _conv(64, 64, 1, **options),
            _conv(64, 192, 3, **options),
            nn.LocalResponseNorm(5),
            _halve(),
        )
        channels = 192
        for name, widths in GOOGLENET.items():
            module = Inception(channels, *widths, generator=generator, **options)
            channels = module.out_channels
            self.add_module(f"inception{name}", nn.Sequential(module, *([_halve()] if name in ("3b", "4e") else [])))
        self.dropout = nn.Dropout(dropout)
        self.output = undrawn(nn.Linear, channels, classes, **options)
        _draw(self.stem, generator)
        _draw(self.output, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 224, 224) to logits (b, classes); other sizes of at least 32 pixels work as well."""
        image_batch(x, 3, least=32)
        x = self.stem(x)
        for name in GOOGLENET:
            x = self.get_submodule(f"inception{name}")(x)
        return self.output(self.dropout(x.mean(dim=(2, 3))))


class SmallInception(nn.Module):
    """The small Inception of Zhang et al. (2017), Fig. 3, for crops of 28 x 28 from CIFAR-10.

    A module puts a 1 x 1 and a 3 x 3 convolution side by side; a downsampling one a 3 x 3 convolution and a 3 x 3
    maximum, both with stride 2.  Every convolution has a bias and is followed by batch normalization and a ReLU.
    The paper counts 1,649,402 parameters, which are those of the convolutions and of the linear layer; the scales and
    shifts of the normalizations come on top of it.

    Parameters
    ----------
    classes : int
    batch_norm : bool
        False: the paper's "Inception w/o BatchNorm".
    generator : torch.Generator, optional
        Draws the weights as He et al. (2015) do (the paper does not say); biases start at 0.
    device, dtype : optional

    Examples
    --------
    >>> model = SmallInception(batch_norm=False)
    >>> model(torch.zeros(2, 3, 28, 28)).shape, sum(p.numel() for p in model.parameters())
    (torch.Size([2, 10]), 1649402)
    """

    def __init__(
        self,
        classes: int = 10,
        *,
        batch_norm: bool = True,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if classes < 1:
            raise ValueError(f"classes is at least 1, found {classes}")
        options: dict[str, Any] = {"norm": batch_norm, "device": device, "dtype": dtype}
        layers: list[nn.Module] = [_conv(3, 96, 3, **options)]
        channels = 96
        for widths in SMALL:
            if isinstance(widths, int):
                branches: tuple[nn.Module, ...] = _conv(channels, widths, 3, stride=2, **options), _halve()
                channels += widths
            else:
                branches = tuple(
                    _conv(channels, width, side, **options) for width, side in zip(widths, (1, 3), strict=True)
                )
                channels = sum(widths)
            layers.append(_SideBySide(*branches))
        self.features = nn.Sequential(*layers)
        self.output = undrawn(nn.Linear, channels, classes, device=device, dtype=dtype)
        _draw(self, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (b, 3, 28, 28) to logits (b, classes); other sizes of at least 4 pixels work as well."""
        image_batch(x, 3, least=4)
        return self.output(self.features(x).mean(dim=(2, 3)))


class _SideBySide(nn.ModuleList):
    """Branches on one input, their maps put together."""

    def __init__(self, *branches: nn.Module) -> None:
        super().__init__(branches)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


def _conv(
    in_channels: int,
    out_channels: int,
    side: int,
    *,
    stride: int = 1,
    norm: bool = False,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> nn.Sequential:
    """Make a convolution that keeps the size of the maps, or halves it, and what comes after it."""
    options: dict[str, Any] = {"device": device, "dtype": dtype}
    layer = undrawn(nn.Conv2d, in_channels, out_channels, side, stride=stride, padding=side // 2, **options)
    normalize = [nn.BatchNorm2d(out_channels, **options)] if norm else []
    return nn.Sequential(layer, *normalize, nn.ReLU())


def _reduced(in_channels: int, reduce: int, width: int, side: int, options: dict[str, Any]) -> nn.Sequential:
    """Make a convolution behind a 1 x 1 reduction, or without one if ``reduce`` is 0."""
    first = [_conv(in_channels, reduce, 1, **options)] if reduce else []
    return nn.Sequential(*first, _conv(reduce or in_channels, width, side, **options))


def _halve() -> nn.MaxPool2d:
    return nn.MaxPool2d(3, stride=2, padding=1)


def _draw(model: nn.Module, generator: Generator | None) -> None:
    """Fill weights as He et al. (2015) do, drawn where the generator lives, and biases with 0."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            normal_(layer.weight, (2 / layer.weight[0].numel()) ** 0.5, generator)
            nn.init.zeros_(layer.get_parameter("bias"))
