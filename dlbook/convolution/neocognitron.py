"""The Neocognitron: Fukushima (1980), Biol. Cybernetics 36, 193-202.

The paper's names → ours: those of :mod:`dlbook.convolution.cells`, and q → ``speed``, S-column → ``column`` (its side),
representatives → :func:`representatives`.
Axes: n images, k planes of a layer, j planes of the layer before, h and w places.

The weights of the S-layers grow where a cell wins; no label and no gradient is used.

Departures from the paper, all of them said again in the chapter: random initial weights instead of a formula for
orientations, layers trained one after the other, the largest S-cell of a plane as its last C-cell.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from dlbook._checks import axes
from dlbook.convolution.cells import c_cells, falloff, s_cells, v_cells

__all__ = ["Neocognitron", "Stage", "Winners", "name_planes", "read", "representatives"]


class Winners(NamedTuple):
    """The representatives of one image, at most one a plane."""

    plane: Tensor  # (m,)
    row: Tensor  # (m,)
    column: Tensor  # (m,)


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

    Examples
    --------
    Plane 0 wins two columns, and learns at one place only; plane 1 wins the third.

    >>> representatives(torch.tensor([[[5.0, 0, 4, 0]], [[1.0, 0, 0, 2]]]), 1)
    Winners(plane=tensor([0, 1]), row=tensor([0, 0]), column=tensor([0, 3]))
    """
    _, h, w = axes("s", s, "k h w")
    if not 1 <= column <= min(h, w):
        raise ValueError(f"s has places for a column of {column}, found shape {tuple(s.shape)}")
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

        Examples
        --------
        >>> stage = Stage(1, 2, field=1, selectivity=4.0, column=1)
        >>> stage.reinforce(torch.tensor([[[[0.0, 3.0]]]])).column, stage.inhibit.max()
        (tensor([1]), tensor(1.5000))
        """
        axes("u, one input at a time,", u, "1 j h w")
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


def name_planes(responses: Tensor, target: Tensor, *, classes: int = 10) -> Tensor:
    """Name each plane after the class that it wins most often, the only use of labels: (n, k), (n,) → (k,).

    A plane that never wins is named -1; so is, by :func:`read`, an image to which no plane responds.

    Examples
    --------
    >>> name_planes(torch.tensor([[9.0, 0, 0], [8.0, 1, 0], [0.0, 1, 0]]), torch.tensor([3, 3, 5]))
    tensor([ 3,  5, -1])
    """
    n, _ = axes("responses", responses, "n k", least=1)
    axes("target", target, "n", n=n)
    if target.min() < 0 or target.max() >= classes:
        raise ValueError(f"targets are 0 to {classes - 1}, found {target.min()} to {target.max()}")
    value, plane = responses.max(dim=1)
    heard = value > 0
    pairs = plane[heard] * classes + target[heard]
    votes = torch.bincount(pairs, minlength=responses.shape[1] * classes).view(-1, classes)
    return torch.where(votes.sum(dim=1) > 0, votes.argmax(dim=1), -1)


def read(responses: Tensor, names: Tensor) -> Tensor:
    """Return the name of the strongest named plane, (n, k), (k,) → (n,); -1 where none of them responds.

    Examples
    --------
    >>> read(torch.tensor([[1.0, 2.0, 9.0], [0.0, 0.0, 0.0]]), torch.tensor([7, 4, -1]))
    tensor([ 4, -1])
    """
    _, k = axes("responses", responses, "n k")
    axes("names", names, "k", k=k)
    value, plane = torch.where(names >= 0, responses, 0).max(dim=1)
    return torch.where(value > 0, names[plane], -1)
