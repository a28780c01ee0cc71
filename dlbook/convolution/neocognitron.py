"""Gabor models of simple and complex cells, and the Neocognitron: Fukushima (1980), Biol. Cybernetics 36, 193-202.

The paper's names → ours: u_C(l-1) (what an S-layer sees) → ``u``, a → ``excite``, b → ``inhibit``, c → ``blur`` (of the
V-cell), d → ``pool``, r → ``selectivity``, q → ``speed``, α → ``saturation``, S-column → ``column`` (its side),
representatives → :func:`representatives`. Its φ is ReLU, and ψ(x) = x / (α + x) for x > 0.
Axes: n images, k planes of a layer, j planes of the layer before, h and w places.

An S-layer is a convolution divided by the local energy of its input, a C-layer an average over neighbors that is
squashed and sampled. The weights of the S-layers grow where a cell wins; no label and no gradient is used.

Departures from the paper, all of them said again in the chapter: random initial weights instead of a formula for
orientations, layers trained one after the other, the largest S-cell of a plane as its last C-cell.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn


class Winners(NamedTuple):
    """The representatives of one image, at most one a plane."""

    plane: Tensor  # (m,)
    row: Tensor  # (m,)
    column: Tensor  # (m,)


def gabor(
    size: int, *, orientation: float, wavelength: float, width: float, phase: float = 0.0, aspect: float = 1.0
) -> Tensor:
    """Sample a plane wave under a Gaussian that sums to one, the model of a simple cell (Daugman, 1985).

    Parameters
    ----------
    size : int
        Side of the kernel, odd.
    orientation : float
        Direction in which the wave runs, radians, from the columns' axis toward the rows' (its stripes are across).
    wavelength : float
        Pixels a period.
    width : float
        Standard deviation of the Gaussian along the wave, in pixels.
    phase : float
        0 is even, π/2 odd.
    aspect : float
        The Gaussian's width along the wave over that along the stripes; below 1 the kernel is longer than wide.

    Returns
    -------
    (size, size) float64

    Raises
    ------
    ValueError
        If ``size`` is not odd and positive, or ``wavelength``, ``width`` or ``aspect`` not above zero.

    Examples
    --------
    >>> gabor(3, orientation=0, wavelength=4, width=1)[1].mul(100).round().tolist()  # crest in the middle, zero beside
    [0.0, 16.0, 0.0]
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size is odd and positive, found {size}")
    if not (wavelength > 0 and width > 0 and aspect > 0):
        raise ValueError(f"wavelength, width and aspect are above zero, found {wavelength}, {width}, {aspect}")
    place = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = place[:, None], place[None, :]
    along = x * math.cos(orientation) + y * math.sin(orientation)
    across = y * math.cos(orientation) - x * math.sin(orientation)
    envelope = torch.exp(-(along**2 + (aspect * across) ** 2) / (2 * width**2)) * aspect / (2 * math.pi * width**2)
    return envelope * torch.cos(2 * math.pi * along / wavelength + phase)


def gabor_bank(size: int, orientations: int, *, wavelength: float, width: float, aspect: float = 1.0) -> Tensor:
    """Return even and odd kernels of orientations spread evenly over half a turn.

    Returns
    -------
    (orientations, 2, size, size) float64
        ``[:, 0]`` even, ``[:, 1]`` odd: each row is a quadrature pair for :func:`complex_cells`.

    Raises
    ------
    ValueError
        If ``orientations`` < 1, or as :func:`gabor`.

    Examples
    --------
    >>> gabor_bank(9, 4, wavelength=6, width=2).shape
    torch.Size([4, 2, 9, 9])
    """
    if orientations < 1:
        raise ValueError(f"orientations is at least 1, found {orientations}")
    return torch.stack(
        [
            torch.stack(
                [
                    gabor(
                        size,
                        orientation=math.pi * i / orientations,
                        wavelength=wavelength,
                        width=width,
                        phase=phase,
                        aspect=aspect,
                    )
                    for phase in (0.0, math.pi / 2)
                ]
            )
            for i in range(orientations)
        ]
    )


