"""Where the pictures of a figure lie, compared with the pixels in which a color is found that nothing else has."""

from collections.abc import Callable
from io import BytesIO

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage
from PIL import Image

from dlbook import plotting
from dlbook._colors_kept import boxes

pytestmark = pytest.mark.usefixtures("style")
RED = ListedColormap(["red"] * 256)


def printed(figure: Figure) -> np.ndarray:
    """Return the pixels of a figure as a notebook prints it."""
    png = BytesIO()
    figure.savefig(png, format="png")
    return np.asarray(Image.open(png).convert("RGB"))


def red_box(pixels: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((pixels == (255, 0, 0)).all(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def image(ax: Axes) -> None:
    ax.imshow(np.zeros((3, 7)), cmap=RED)


def colors(ax: Axes) -> None:
    ax.imshow(np.full((3, 7, 3), (1.0, 0, 0)), aspect="auto")


def part(ax: Axes) -> None:
    ax.imshow(np.zeros((3, 7)), cmap=RED, extent=(2, 5, 1, 2))
    ax.set(xlim=(0, 10), ylim=(0, 3))


def beyond(ax: Axes) -> None:
    ax.imshow(np.zeros((3, 7)), cmap=RED, extent=(-5, 5, -1, 2))
    ax.set(xlim=(0, 10), ylim=(0, 3))


def cells(ax: Axes) -> None:
    ax.pcolormesh(np.zeros((4, 5)), cmap=RED)


def surface(ax: Axes) -> None:
    ax.contourf([[0, 1], [1, 2]], levels=7, colors=["red"] * 9, antialiased=False)


def scale(ax: Axes) -> None:
    ax.scatter([0, 1], [0, 1], c=[0, 1], s=1e6, cmap=RED)


@pytest.mark.parametrize("draw", [image, colors, part, beyond, cells, surface, scale])
@pytest.mark.parametrize("frame", [-6, 0.8, 6])  # below zero: not shown
def test_the_box_holds_the_picture_and_not_the_lines_around_it(draw: Callable[[Axes], None], frame: float):
    figure, ax = plt.subplots(figsize=(3.47, 2.13))
    draw(ax)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set(visible=frame > 0, linewidth=abs(frame))
    pixels = printed(figure)
    (box,) = boxes(figure)
    # a line ends within a pixel that is no longer quite red
    assert np.abs(np.subtract(box, red_box(pixels))).max() <= 1


def test_an_image_beside_a_point_has_its_own_box():
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.add_artist(AnnotationBbox(OffsetImage(np.zeros((20, 30)), cmap=RED), (0.4, 0.6), frameon=False))
    pixels = printed(figure)
    (box,) = boxes(figure)
    assert np.abs(np.subtract(box, red_box(pixels))).max() <= 1


def test_a_color_bar_keeps_its_colors_and_its_numbers_do_not():
    figure, ax = plt.subplots()
    figure.colorbar(ax.imshow(np.eye(3)))
    printed(figure)
    picture, bar = boxes(figure)
    assert picture[2] < bar[0]
    assert bar[2] - bar[0] < 40 < bar[3] - bar[1]


def test_a_box_ends_where_the_figure_does():
    figure, ax = plt.subplots(figsize=(2, 1), layout="none")
    ax.set_position((-0.5, -0.5, 2, 2))
    ax.imshow(np.eye(3), aspect="auto")
    printed(figure)
    assert boxes(figure) == [(0, 0, 400, 200)]


def test_the_outline_of_a_color_bar_belongs_to_the_drawing():
    widths = []
    for outline in (0, 3):
        figure, ax = plt.subplots(layout="none")
        bar = figure.colorbar(ax.imshow(np.eye(3)))
        bar.outline.set_linewidth(outline)
        printed(figure)
        left, _, right, _ = boxes(figure)[-1]
        widths.append(right - left)
    assert widths[0] - widths[1] == pytest.approx(3 * 200 / 72, abs=2)


def test_boxes_are_in_order_whatever_the_order_of_drawing():
    figure = plotting.image_grid(np.zeros((15, 4, 4)), columns=5)
    printed(figure)
    found = boxes(figure)
    assert len(found) == 15
    assert found == sorted(found)


def lines(ax: Axes) -> None:
    ax.plot([0, 1])
    ax.fill_between([0, 1], [0, 1])
    ax.scatter([0, 1], [0, 1], c=["red", "blue"])
    ax.contour([[0, 1], [1, 2]], cmap="viridis")


def sides(ax: Axes) -> None:
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
    plotting.decision_regions(ax, lambda points: points[:, 0])


def two_fills(ax: Axes) -> None:
    ax.contourf([[0, 1], [1, 2]], levels=[-1, 1, 3], colors=[plotting.TINT_NEGATIVE, plotting.TINT_POSITIVE])


def hidden(ax: Axes) -> None:
    ax.imshow(np.eye(3)).set_visible(False)


def off_the_figure(ax: Axes) -> None:
    ax.set_position((2, 0, 1, 1))
    ax.imshow(np.eye(3))


@pytest.mark.parametrize("draw", [lines, sides, two_fills, hidden, off_the_figure])
def test_what_is_no_picture_has_no_box(draw: Callable[[Axes], None]):
    figure, ax = plt.subplots()
    draw(ax)
    printed(figure)
    assert boxes(figure) == []


def test_axes_that_are_not_shown_have_no_box_and_twins_have_one():
    figure, (left, right) = plt.subplots(1, 2)
    left.imshow(np.eye(3))
    left.imshow(np.eye(3))
    right.imshow(np.eye(3))
    right.set_visible(False)
    printed(figure)
    assert len(boxes(figure)) == 1
