"""The book's colors, figure sizes and the few plots that several chapters draw.

Seven colors, each at least 3:1 on white and on the dark page, told apart by readers of every color vision; a color
keeps its meaning through the book (the positive class is blue, the negative vermilion; training is blue and solid,
validation vermilion and dashed; a paper's value is an open grey diamond).  Functions draw on the axes they are given.
"""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from dlbook._colors_kept import KEY, Box, boxes

__all__ = [
    "BLUE",
    "COLORS",
    "DARK",
    "DIVERGING",
    "GREEN",
    "GREY",
    "HALF",
    "INK",
    "MAGENTA",
    "MAUVE",
    "MUTED",
    "RULE",
    "TEXT",
    "TINT_NEGATIVE",
    "TINT_POSITIVE",
    "UMBER",
    "VERMILION",
    "VIOLET",
    "confusion_matrix",
    "decision_regions",
    "halo",
    "image_grid",
    "label_lines",
    "scatter_classes",
    "use_style",
]

BLUE, VERMILION, GREEN, MAGENTA = "#0072b2", "#d55e00", "#0fa061", "#b81280"
UMBER, VIOLET, MAUVE = "#6e6150", "#9a7afa", "#b0829a"
COLORS = (BLUE, VERMILION, GREEN, MAGENTA, UMBER, VIOLET, MAUVE)
DARK = {  # for words on white and on the tints
    BLUE: "#005b8f",
    VERMILION: "#a84a00",
    GREEN: "#0a6b41",
    MAGENTA: "#8f0e64",
    UMBER: "#574d40",
    VIOLET: "#5b3fc4",
    MAUVE: "#7d5268",
}
LINES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (1, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, MUTED, RULE, GREY = "#1f2328", "#57606a", "#d8dee4", "#c9d1d9"
TINT_POSITIVE, TINT_NEGATIVE = "#d6e8f4", "#fbe4d3"
TEXT, WIDE, HALF, PANEL = 5.4, 7.2, 3.5, 2.4  # figure widths in inches; the page shows 100 CSS pixels an inch

DIVERGING = LinearSegmentedColormap.from_list(
    "dl_div", ["#8f3f00", "#d55e00", "#efab7c", "#f5f5f3", "#7fb4d6", "#0072b2", "#00517f"]
).with_extremes(bad="#f0f2f4")  # absent is not zero

STYLE: dict[str, Any] = {
    "figure.figsize": (TEXT, 3.2),
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "figure.constrained_layout.w_pad": 0.06,
    "figure.constrained_layout.h_pad": 0.06,
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same letters
    "mathtext.fontset": "cm",
    "font.size": 10.5,
    "axes.labelsize": 10.5,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": RULE,
    "grid.linewidth": 0.7,
    "xtick.major.size": 3.5,
    "ytick.major.size": 0,
    "lines.linewidth": 2,
    "lines.markersize": 5,
    "axes.xmargin": 0.02,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "axes.formatter.limits": (-3, 4),
    "axes.prop_cycle": cycler(color=COLORS, linestyle=LINES),
}


def use_style() -> None:
    """Draw in the book's style from now on; in a notebook, keep each figure at the width that was asked for.

    There, each figure also says which of its pixels keep their colors on a dark page: see ``dlbook._colors_kept``.
    """
    mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
    try:
        from IPython.core.getipython import get_ipython
        from IPython.core.pylabtools import print_figure
        from matplotlib_inline.config import InlineBackend
    except ImportError:  # outside Jupyter there is no inline backend to set
        return
    inline: Any = InlineBackend.instance()
    inline.print_figure_kwargs = {"bbox_inches": None}
    shell: Any = get_ipython()
    if shell is None or "png" not in inline.figure_formats:
        return

    def print_with_boxes(figure: Figure) -> tuple[str, dict[str, list[Box]]]:
        """Return the PNG in base64 and what goes with it."""
        png = print_figure(figure, fmt="png", base64=True, bbox_inches=None)
        return png, {KEY: boxes(figure)}

    # in the place of the backend's own way, which was set when its package was imported
    shell.display_formatter.formatters["image/png"].for_type(Figure, print_with_boxes)
    plt.uninstall_repl_displayhook()  # else pyplot draws each figure after its cell, and the backend draws it once more


def label_lines(ax: Axes, *, gap: float = 1.25, dx: float = 5) -> None:
    """Write each line's label at its right end, in its darker color, pushed apart where they would collide.

    Parameters
    ----------
    ax : Axes
        Lines whose label starts with an underscore are passed over.
    gap : float
        Least distance of two labels, in lines of text.
    dx : float
        Distance from the line's end, in points.
    """
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]
    lines = [line for line in ax.get_lines() if not str(line.get_label()).startswith("_")]
    ends = [(np.asarray(line.get_xdata())[-1], np.asarray(line.get_ydata())[-1]) for line in lines]
    points, least = 72 / ax.figure.dpi, gap * mpl.rcParams["font.size"]
    y = np.array([ax.transData.transform(end)[1] * points for end in ends])
    order = np.argsort(y)
    placed = y[order]
    for _ in range(200):
        short = np.clip(least - np.diff(placed), 0, None) / 2
        if short.max(initial=0) < 1e-6:
            break
        placed[:-1] -= short
        placed[1:] += short
    for rank, i in enumerate(order):
        color = lines[i].get_color()
        ax.annotate(
            str(lines[i].get_label()),
            ends[i],
            xytext=(dx, placed[rank] - y[i]),
            textcoords="offset points",
            va="center",
            color=DARK.get(str(color), color),
            annotation_clip=False,
        )


