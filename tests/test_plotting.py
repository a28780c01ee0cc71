"""The palette's measured promises, and what the plots put on the axes."""

import itertools
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest

from colors import VISIONS, contrast, lab, linear
from dlbook import plotting
from dlbook.plotting import BLUE, COLORS, DARK, INK, TINT_NEGATIVE, TINT_POSITIVE, VERMILION
from pages import page, run

pytestmark = pytest.mark.usefixtures("style")
FLOORS = {"normal": 22, "protan": 12.5, "deutan": 14, "tritan": 12.5}


@pytest.mark.parametrize("color", COLORS)
def test_every_color_is_seen_on_white_and_on_the_dark_page_and_its_twin_is_read(color):
    assert contrast(color, "#ffffff") >= 3
    assert contrast(color, "#121212") >= 3
    assert contrast(DARK[color], "#ffffff") >= 4.5


def test_words_in_the_class_colors_are_read_on_the_tints():
    for tint in (TINT_POSITIVE, TINT_NEGATIVE):
        assert contrast(INK, tint) >= 7
        assert min(contrast(DARK[BLUE], tint), contrast(DARK[VERMILION], tint)) >= 4.5


@pytest.mark.parametrize("vision", VISIONS)
def test_any_two_colors_are_told_apart(vision):
    from skimage.color import deltaE_ciede2000

    seen = [lab(np.asarray(VISIONS[vision]) @ linear(color)) for color in COLORS]
    assert min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(seen, 2)) >= FLOORS[vision]


def test_the_diverging_map_has_zero_white_and_the_class_colors_on_their_sides():
    ends = plotting.DIVERGING(np.linspace(0, 1, 101))[:, :3]
    lightness = np.array([lab(linear(mpl.colors.to_hex(c)))[0] for c in ends])
    assert lightness.argmax() == 50
    assert (np.diff(lightness[:51]) > 0).all()
    assert (np.diff(lightness[50:]) < 0).all()
    assert ends[90][2] > ends[90][0]  # positive is blue
    assert ends[10][0] > ends[10][2]


def test_label_lines_does_not_let_labels_touch():
    figure, ax = plt.subplots()
    for i in range(7):
        ax.plot([0, 1], [0, 1 + i / 1000], label=f"line {i}")
    ax.plot([0, 1], [0, 0], label="_silent")
    plotting.label_lines(ax)
    figure.draw_without_rendering()
    boxes = sorted((text.get_window_extent() for text in ax.texts), key=lambda box: box.y0)
    assert len(boxes) == 7
    assert all(low.y1 <= high.y0 for low, high in itertools.pairwise(boxes))


def test_image_grid_draws_all_tiles_on_one_scale_and_frames_mistakes():
    images = np.arange(7 * 4 * 6).reshape(7, 4, 6) - 80.0
    wrong = [i == 2 for i in range(7)]
    figure = plotting.image_grid(images, list("abcdefg"), columns=4, wrong=wrong, signed=True)
    tiles = [ax for ax in figure.axes if ax.images]
    assert len(tiles) == 7
    assert {ax.images[0].get_clim() for ax in tiles} == {(-87.0, 87.0)}
    framed = [mpl.colors.to_hex(ax.spines["left"].get_edgecolor()) == VERMILION for ax in tiles]
    assert framed == wrong


def test_decision_regions_tint_the_side_of_the_score():
    _, ax = plt.subplots()
    ax.set(xlim=(-1, 1), ylim=(-1, 1))
    plotting.decision_regions(ax, lambda points: points[:, 0], levels=(0,), resolution=11)
    drawn = ax.images[0].get_array()
    assert np.array_equal(drawn[3], np.linspace(-1, 1, 11) >= 0)
    (line,) = ax.collections
    assert np.allclose(line.get_paths()[0].vertices[:, 0], 0)


def test_scatter_classes_gives_each_class_its_color():
    _, ax = plt.subplots()
    plotting.scatter_classes(ax, [[0, 0], [1, 1], [2, 2]], [1, -1, 1])
    counts = {mpl.colors.to_hex(c.get_facecolor()[0]): len(c.get_offsets()) for c in ax.collections}
    assert counts == {BLUE: 2, VERMILION: 1}


def test_confusion_matrix_writes_rows_in_per_cent():
    _, ax = plt.subplots()
    plotting.confusion_matrix(ax, [[9, 1], [0, 5]], ["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["90.0", "10.0", "", "100.0"]


def test_halo_is_white():
    assert plotting.halo()[0]._gc == {"linewidth": 3, "foreground": "white"}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: plotting.image_grid(np.zeros((4, 4))), r"found shape \(4, 4\)"),
        (lambda: plotting.image_grid(np.zeros((2, 4, 4)), ["one"]), "titles has 1 entries for 2 images"),
        (lambda: plotting.confusion_matrix(plt.gca(), [[1, 2]], ["a"]), r"found shape \(1, 2\)"),
        (lambda: plotting.confusion_matrix(plt.gca(), [[0, 0], [1, 2]], ["a", "b"]), "class a has no example"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_no_chapter_asks_for_a_wider_figure_or_smaller_letters_than_the_page_takes():
    for path in (Path(__file__).parent.parent / "book").rglob("*.md"):
        source = path.read_text(encoding="utf8")
        widths = [float(width) for width in re.findall(r"figsize=\((\d+(?:\.\d+)?),", source)]
        assert max(widths, default=0) <= plotting.WIDE, path
        sizes = [float(size) for size in re.findall(r"(?:fontsize|labelsize)=(\d+(?:\.\d+)?)", source)]
        assert min(sizes, default=10) >= 8.5, path


DRAW = """
import matplotlib.pyplot as plt
from dlbook.plotting import use_style
use_style()
figure, (left, right) = plt.subplots(1, 2, figsize=(4, 2))
left.plot([0, 1])
right.imshow([[0, 1], [1, 0]])
right.axis("off");
"""
AS_ELSEWHERE = """
from IPython.core.pylabtools import select_figure_formats
select_figure_formats(get_ipython(), {"png"}, bbox_inches=None)
"""


def test_in_a_notebook_a_figure_says_where_its_pictures_lie_and_is_drawn_as_ever(tmp_path):
    line = "plt.plot([0, 1]);"
    result = run(page(tmp_path, "a", DRAW, DRAW, line, DRAW.replace("use_style()\n", AS_ELSEWHERE)), None)
    assert result.error is None
    first, again, plain, elsewhere = (c.outputs[-1] for c in result.notebook.cells if c.cell_type == "code")
    ((left, top, right, bottom),) = first.metadata["image/png"]["keep_colors"]
    assert 400 < left < right <= 800
    assert right - left == pytest.approx(bottom - top, abs=1)
    assert (first.data, first.metadata) == (again.data, again.metadata)
    assert plain.metadata["image/png"] == {"keep_colors": []}
    assert first.data["image/png"] == elsewhere.data["image/png"]
    assert "image/png" not in elsewhere.metadata


COUNT = """
from matplotlib.figure import Figure
draws, draw = [], Figure.draw
Figure.draw = lambda figure, renderer: (draws.append(figure), draw(figure, renderer))
"""


def test_in_a_notebook_a_figure_is_drawn_for_its_layout_and_for_its_picture_and_not_once_more(tmp_path):
    result = run(page(tmp_path, "a", DRAW + COUNT, "plt.plot([0, 1]);", "print(len(draws))"), None)
    assert result.error is None
    # the first cell's own figure is drawn after the cell, too
    assert result.notebook.cells[-1].outputs[0].text == "4\n"