def simple_cells(images: Tensor, kernels: Tensor) -> Tensor:
    """Rectified responses of kernels at every place where they fit: (n, 1, h, w), (k, s, t) → (n, k, h', w').

    Raises
    ------
    ValueError
        If the images are not (n, 1, h, w) or the kernels not (k, s, t).

    Examples
    --------
    >>> simple_cells(torch.tensor([[[[1.0, 2, 4]]]]), torch.tensor([[[-1.0, 1]], [[1.0, -1]]]))[0].tolist()
    [[[1.0, 2.0]], [[0.0, 0.0]]]
    """
    return F.relu(_correlate(images, kernels))


def complex_cells(images: Tensor, even: Tensor, odd: Tensor) -> Tensor:
    """Length of the responses of quadrature pairs (Adelson and Bergen, 1985): (n, 1, h, w), twice (k, s, t).

    A complex cell adds the squares of four simple cells, even and odd and their negatives, and takes the root.

    Raises
    ------
    ValueError
        As :func:`simple_cells`, or if the two banks differ in shape.

    Examples
    --------
    >>> complex_cells(torch.tensor([[[[3.0, 4]]]]), torch.tensor([[[1.0, 0]]]), torch.tensor([[[0.0, 1]]])).item()
    5.0
    """
    if even.shape != odd.shape:
        raise ValueError(f"even and odd kernels have one shape, found {tuple(even.shape)} and {tuple(odd.shape)}")
    return torch.hypot(_correlate(images, even), _correlate(images, odd))


def falloff(size: int, base: float) -> Tensor:
    """Return fixed weights base^distance from the center of a square, summing to one: (size, size) float64.

    Raises
    ------
    ValueError
        If ``size`` < 1 or ``base`` is not in (0, 1].

    Examples
    --------
    >>> falloff(3, 0.5)[1].div(falloff(3, 0.5)[1, 1]).tolist()
    [0.5, 1.0, 0.5]
    """
    if size < 1 or not 0 < base <= 1:
        raise ValueError(f"size is at least 1 and base in (0, 1], found {size} and {base}")
    place = torch.arange(size, dtype=torch.float64) - (size - 1) / 2
    weights = base ** torch.hypot(place[:, None], place[None, :])
    return weights / weights.sum()


def threshold(selectivity: float) -> float:
    """Return r / (1 + r), the cosine above which an S-cell that learned one pattern fires.

    Raises
    ------
    ValueError
        If r is not above zero.

    Examples
    --------
    >>> threshold(4.0)
    0.8
    """
    if not selectivity > 0:
        raise ValueError(f"selectivity is above zero, found {selectivity}")
    return selectivity / (1 + selectivity)


def v_cells(u: Tensor, blur: Tensor, *, padding: int = 0) -> Tensor:
    """Weighted root mean square of what an S-cell sees, the paper's eq. for v_C: (n, j, h, w), (s, t) → (n, 1, h', w').

    ``blur`` is the same for the j planes, and is divided by their number, so that all weights sum to one.

    Raises
    ------
    ValueError
        If the shapes are others.

    Examples
    --------
    >>> v_cells(torch.full((1, 3, 2, 2), 7.0), falloff(2, 0.9).float()).item()
    7.0
    """
    if u.ndim != 4 or blur.ndim != 2:
        raise ValueError(f"u is (n, j, h, w) and blur (s, t), found {tuple(u.shape)} and {tuple(blur.shape)}")
    energy = (u * u).mean(dim=1, keepdim=True)
    return F.conv2d(energy, blur[None, None], padding=padding).clamp_min(0).sqrt()


