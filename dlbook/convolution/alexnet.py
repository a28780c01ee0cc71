"""AlexNet: Krizhevsky, Sutskever and Hinton (2012), NIPS 25, and the small one of Zhang et al. (2017).

The paper's a, b, k, n, α, β of Sec. 3.3 → ``x``, the result, ``k``, ``size``, ``alpha``, ``beta`` of
:func:`local_response_norm`; p_i, λ_i, α_i of Sec. 4.1 → ``vectors``, ``values``, a draw; "GPUs" → ``groups``.  Layers
have no names in the paper; ours, ``conv1`` to ``fc8``, are those in common use.  Dropout here keeps the scale in
training ("inverted"), where the paper halves the outputs in the test: the same network with weights half as large.
Axes: b images, c maps or colors, h and w pixels.  Side of the maps, for images of 227: 55, 27, 13, 13, 13, 6.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._draws import normal_, undrawn


class Result(NamedTuple):
    """What one entry reached in the classification task of ILSVRC, on its test images and without other data."""

    year: int
    team: str
    method: str
    error: float  # top-5, in percent
    convolutional: bool
    sources: tuple[str, ...]  # keys of book/references.bib that print the number


class Components(NamedTuple):
    """The directions in which the colors of a set of images vary, the strongest first."""

    vectors: Tensor  # (3, 3), a direction of unit length in each column
    values: Tensor  # (3,), variance along it, in squared units of the images


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


def local_response_norm(x: Tensor, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> Tensor:
    """Divide each number by what its neighbors in *other maps* at the same pixel amount to, Sec. 3.3.

    ``x[i] / (k + alpha * sum of x[j]**2 over |j - i| <= size // 2) ** beta``, with j among the maps that exist.  In
    torch ``alpha`` multiplies the mean over ``size`` places and not the sum: its ``alpha`` is ``size`` times ours.

    Parameters
    ----------
    x : (b, c, ...)
    size : int
        How many maps are summed, odd: n of the paper, which chose all four constants on validation images.
    alpha, beta, k : float

    Raises
    ------
    ValueError
        If ``x`` has fewer than two axes or is not of floats, ``size`` is not odd and positive, or ``k`` and ``alpha``
        are not above zero and at least zero, so that something would be divided by zero.

    Examples
    --------
    >>> x = torch.tensor([[3.0, 4.0, 0.0]])
    >>> local_response_norm(x, 3, alpha=1.0, beta=0.5, k=0.01).round(decimals=2)  # 3 / 5, 4 / 5 and 0 / 4
    tensor([[0.6000, 0.8000, 0.0000]])
    """
    if x.ndim < 2 or not x.is_floating_point():
        raise ValueError(f"x is floats (b, c, ...), found {x.dtype} of shape {tuple(x.shape)}")
    _check_norm(size, alpha, k)
    maps, reach = x.shape[1], size // 2
    squares = F.pad(x.square().flatten(2), (0, 0, reach, reach)) if x.ndim > 2 else F.pad(x.square(), (reach, reach))
    total = sum((squares[:, j : j + maps] for j in range(1, size)), start=squares[:, :maps])
    return x / (k + alpha * total.reshape(x.shape)) ** beta


class LocalResponseNorm(nn.Module):
    """:func:`local_response_norm` as a layer, with the constants of the paper.

    Parameters
    ----------
    size, alpha, beta, k
        As in :func:`local_response_norm`.

    Raises
    ------
    ValueError
        If ``size`` is not odd and positive, or ``k`` and ``alpha`` are not above zero and at least zero.

    Examples
    --------
    >>> x = torch.rand(2, 7, 3, 3)
    >>> torch.allclose(LocalResponseNorm()(x), nn.LocalResponseNorm(5, alpha=5 * 1e-4, beta=0.75, k=2.0)(x))
    True
    """

    def __init__(self, size: int = 5, *, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        _check_norm(size, alpha, k)
        super().__init__()
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def forward(self, x: Tensor) -> Tensor:
        """Normalize (b, c, ...)."""
        return local_response_norm(x, self.size, alpha=self.alpha, beta=self.beta, k=self.k)

    def extra_repr(self) -> str:
        """Return the constants, for printing."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def random_crop_and_flip(images: Tensor, size: int, *, generator: Generator) -> Tensor:
    """Cut a square out of each image at a random place, and mirror it or not, the first augmentation of Sec. 4.1.

    Parameters
    ----------
    images : (b, c, h, w)
    size : int
        Side of the square, at most h and w.
    generator : torch.Generator

    Returns
    -------
    (b, c, size, size)
        Row by row its own place and its own coin.

    Raises
    ------
    ValueError
        If ``images`` has other axes, or ``size`` does not fit.

    Examples
    --------
    >>> random_crop_and_flip(torch.rand(5, 3, 16, 16), 14, generator=torch.Generator().manual_seed(0)).shape
    torch.Size([5, 3, 14, 14])
    """
    _check_crop(images, size)
    b, _, h, w = images.shape

    def draw(places: int) -> Tensor:
        drawn = torch.randint(places, (b, 1), generator=generator, device=generator.device)
        return drawn.to(images.device)

    steps = torch.arange(size, device=images.device)
    rows, columns = draw(h - size + 1) + steps, draw(w - size + 1) + steps
    columns = torch.where(draw(2) == 1, columns.flip(1), columns)
    every = torch.arange(b, device=images.device)[:, None, None]
    return images.movedim(1, -1)[every, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def ten_crops(images: Tensor, size: int) -> Tensor:
    """Cut the four corners and the center out of each image, and mirror them: what the paper averages in the test.

    Parameters
    ----------
    images : (b, c, h, w)
    size : int
        Side of the squares, at most h and w.

    Returns
    -------
    (b, 10, c, size, size)
        Upper left, upper right, lower left, lower right, center, and the same mirrored.

    Raises
    ------
    ValueError
        If ``images`` has other axes, or ``size`` does not fit.

    Examples
    --------
    >>> ten_crops(torch.arange(9.0).reshape(1, 1, 3, 3), 1).flatten().tolist()
    [0.0, 2.0, 6.0, 8.0, 4.0, 0.0, 2.0, 6.0, 8.0, 4.0]
    """
    _check_crop(images, size)
    h, w = images.shape[2:]
    corners = [(0, 0), (0, w - size), (h - size, 0), (h - size, w - size), ((h - size) // 2, (w - size) // 2)]
    crops = torch.stack([images[:, :, top : top + size, left : left + size] for top, left in corners], dim=1)
    return torch.cat([crops, crops.flip(-1)], dim=1)


def color_components(images: Tensor) -> Components:
    """Return the principal components of the colors of all pixels of all images (Sec. 4.1).

    Parameters
    ----------
    images : (b, 3, h, w)
        Floats, in [0, 1] or any other unit; the variances come in its square.

    Raises
    ------
    ValueError
        If ``images`` are not such floats, finite, with two pixels or more.

    Examples
    --------
    >>> gray = torch.linspace(0, 1, 8).expand(1, 3, 1, 8)
    >>> vectors, values = color_components(gray)
    >>> vectors[:, 0].round(decimals=3), values.round(decimals=3)
    (tensor([0.5770, 0.5770, 0.5770]), tensor([0.3670, 0.0000, 0.0000]))
    """
    _check_colors(images)
    if images.numel() < 6 or not images.isfinite().all():
        raise ValueError(f"images are finite, with two pixels or more, found shape {tuple(images.shape)}")
    pixels = images.movedim(1, 0).flatten(1)
    values, vectors = torch.linalg.eigh(pixels.cov())
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    signs = torch.where(vectors.sum(dim=0) < 0, -1.0, 1.0).to(vectors)  # of the two directions the brighter one
    return Components(vectors * signs, values)


def pca_color_augmentation(images: Tensor, components: Components, *, std: float = 0.1, generator: Generator) -> Tensor:
    """Shift the color of each image as a whole by a draw along the principal components, the last lines of Sec. 4.1.

    To every pixel of an image is added the one vector ``p1 a1 λ1 + p2 a2 λ2 + p3 a3 λ3``, with three draws ``a`` of
    deviation ``std`` for each image.  The equation multiplies by *variances*, so its effect depends on the unit of the
    images; it makes sense in [0, 1].

    Parameters
    ----------
    images : (b, 3, h, w)
        Floats in the unit that the components were computed in.
    components : Components
        Of the training images, from :func:`color_components`.
    std : float
        0.1 in the paper.
    generator : torch.Generator

    Raises
    ------
    ValueError
        If ``images`` are not such floats, or ``std`` is negative.

    Examples
    --------
    >>> x = torch.rand(2, 3, 4, 4)
    >>> shifted = pca_color_augmentation(x, color_components(x), generator=torch.Generator().manual_seed(0))
    >>> ((shifted - x).amax(dim=(2, 3)) - (shifted - x).amin(dim=(2, 3)) < 1e-6).all()  # all pixels of an image alike
    tensor(True)
    """
    _check_colors(images)
    if not std >= 0:
        raise ValueError(f"std is at least 0, found {std}")
    draws = torch.randn(len(images), 3, generator=generator, device=generator.device).to(images)
    shift = (std * draws * components.values.to(images)) @ components.vectors.to(images).T
    return images + shift[:, :, None, None]


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
        """Map images (b, 3, 227, 227) to the last maxima (b, 256, 6, 6).

        Raises
        ------
        ValueError
            If ``x`` has another shape, or is not of floats.
        """
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
        """Map images (b, 3, side, side) to logits (b, classes).

        Raises
        ------
        ValueError
            If ``x`` has another shape, or is not of floats.
        """
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


def _check_norm(size: int, alpha: float, k: float) -> None:
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size is odd and positive, found {size}")
    if not (k > 0 and alpha >= 0):
        raise ValueError(f"k is above zero and alpha at least zero, found k = {k} and alpha = {alpha}")


def _check_crop(images: Tensor, size: int) -> None:
    if images.ndim != 4 or len(images) == 0 or not 1 <= size <= min(images.shape[2:]):
        raise ValueError(f"images are (b, c, h, w) with b >= 1 and h, w >= {size} >= 1, found {tuple(images.shape)}")


def _check_colors(images: Tensor) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise ValueError(f"images are floats (b, 3, h, w), found {images.dtype} of shape {tuple(images.shape)}")


def _check_classes(classes: int, dropout: float) -> None:
    if classes < 1 or not 0 <= dropout < 1:
        raise ValueError(f"classes is at least 1 and dropout in [0, 1), found {classes} and {dropout}")


def _check_images(x: Tensor, side: int, hint: str) -> None:
    if x.ndim != 4 or x.shape[1:] != (3, side, side):
        raise ValueError(f"images are (b, 3, {side}, {side}), found shape {tuple(x.shape)}: {hint}")
    if not x.is_floating_point():
        raise ValueError(f"images are floats, found {x.dtype}: divide bytes by 255")
