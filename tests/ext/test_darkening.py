"""The map onto dark paper keeps the palette's promises, and the page keeps its pictures."""

import itertools
import re
from base64 import b64encode
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nbformat.v4 as v4
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image
from skimage.color import deltaE_ciede2000
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from colors import VISIONS, contrast, lab, linear
from dlbook.plotting import BLUE, COLORS, DARK, GREY, INK, MUTED, RULE, TINT_NEGATIVE, TINT_POSITIVE, VERMILION
from pages import page
from website.darkening import boxes_by_name, darken, darkened, filter_element, on_dark_paper, outline

PAPER = "#121212"
IMAGE = '<a href="x.png"><img alt="A three." src="../../_images/{name}.png" style="width: 50px; height: 25px;" /></a>'


def dark(color: str) -> str:
    """Return a color as a dark page shows it."""
    return "#" + "".join(f"{round(255 * part):02x}" for part in on_dark_paper(to_rgb(color)))


def hue(color: str) -> float:
    """Return the hue in OKLab, in degrees, by Ottosson's matrices."""
    cones = np.cbrt(
        np.array(
            [[0.4122215, 0.5363325, 0.0514460], [0.2119035, 0.6806995, 0.1073970], [0.0883025, 0.2817188, 0.6299787]]
        )
        @ linear(color)
    )
    a, b = np.array([[1.9779985, -2.4285922, 0.4505937], [0.0259040, 0.7827718, -0.8086758]]) @ cones
    return float(np.degrees(np.arctan2(b, a)))


def test_white_is_the_paper_of_the_dark_page_and_greys_stay_grey_in_the_order_of_negatives():
    assert dark("#ffffff") == PAPER
    greys = [dark(f"#{level:02x}{level:02x}{level:02x}") for level in range(0, 256, 5)]
    levels = [[int(grey[at : at + 2], 16) for at in (1, 3, 5)] for grey in greys]
    assert np.ptp(levels, axis=1).max() <= 1
    assert (np.diff(np.mean(levels, axis=1)) < 0).all()


def test_ink_is_read_and_rules_are_as_faint_as_on_white():
    assert contrast(dark(INK), PAPER) >= 12
    assert contrast(dark(MUTED), PAPER) >= 4.5
    for faint in (RULE, GREY):
        assert 0 <= contrast(dark(faint), PAPER) - contrast(faint, "#ffffff") <= 0.3


@pytest.mark.parametrize("color", COLORS)
def test_each_color_is_seen_its_twin_is_read_and_both_keep_their_hue(color):
    assert contrast(dark(color), PAPER) >= 3
    assert contrast(dark(DARK[color]), PAPER) >= 4.5
    assert abs((hue(dark(color)) - hue(color) + 180) % 360 - 180) <= 25


@pytest.mark.parametrize("tint", [TINT_POSITIVE, TINT_NEGATIVE])
def test_tints_are_dark_differ_from_paper_and_carry_words_and_points(tint):
    assert 1.1 <= contrast(dark(tint), PAPER) <= 1.6
    assert abs((hue(dark(tint)) - hue(tint) + 180) % 360 - 180) <= 25
    assert contrast(dark(INK), dark(tint)) >= 7
    for color in (BLUE, VERMILION):
        assert contrast(dark(color), dark(tint)) >= 3
        assert contrast(dark(DARK[color]), dark(tint)) >= 4.5


@pytest.mark.parametrize(("vision", "least"), [("normal", 20), ("protan", 8), ("deutan", 8), ("tritan", 8)])
def test_any_two_colors_are_told_apart_in_the_dark(vision, least):
    seen = [lab(np.asarray(VISIONS[vision]) @ linear(dark(color))) for color in COLORS]
    assert min(deltaE_ciede2000(a, b) for a, b in itertools.combinations(seen, 2)) >= least


@pytest.mark.parametrize("color", [INK, *COLORS])
def test_the_soft_edge_of_a_line_goes_from_line_to_paper_without_a_detour(color):
    shares = np.linspace(0, 1, 21)[:, None]
    edge = on_dark_paper(shares * to_rgb(color) + (1 - shares) * np.ones(3))
    straight = shares * edge[-1] + (1 - shares) * edge[0]
    assert np.abs(edge - straight).max() < 0.12
    steps = np.diff(edge, axis=0) * np.sign(edge[-1] - edge[0])
    assert steps.min() > -1e-9, "no channel turns back"


def test_the_filter_of_the_page_is_the_map():
    text = filter_element()
    values, tones = re.search(r' values="([^"]+)"', text), re.findall(r'type="table" tableValues="([^"]+)"', text)
    assert values is not None
    rows = np.array([float(value) for value in values[1].split()]).reshape(4, 5)
    table = [float(tone) for tone in tones[0].split()]
    for color in np.random.default_rng(0).random((50, 3)):
        red, green, blue, alpha = (rows @ [*color, 1, 1]).clip(0, 1)
        assert alpha == 1
        seen = np.interp([red, green, blue], np.linspace(0, 1, len(table)), table)
        assert np.allclose(seen, on_dark_paper(color), atol=1e-3)
    assert len(tones) == 3
    assert len(set(tones)) == 1
    assert 'color-interpolation-filters="sRGB"' in text, "or the browser would take the values for light"


def inside(shape: str, x: float, y: float) -> bool:
    """Tell whether a point in per cent is in a polygon, by its winding number."""
    points = np.array([[float(n.rstrip("%")) for n in p.split()] for p in shape[8:-1].split(",")]) - (x, y)
    angles = np.arctan2(points[:, 1], points[:, 0])
    turns = (np.diff(angles) + np.pi) % (2 * np.pi) - np.pi
    return bool(abs(turns.sum()) > 3)