def s_cells(
    u: Tensor, excite: Tensor, inhibit: Tensor, blur: Tensor, *, selectivity: float, padding: int = 0
) -> Tensor:
    """Responses of S-cells with shunting inhibition: r · ReLU[(1 + e) / (1 + 2 r b v / (1 + r)) - 1].

    Parameters
    ----------
    u : (n, j, h, w)
        At least zero.
    excite : (k, j, s, t)
        a, at least zero; e is the correlation of u with it.
    inhibit : (k,)
        b, at least zero.
    blur : (s, t)
        c, of :func:`v_cells`.
    selectivity : float
        r.
    padding : int
        Blank places around u.

    Returns
    -------
    (n, k, h', w')

    Raises
    ------
    ValueError
        If the shapes do not fit or ``selectivity`` is not above zero.

    Examples
    --------
    A cell that learned the pattern (3, 4) with speed 1, weights 1/2: it answers to that, and not to (4, 0).

    >>> c = torch.tensor([[0.5, 0.5]])
    >>> x = torch.tensor([[[[3.0, 4.0]]], [[[4.0, 0.0]]]])
    >>> s_cells(x, x[:1] * c, v_cells(x[:1], c)[0, 0, 0] / 2, c, selectivity=4.0).flatten().mul(11)
    tensor([10.,  0.])
    """
    threshold(selectivity)
    if u.ndim != 4 or excite.ndim != 4 or u.shape[1] != excite.shape[1]:
        raise ValueError(f"u is (n, j, h, w), excite (k, j, s, t), found {tuple(u.shape)}, {tuple(excite.shape)}")
    if inhibit.shape != excite.shape[:1] or blur.shape != excite.shape[2:]:
        raise ValueError(f"inhibit is (k,), blur (s, t), found {tuple(inhibit.shape)}, {tuple(blur.shape)}")
    e = F.conv2d(u, excite, padding=padding)
    h = 2 * threshold(selectivity) * inhibit[:, None, None] * v_cells(u, blur, padding=padding)
    return selectivity * F.relu((e - h) / (1 + h))  # (1 + e) / (1 + h) - 1, without cancellation


def c_cells(s: Tensor, pool: Tensor, *, saturation: float, stride: int = 1, padding: int = 0) -> Tensor:
    """Responses of C-cells: blurred S-cells over their mean across planes, squashed: ψ[(1 + t) / (1 + mean t) - 1].

    Parameters
    ----------
    s : (n, k, h, w)
    pool : (s, t)
        d; each plane is blurred by itself.
    saturation : float
        α, the input that gives one half.
    stride, padding : int
        As in ``conv2d``.

    Returns
    -------
    (n, k, h', w')
        In [0, 1).

    Raises
    ------
    ValueError
        If the shapes are others, or ``saturation`` is not above zero.

    Examples
    --------
    >>> s = torch.zeros(1, 2, 3, 3)
    >>> s[0, 0] = 1  # plane 0 is active, plane 1 is not: t = (1, 0), its mean 1/2
    >>> c_cells(s, falloff(3, 0.9).float(), saturation=0.5).flatten()  # ψ(1/3) = 0.4
    tensor([0.4000, 0.0000])
    """
    if s.ndim != 4 or pool.ndim != 2:
        raise ValueError(f"s is (n, k, h, w) and pool (s, t), found {tuple(s.shape)} and {tuple(pool.shape)}")
    if not saturation > 0:
        raise ValueError(f"saturation is above zero, found {saturation}")
    k = s.shape[1]
    t = F.conv2d(s, pool.repeat(k, 1, 1, 1), stride=stride, padding=padding, groups=k)
    mean = t.mean(dim=1, keepdim=True)  # the lateral inhibition v_S
    x = F.relu((t - mean) / (1 + mean))
    return x / (saturation + x)


