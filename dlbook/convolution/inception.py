"""Inception modules: Szegedy et al. (2014), arXiv:1409.4842, and the small Inception of Zhang et al. (2017).

The paper's "#1x1, #3x3 reduce, #3x3, #5x5 reduce, #5x5, pool proj" (Table 1) → the six widths of :class:`Inception`,
in that order.  Zhang et al. (arXiv:1611.03530, App. A, Fig. 3) keep two branches, "C1" and "C3" → ``one``, ``three``.
A multiply-add is one weight times one number, added up; biases, activations, pooling and normalization do not count.
Axes: b images, c and o maps, h and w pixels, r reduced maps, i and j places of a kernel.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import image_batch
from dlbook._draws import normal_, undrawn
from dlbook.convolution.convolution import Conv2d
from dlbook.convolution.group import P1Conv2d, P4Conv2d, P4MConv2d
from dlbook.convolution.lenet import TableConv2d
from dlbook.perceptron.linear import SoftmaxRegression

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


class Factors(NamedTuple):
    """A 1 x 1 convolution and the k x k convolution after it, which together stand for one k x k convolution."""

    reduce: Tensor  # (r, c, 1, 1), orthonormal rows
    expand: Tensor  # (o, r, k, k)


def multiply_adds(model: nn.Module, shape: Sequence[int]) -> dict[str, int]:
    """Count the multiply-adds of every convolution and linear layer for one input, by running it.

    Parameters
    ----------
    model : nn.Module
    shape : sequence of int
        Of one input without the batch axis, (c, h, w) for images.

    Returns
    -------
    dict of str to int
        Name of the layer → its multiply-adds, in the order of the first call; their sum is the cost of the model.

    Raises
    ------
    ValueError
        If ``shape`` is empty or holds a number below 1, a layer does not fit it, or one has weights and is not known.

    Notes
    -----
    Convolutions and linear layers are known, torch's and the book's; what has one weight for each map, such as a
    normalization, costs nothing in this count.

    Examples
    --------
    >>> multiply_adds(nn.Conv2d(3, 8, 5), (3, 12, 12))  # 8 x 8 places, 8 maps, kernels of 3 x 5 x 5
    {'': 38400}
    """
    if len(shape) == 0 or min(shape) < 1:
        raise ValueError(f"shape is that of one input, all sizes at least 1, found {tuple(shape)}")
    counts: dict[str, int] = {}

    for name, layer in model.named_modules():
        own = [parameter for parameter in layer.parameters(recurse=False) if parameter.ndim > 1]
        if own and not _is_product(layer):
            raise ValueError(f"what layer {name!r}, {type(layer).__name__}, multiplies is not known here")

    def count(name: str, layer: Any, output: Tensor) -> None:
        maps = len(layer.table if isinstance(layer, TableConv2d) else layer.weight)
        # every weight of a map is used once for each of its numbers; the batch is 1
        counts[name] = counts.get(name, 0) + output.numel() // maps * layer.weight.numel()

    hooks = [
        layer.register_forward_hook(lambda layer, _, output, name=name: count(name, layer, output))
        for name, layer in model.named_modules()
        if _is_product(layer)
    ]
    weight = next(model.parameters(), torch.empty(0))
    modes = {layer: layer.training for layer in model.modules()}
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *shape, device=weight.device, dtype=weight.dtype))
    except RuntimeError as error:
        raise ValueError(f"the model takes no input of shape {tuple(shape)}: {error}") from error
    finally:
        for hook in hooks:
            hook.remove()
        for layer, mode in modes.items():
            layer.training = mode
    return counts


def _is_product(layer: nn.Module) -> bool:
    """Tell whether the numbers that a layer gives are products of its weights with numbers that it is given."""
    torchs = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
    return isinstance(layer, torchs | Conv2d | TableConv2d | SoftmaxRegression | P1Conv2d | P4Conv2d | P4MConv2d)


def embed_kernels(weights: Sequence[Tensor], size: int) -> Tensor:
    """Write parallel convolutions of one input as a single one: zeros around each kernel, then stack the outputs.

    Parameters
    ----------
    weights : sequence of (o, c, k, k)
        Kernels of the branches, with odd k and one c; each branch is padded by (k - 1) / 2.
    size : int
        Side of the common kernel, odd, at least the largest k.

    Returns
    -------
    (sum of o, c, size, size)
        Its convolution, padded by (size - 1) / 2, is the concatenation of the branches'.

    Raises
    ------
    ValueError
        If there is no branch, the widths of the inputs differ, or a side is even or larger than ``size``.

    Examples
    --------
    >>> embed_kernels([torch.ones(1, 1, 1, 1), torch.full((1, 1, 3, 3), 2.0)], 3).sum(dim=(1, 2, 3))
    tensor([ 1., 18.])
    """
    shapes = [tuple(weight.shape) for weight in weights]
    if not shapes or any(len(shape) != 4 or shape[1] != shapes[0][1] or shape[2] != shape[3] for shape in shapes):
        raise ValueError(f"weights are (o, c, k, k) with one c, found shapes {shapes}")
    if size % 2 == 0 or any(shape[2] % 2 == 0 or shape[2] > size for shape in shapes):
        raise ValueError(f"sides of kernels are odd and at most size = {size}, which is odd, found {shapes}")
    margins = [(size - weight.shape[-1]) // 2 for weight in weights]
    return torch.cat([F.pad(weight, (m, m, m, m)) for weight, m in zip(weights, margins, strict=True)])


def factor_kernel(weight: Tensor, rank: int) -> Factors:
    """Return the 1 x 1 reduction to ``rank`` maps, and the k x k convolution after it, that come nearest to a kernel.

    The kernels as a matrix, a column for each input map and a row for each output map and place, have a best
    approximation of every rank: the truncated singular value decomposition (Eckart and Young, 1936).

    Parameters
    ----------
    weight : (o, c, k, k)
    rank : int
        From 1 to c.

    Raises
    ------
    ValueError
        If ``weight`` has other axes, or ``rank`` is out of range.

    Examples
    --------
    >>> reduce, expand = factor_kernel(torch.randn(8, 6, 3, 3), 2)
    >>> reduce.shape, expand.shape
    (torch.Size([2, 6, 1, 1]), torch.Size([8, 2, 3, 3]))
    """
    if weight.ndim != 4 or 0 in weight.shape or not 1 <= rank <= weight.shape[1]:
        raise ValueError(f"weight is (o, c, k, k) and rank from 1 to c, found {tuple(weight.shape)} and {rank}")
    o, c, i, j = weight.shape
    matrix = weight.permute(0, 2, 3, 1).reshape(o * i * j, c)
    u, s, vt = torch.linalg.svd(matrix, full_matrices=False)
    kept = min(rank, len(s))  # a matrix of fewer rows than rank has no further directions
    expand = F.pad(u[:, :kept] * s[:kept], (0, rank - kept)).reshape(o, i, j, rank).permute(0, 3, 1, 2)
    reduce = F.pad(vt[:kept], (0, 0, 0, rank - kept))
    return Factors(reduce[:, :, None, None].contiguous(), expand.contiguous())


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

    Raises
    ------
    ValueError
        If a width is negative, or one of ``in_channels``, ``one``, ``three`` and ``five`` is 0.

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

    Raises
    ------
    ValueError
        If ``classes`` < 1.

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
        """Map images (b, 3, 224, 224) to logits (b, classes); other sizes of at least 32 pixels work as well.

        Raises
        ------
        ValueError
            If ``x`` is not floats (b, 3, h, w) with h, w >= 32.
        """
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

    Raises
    ------
    ValueError
        If ``classes`` < 1.

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
        """Map images (b, 3, 28, 28) to logits (b, classes); other sizes of at least 4 pixels work as well.

        Raises
        ------
        ValueError
            If ``x`` is not floats (b, 3, h, w) with h, w >= 4.
        """
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