def image_grid(
    images: ArrayLike,
    titles: Sequence[str] | None = None,
    *,
    columns: int = 5,
    wrong: Sequence[bool] | None = None,
    cmap: str = "gray_r",
    width: float = TEXT,
    signed: bool = False,
) -> Figure:
    """Draw images as tiles of one size on one scale.

    Parameters
    ----------
    images : (n, height, width) or (n, height, width, 3)
    titles : n strings, optional
        A caption over each tile.
    columns : int
    wrong : n booleans, optional
        True gives a tile the vermilion frame of a mistake.
    cmap : str
        For images of one channel that are not ``signed``.
    width : float
        Of the figure, in inches.
    signed : bool
        Draw with the diverging map, zero white, one symmetric scale for all tiles and a color bar.
    """
    tiles: NDArray[np.float64] = np.asarray(images)
    if tiles.ndim not in (3, 4) or len(tiles) == 0:
        raise ValueError(f"images are (n, height, width) or (n, height, width, 3), found shape {tiles.shape}")
    for name, per_tile in (("titles", titles), ("wrong", wrong)):
        if per_tile is not None and len(per_tile) != len(tiles):
            raise ValueError(f"{name} has {len(per_tile)} entries for {len(tiles)} images")
    rows = -(-len(tiles) // columns)
    tile = width / columns
    height = rows * (tile * tiles.shape[1] / tiles.shape[2] * 0.92 + (0.25 if titles is not None else 0.0)) + 0.1
    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False)
    limit = float(np.abs(tiles).max()) if signed else None
    scale: dict[str, Any] = {"cmap": DIVERGING, "vmin": -limit, "vmax": limit} if limit is not None else {"cmap": cmap}
    if limit is None and tiles.ndim == 3:
        scale |= {"vmin": float(tiles.min()), "vmax": float(tiles.max())}
    drawn = None
    for i, ax in enumerate(axes.flat):
        ax.grid(False)
        ax.set(xticks=[], yticks=[])
        if i >= len(tiles):
            ax.axis("off")
            continue
        drawn = ax.imshow(tiles[i], **scale)
        bad = wrong is not None and bool(wrong[i])
        for spine in ax.spines.values():
            spine.set(visible=True, color=VERMILION if bad else RULE, linewidth=2.2 if bad else 0.8)
        if titles is not None:
            ax.set_title(titles[i], loc="center", fontsize=10, color=DARK[VERMILION] if bad else INK, pad=3)
    if limit is not None and drawn is not None:
        bar = figure.colorbar(drawn, ax=axes, fraction=0.03, pad=0.02, ticks=[-limit, 0, limit])
        bar.ax.set_yticklabels([f"{-limit:.2g}", "0", f"{limit:.2g}"])
        bar.outline.set_visible(False)
    return figure