def representatives(s: Tensor, column: int) -> Winners:
    """Choose who learns: the strongest cell of each S-column, then of each plane the strongest of those.

    Parameters
    ----------
    s : (k, h, w)
        Responses to one image.
    column : int
        Side of an S-column: all planes at ``column`` x ``column`` places. Columns start at every place and overlap.

    Returns
    -------
    Winners
        The strongest first; none if no cell fires.

    Raises
    ------
    ValueError
        If ``s`` is not (k, h, w) or no column fits.

    Examples
    --------
    Plane 0 wins two columns, and learns at one place only; plane 1 wins the third.

    >>> representatives(torch.tensor([[[5.0, 0, 4, 0]], [[1.0, 0, 0, 2]]]), 1)
    Winners(plane=tensor([0, 1]), row=tensor([0, 0]), column=tensor([0, 3]))
    """
    if s.ndim != 3 or not 1 <= column <= min(s.shape[1:]):
        raise ValueError(f"s is (k, h, w) with places for a column of {column}, found shape {tuple(s.shape)}")
    best, plane = s.max(dim=0)
    value, place = F.max_pool2d(best[None, None], column, stride=1, return_indices=True)
    place = place[value > 0].unique()
    place = place[best.flatten()[place].argsort(descending=True, stable=True)]
    seen: dict[int, int] = {}
    for k, at in zip(plane.flatten()[place].tolist(), place.tolist(), strict=True):
        seen.setdefault(k, at)
    chosen = torch.tensor(list(seen.values()), dtype=torch.int64, device=s.device)
    planes = torch.tensor(list(seen), dtype=torch.int64, device=s.device)
    return Winners(planes, chosen // s.shape[2], chosen % s.shape[2])


class Stage(nn.Module):
    """An S-layer and the C-layer behind it, (n, inputs, h, w) → (n, planes, h', w').

    Parameters
    ----------
    inputs, planes : int
        Planes of the layer before and of this one.
    field : int
        Side of the square that an S-cell sees.
    padding : int
        Blank places around the input.
    selectivity, speed, saturation : float
        r, q and α.
    column : int
        Side of an S-column.
    pool : int, optional
        Side of the square of S-cells that a C-cell sees; None is the whole plane, of which it takes the largest.
    stride : int
        Places from one C-cell to the next.
    decay : tuple of float
        Bases of c and d: weights fall off as base^distance.
    generator : torch.Generator, optional
        Draws the initial weights, tiny and positive.
    device, dtype
        As in ``nn.Conv2d``.

    Raises
    ------
    ValueError
        If a number is not above zero, or the input does not fit.

    Examples
    --------
    >>> stage = Stage(1, 3, field=3, padding=1, selectivity=4.0)
    >>> stage(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 3, 4, 4])
    """

    excite: Tensor
    inhibit: Tensor
    blur: Tensor
    weights: Tensor
    wins: Tensor

    def __init__(
        self,
        inputs: int,
        planes: int,
        *,
        field: int = 5,
        padding: int = 0,
        selectivity: float = 4.0,
        speed: float = 1.0,
        column: int = 5,
        pool: int | None = 5,
        stride: int = 2,
        saturation: float = 0.5,
        decay: tuple[float, float] = (0.9, 0.9),
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if min(inputs, planes, field, column, stride) < 1 or padding < 0 or (pool is not None and pool < 1):
            raise ValueError(f"sizes are positive, found {(inputs, planes, field, column, stride, padding, pool)}")
        if not min(selectivity, speed, saturation) > 0:
            raise ValueError(f"r, q and α are above zero, found {selectivity}, {speed}, {saturation}")
        self.padding, self.selectivity, self.speed, self.column = padding, selectivity, speed, column
        self.pool, self.stride, self.saturation = pool, stride, saturation
        device = torch.device("cpu" if device is None else device)
        dtype = dtype or torch.get_default_dtype()
        blur = falloff(field, decay[0]).to(device, dtype)
        where = device if generator is None else generator.device
        drawn = torch.rand(planes, inputs, field, field, generator=generator, device=where, dtype=dtype).to(device)
        self.register_buffer("excite", 1e-3 * drawn * blur / inputs)
        self.register_buffer("inhibit", torch.zeros(planes, device=device, dtype=dtype))
        self.register_buffer("blur", blur)
        self.register_buffer("weights", falloff(pool or 1, decay[1]).to(device, dtype))
        self.register_buffer("wins", torch.zeros(planes, dtype=torch.int64, device=device))

    def s_layer(self, u: Tensor) -> Tensor:
        """Return the S-cells (n, planes, h', w')."""
        r, padding = self.selectivity, self.padding
        return s_cells(u, self.excite, self.inhibit, self.blur, selectivity=r, padding=padding)

    def c_layer(self, s: Tensor) -> Tensor:
        """Return the C-cells of S-cells."""
        if self.pool is None:
            return s.amax(dim=(2, 3), keepdim=True)
        return c_cells(s, self.weights, saturation=self.saturation, stride=self.stride, padding=self.pool // 2)

    def forward(self, u: Tensor) -> Tensor:
        """Return the C-cells of an input."""
        return self.c_layer(self.s_layer(u))

    @torch.no_grad()
    def reinforce(self, u: Tensor) -> Winners:
        """Let the representatives of one input (1, inputs, h, w) learn: Δa = q c u, Δb = q v / 2.

        Raises
        ------
        ValueError
            If there is not exactly one input.

        Examples
        --------
        >>> stage = Stage(1, 2, field=1, selectivity=4.0, column=1)
        >>> stage.reinforce(torch.tensor([[[[0.0, 3.0]]]])).column, stage.inhibit.max()
        (tensor([1]), tensor(1.5000))
        """
        if u.ndim != 4 or len(u) != 1:
            raise ValueError(f"one input (1, j, h, w) is learned at a time, found shape {tuple(u.shape)}")
        winners = representatives(self.s_layer(u)[0], self.column)
        field, inputs = self.blur.shape[0], u.shape[1]
        padded = F.pad(u[0], [self.padding] * 4)
        v = v_cells(u, self.blur, padding=self.padding)[0, 0]
        windows = padded.unfold(1, field, 1).unfold(2, field, 1)  # (j, h', w', s, t), a view
        plane, row, column = winners
        self.excite[plane] += self.speed * self.blur / inputs * windows[:, row, column].transpose(0, 1)
        self.inhibit[plane] += self.speed / 2 * v[row, column]
        self.wins[plane] += 1
        return winners


class Neocognitron(nn.Module):
    """Three stages that organize themselves, (n, 1, h, w) → (n, planes of the last).

    Parameters
    ----------
    planes : sequence of int
        Of the three S-layers. The paper had (24, 24, 24) for five digits.
    selectivity : sequence of float
        r of the three stages; the paper's are (4, 1.5, 1.5).
    speed : sequence of float
        q; the paper's are (1, 16, 16), and ours.
    saturation : float
        α; the paper's is 0.5.
    columns : sequence of int
        Sides of the S-columns; the paper's are (5, 5, 2).
    pool : int
        Side of what a C-cell sees in the first two stages, which keep every second place.
    last : int
        Side of what the last S-cells see, in places of the second C-layer: 7 is a whole image of 28 x 28 pixels, at
        one place. A larger image has more places, without any change of the weights.
    generator, device, dtype
        As in :class:`Stage`.

    Raises
    ------
    ValueError
        If there are not three of each.

    Examples
    --------
    >>> model = Neocognitron((4, 6, 5))
    >>> model(torch.zeros(2, 1, 28, 28)).shape, model(torch.zeros(2, 1, 36, 36)).shape
    (torch.Size([2, 5]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        planes: Sequence[int] = (24, 60, 200),
        *,
        selectivity: Sequence[float] = (2.5, 1.5, 2.5),
        speed: Sequence[float] = (1.0, 16.0, 16.0),
        saturation: float = 0.1,
        columns: Sequence[int] = (5, 3, 1),
        pool: int = 5,
        last: int = 7,
        generator: Generator | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if any(len(numbers) != 3 for numbers in (planes, selectivity, speed, columns)):
            raise ValueError(f"three stages need three numbers each, found {planes}, {selectivity}, {speed}, {columns}")
        self.stages: Sequence[Stage] = nn.ModuleList(  # type: ignore[assignment]
            Stage(
                (1, *planes)[i],
                planes[i],
                field=(5, 5, last)[i],
                padding=(2, 2, 0)[i],
                selectivity=selectivity[i],
                speed=speed[i],
                column=columns[i],
                pool=(pool, pool, None)[i],
                saturation=saturation,
                generator=generator,
                device=device,
                dtype=dtype,
            )
            for i in range(3)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the last C-cells (n, planes) of images (n, 1, h, w) in [0, 1], 1 is ink."""
        u = images
        for stage in self.stages:
            u = stage(u)
        return u[:, :, 0, 0]

    @torch.no_grad()
    def learn(self, images: Tensor, counts: Sequence[int]) -> "Neocognitron":
        """Show the first ``counts[i]`` images to stage i, one by one, after the stages before it are done.

        Parameters
        ----------
        images : (n, 1, h, w)
        counts : three of int
            At most n each.

        Raises
        ------
        ValueError
            If there are not three counts, or too few images.

        Examples
        --------
        >>> model = Neocognitron((4, 6, 5), generator=torch.Generator().manual_seed(0))
        >>> images = torch.rand(20, 1, 28, 28, generator=torch.Generator().manual_seed(1))
        >>> int(model.learn(images, (5, 5, 20)).stages[2].wins.sum())  # one winner an image
        20
        """
        if len(counts) != 3 or max(counts) > len(images) or min(counts) < 0:
            raise ValueError(f"counts are three numbers up to the {len(images)} images, found {tuple(counts)}")
        u = images
        for i, (stage, count) in enumerate(zip(self.stages, counts, strict=True)):
            for one in u[:count].split(1):
                stage.reinforce(one)
            if i < 2:
                u = torch.cat([stage(part) for part in u[: max(counts[i + 1 :])].split(100)])
        return self


def name_planes(responses: Tensor, labels: Tensor, *, classes: int = 10) -> Tensor:
    """Name each plane after the class that it wins most often, the only use of labels: (n, k), (n,) → (k,).

    A plane that never wins is named -1; so is, by :func:`read`, an image to which no plane responds.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a label is outside 0 to ``classes`` - 1.

    Examples
    --------
    >>> name_planes(torch.tensor([[9.0, 0, 0], [8.0, 1, 0], [0.0, 1, 0]]), torch.tensor([3, 3, 5]))
    tensor([ 3,  5, -1])
    """
    if responses.ndim != 2 or labels.shape != responses.shape[:1] or not len(labels):
        raise ValueError(f"responses are (n, k), labels (n,), found {tuple(responses.shape)}, {tuple(labels.shape)}")
    if labels.min() < 0 or labels.max() >= classes:
        raise ValueError(f"labels are 0 to {classes - 1}, found {labels.min()} to {labels.max()}")
    value, plane = responses.max(dim=1)
    heard = value > 0
    pairs = plane[heard] * classes + labels[heard]
    votes = torch.bincount(pairs, minlength=responses.shape[1] * classes).view(-1, classes)
    return torch.where(votes.sum(dim=1) > 0, votes.argmax(dim=1), -1)


def read(responses: Tensor, names: Tensor) -> Tensor:
    """Return the name of the strongest named plane, (n, k), (k,) → (n,); -1 where none of them responds.

    Raises
    ------
    ValueError
        If there is not a name for each plane.

    Examples
    --------
    >>> read(torch.tensor([[1.0, 2.0, 9.0], [0.0, 0.0, 0.0]]), torch.tensor([7, 4, -1]))
    tensor([ 4, -1])
    """
    if responses.ndim != 2 or names.shape != responses.shape[1:]:
        raise ValueError(f"responses are (n, k), names (k,), found {tuple(responses.shape)}, {tuple(names.shape)}")
    value, plane = torch.where(names >= 0, responses, 0).max(dim=1)
    return torch.where(value > 0, names[plane], -1)


def _correlate(images: Tensor, kernels: Tensor) -> Tensor:
    if images.ndim != 4 or images.shape[1] != 1 or kernels.ndim != 3:
        raise ValueError(f"images (n, 1, h, w), kernels (k, s, t), found {tuple(images.shape)}, {tuple(kernels.shape)}")
    return F.conv2d(images, kernels[:, None])