def test_one_box_is_an_inset_and_several_are_the_places_that_a_line_goes_around():
    assert outline([(20, 10, 120, 90)], 200, 100) == "inset(10% 40% 10% 10%)"
    boxes = [(20, 10, 60, 30), (30, 20, 90, 50), (100, 60, 200, 100)]
    shape = outline(boxes, 200, 100)
    for x, y in itertools.product(np.arange(0.7, 100, 3), np.arange(0.4, 100, 3)):
        kept = any(left <= 2 * x < right and top <= y < bottom for left, top, right, bottom in boxes)
        assert inside(shape, x, y) == kept, (x, y)


def png(width: int, height: int) -> bytes:
    file = BytesIO()
    Image.new("L", (width, height)).save(file, format="png")
    return file.getvalue()


def notebook(*metadata: dict[str, object]) -> v4.nbbase.NotebookNode:
    """Return a notebook that printed an image for each of ``metadata``."""
    outputs = [
        v4.new_output("display_data", {"image/png": b64encode(png(100 + i, 50)).decode()}, metadata=given)
        for i, given in enumerate(metadata)
    ]
    stream = v4.new_output("stream", text="hello")
    return v4.new_notebook(cells=[v4.new_markdown_cell("# A"), v4.new_code_cell(outputs=[stream, *outputs])])


def name_of(number: int) -> str:
    return sha256(png(100 + number, 50)).hexdigest()


def test_only_what_the_kernel_knows_is_darkened():
    known = boxes_by_name(notebook({"image/png": {"keep_colors": [[10, 5, 50, 50]]}}, {"image/png": {"width": 7}}, {}))
    assert known == {name_of(0): ([(10, 5, 50, 50)], 100, 50)}
    other = IMAGE.format(name=name_of(1)) + IMAGE.format(name="photograph")
    assert darkened(other, known) == other


def test_a_figure_without_pictures_is_one_image_and_one_with_pictures_has_them_on_it_and_says_its_words_once():
    known = boxes_by_name(
        notebook({"image/png": {"keep_colors": []}}, {"image/png": {"keep_colors": [[0, 5, 50, 50], [60, 0, 70, 9]]}})
    )
    plain = darkened(IMAGE.format(name=name_of(0)), known)
    assert plain.count("<img") == 1
    assert '<img class="darkens" alt="A three."' in plain
    page = darkened("".join(IMAGE.format(name=name_of(i)) for i in (0, 1)), known)
    assert page.count("<img") == 3
    assert page.count('alt="A three."') == 2
    assert page.count("<filter") == 1
    over = re.search(r'<span class="with-pictures"><img class="darkens" [^>]*><img (loading[^>]*)></span>', page)
    assert over is not None
    assert f'aria-hidden="true" class="keeps" alt="" src="../../_images/{name_of(1)}.png"' in over[1]
    shape = outline([(0, 5, 50, 50), (60, 0, 70, 9)], 101, 50)
    assert f'style="clip-path: {shape}; width: 50px; height: 25px;"' in over[1]


def test_an_image_keeps_the_class_that_an_author_gave_it():
    known = boxes_by_name(notebook({"image/png": {"keep_colors": []}}))
    image = f'<img alt="A dot." class="align-center" src="{name_of(0)}.png">'
    assert darkened(image, known).startswith('<img alt="A dot." class="darkens align-center" src=')


def test_a_page_is_darkened_by_what_its_own_kernel_said():
    printed = notebook({"image/png": {"keep_colors": []}})
    app: Any = SimpleNamespace(dlbook_results={"a": SimpleNamespace(notebook=printed)})
    image = IMAGE.format(name=name_of(0))
    bodies = {}
    for name in ("a", "b"):
        context = {"body": image}
        darken(app, name, "page.html", context, None)
        bodies[name] = context["body"]
    assert 'class="darkens"' in bodies["a"]
    assert bodies["b"] == image
    darken(app, "a", "search.html", nothing := {}, None)
    assert nothing == {}


PROJECT = """
import sys
sys.path[:0] = {folders!r}
extensions = ["myst_nb", "website.figures", "website.execution", "website.darkening", "website.lightening"]
root_doc, html_theme, nb_execution_mode = "index", "basic", "cache"
nb_execution_cache_path = {cache!r}
html_show_sourcelink = False  # which another theme, if one was used in this process, marks with an icon
"""
CELL = """
---
mystnb:
  image: {alt: Two axes.}
---
import matplotlib.pyplot as plt
from dlbook.plotting import use_style
use_style()
_, (left, right) = plt.subplots(1, 2)
left.imshow([[0, 1]])
right.plot([0, 1]);
"""


def test_what_a_kernel_draws_is_on_the_page_with_its_picture_over_it(tmp_path: Path):
    root = Path(__file__).parent.parent.parent
    conf = PROJECT.format(folders=[str(root), str(root / "book" / "_ext")], cache=str(tmp_path / "cache"))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "conf.py").write_text(conf)
    page(tmp_path / "src", "index", CELL)
    with patch_docutils(), docutils_namespace():
        out = tmp_path / "html"
        app = Sphinx(
            str(tmp_path / "src"), str(tmp_path / "src"), str(out), str(tmp_path / "trees"), "html", status=None
        )
        app.build()
    html = (out / "index.html").read_text("utf8")
    under, over = re.findall(r"<img [^>]*>", html)
    assert re.search(r'class="darkens" alt="Two axes\." src="_images/\w+\.(?:webp|png)"', under)
    assert re.search(r'class="keeps" alt="" src="_images/\w+\.(?:webp|png)" style="clip-path: inset\(', over)
    assert html.count('id="dark-paper"') == 1