def decision_regions(
    ax: Axes,
    score: Callable[[NDArray[np.float64]], ArrayLike],
    *,
    levels: Sequence[float] = (-1, 0, 1),
    resolution: int = 200,
) -> None:
    """Tint the plane by the sign of a score, and draw its zero line and margins, within the limits of ``ax``.

    Parameters
    ----------
    ax : Axes
        With its limits set.
    score : callable
        Points (n, 2) to scores (n,); at least zero is the positive class.
    levels : sequence of float
        Contours to draw: zero solid in ink, others dashed in the color of their class.
    resolution : int
        Points along each axis.
    """
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    x, y = np.meshgrid(np.linspace(left, right, resolution), np.linspace(bottom, top, resolution))
    values = np.asarray(score(np.stack([x.ravel(), y.ravel()], axis=1))).reshape(x.shape)
    tints = ListedColormap([TINT_NEGATIVE, TINT_POSITIVE])
    ax.imshow(
        values >= 0,
        extent=(left, right, bottom, top),
        origin="lower",
        aspect="auto",
        cmap=tints,
        vmin=0,
        vmax=1,
        zorder=0,
    )
    for level in levels:
        color, style = (INK, "-") if level == 0 else (BLUE if level > 0 else VERMILION, "--")
        if values.min() < level < values.max():
            ax.contour(x, y, values, [level], colors=[color], linestyles=[style], linewidths=2 if level == 0 else 1)
    ax.grid(False)
    ax.set(xlim=(left, right), ylim=(bottom, top))


def scatter_classes(ax: Axes, x: ArrayLike, y: ArrayLike, *, size: float = 28) -> None:
    """Draw points (n, 2) of labels -1 and +1 (n,): positive as blue circles, negative as vermilion squares."""
    points, labels = np.asarray(x), np.asarray(y)
    for label, color, marker in ((1, BLUE, "o"), (-1, VERMILION, "s")):
        chosen = points[labels == label]
        edge: dict[str, Any] = {"edgecolors": "white", "linewidths": 0.7, "zorder": 3}
        ax.scatter(chosen[:, 0], chosen[:, 1], s=size, c=color, marker=marker, **edge)


def halo(width: float = 3) -> list[withStroke]:
    """Return the path effect of a white outline, for words that stand on lines."""
    return [withStroke(linewidth=width, foreground="white")]


def confusion_matrix(ax: Axes, counts: ArrayLike, labels: Sequence[str]) -> None:
    """Draw a confusion matrix in per cent of its rows: the diagonal grey, only the errors colored.

    Parameters
    ----------
    ax : Axes
    counts : (k, k)
        Rows are true classes, columns predicted ones.
    labels : k strings
    """
    table = np.asarray(counts, dtype=float)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or len(labels) != len(table):
        raise ValueError(f"counts is (k, k) for k labels, found shape {table.shape} and {len(labels)} labels")
    if (table.sum(axis=1) == 0).any():
        raise ValueError(
            f"class {labels[int(np.argmin(table.sum(axis=1)))]} has no example: its row has no percentages"
        )
    percent = 100 * table / table.sum(axis=1, keepdims=True)
    errors = np.ma.masked_array(percent, mask=np.eye(len(table), dtype=bool))
    top = max(float(errors.max()), 1e-9)
    oranges = mpl.colormaps["Oranges"].with_extremes(bad="#eceff2")
    ax.imshow(errors, cmap=oranges, vmin=0, vmax=top * 1.15)
    for i, j in np.ndindex(*percent.shape):
        shown = f"{percent[i, j]:.1f}" if i == j or percent[i, j] >= top / 10 else ""
        dark = i != j and percent[i, j] > 0.65 * top
        ax.text(j, i, shown, ha="center", va="center", fontsize=9.5 if i != j else 9, color="white" if dark else INK)
    ax.grid(False)
    ax.set(xticks=range(len(table)), yticks=range(len(table)), xticklabels=labels, yticklabels=labels)
    ax.set(xlabel="predicted", ylabel="true")
    ax.tick_params(length=0)
