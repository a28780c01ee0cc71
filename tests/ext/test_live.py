"""A live figure on a page: the still is in it, its data lie beside it, and what does not fit is an error."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dlbook import glue
from dlbook.live import live
from website.live import MODULES, folder_name, outdated, publish

FIGURE = "```{figure} a.png\n:name: fig-a\n:alt: A grey square\n\n**Grey.** A square.\n```\n"
LIVE = "```{live} kit\n:figure: fig-a\n:label: A square that answers\n:height: 20rem 30.5rem\n```\n"


def grey_square() -> bytes:
    file = io.BytesIO()
    Image.new("L", (2, 2), 128).save(file, "PNG")
    return file.getvalue()


SQUARE = {"a.png": grey_square()}


def test_the_picture_stands_in_the_live_figure_and_its_caption_below(build: Callable):
    built = build({"page": f"# Page\n\n{FIGURE}\nText, {{numref}}`fig-a`.\n\n{LIVE}"}, files=SQUARE)
    assert built.status == 0, built.log
    figure = re.search(r"<figure.*?</figure>", built.page("page"), re.S)[0]
    place = r'<div class="live" data-folder="live-[0-9a-f]{12}" data-label="A square that answers" data-live="kit" style="--wide: 20rem; --narrow: 30.5rem">'
    assert re.search(place + r'\s*<div class="live-still">\s*<img alt="A grey square"[^>]*>\s*</div></div>', figure)
    assert re.search(r"</div></div>\s*<figcaption>.*Fig. 1 .*Grey\.", figure, re.S)
    assert built.page("page").count("data-live") == 1
    assert ">Fig. 1<" in built.page("page")


def test_an_address_is_handed_on(build: Callable):
    built = build(
        {"page": f"# Page\n\n{FIGURE}\n{LIVE.replace(':label:', ':address: a=1&b=2' + chr(10) + ':label:')}"},
        files=SQUARE,
    )
    assert built.status == 0, built.log
    assert '<div class="live" data-address="a=1&amp;b=2" data-folder=' in built.page("page")


def test_the_modules_lie_together_in_a_folder_that_the_page_names(build: Callable):
    built = build({"page": f"# Page\n\n{FIGURE}\n{LIVE}"}, files=SQUARE)
    folder = built.folder / "_static" / re.search(r'data-folder="([^"]*)"', built.page("page"))[1]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        path.name: path.read_bytes() for path in MODULES.iterdir()
    }


def test_another_byte_another_name_or_another_file_is_another_folder(tmp_path: Path):
    names = []
    for files in ({"a.js": "1"}, {"a.js": "2"}, {"b.js": "2"}, {"b.js": "2", "c.js": ""}, {"b.js": "2"}):
        for path in tmp_path.iterdir():
            path.unlink()
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        names.append(folder_name(tmp_path))
    assert names[4] == names[2]
    assert len(set(names)) == 4


def test_a_later_build_leaves_no_folder_of_an_earlier_one_and_reads_the_pages_that_name_it(tmp_path: Path):
    app = SimpleNamespace(outdir=tmp_path, builder=SimpleNamespace(name="html"))
    static = tmp_path / "_static"
    for name in ("live", "live-000000000000"):
        (static / name).mkdir(parents=True)
    (static / "live.css").write_text("")
    publish(app, None)
    assert {path.name for path in static.iterdir()} == {"live.css", folder_name()}
    pages = {"a": {"live": "kit"}, "b": {}, "gone": {"live": "kit"}}
    env = SimpleNamespace(metadata=pages, live_folder="live-000000000000")
    assert outdated(app, env, set(), set(), {"gone"}) == ["a"]
    assert outdated(app, env, set(), set(), {"gone"}) == []


def test_the_whole_caption_stays_below(build: Callable):
    built = build(
        {"page": f"# Page\n\n{FIGURE.replace('A square.', 'A square.' + chr(10) * 2 + 'More of it.')}\n{LIVE}"},
        files=SQUARE,
    )
    assert re.search(r"</div></div>\s*<figcaption>.*More of it\.", built.page("page"), re.S)


def test_the_single_page_shows_the_still_alone(build: Callable):
    built = build({"page": f"# Page\n\n{FIGURE}\n{LIVE}"}, files=SQUARE, builder="singlehtml")
    assert built.status == 0, built.log
    page = built.page("index")
    assert '<img alt="A grey square"' in page
    assert "data-live" not in page


def test_what_stands_in_the_directive_is_a_still_too(build: Callable):
    text = "# Page\n\n````{live} kit\n:label: A line\n\n```{raw} html\n<svg id='still'></svg>\n```\n````\n"
    built = build({"page": text})
    assert built.status == 0, built.log
    assert re.search(
        r'data-live="kit">\s*<div class="live-still">\s*<svg id=\'still\'></svg>\s*</div></div>', built.page("page")
    )


def notebook(*cells: str, outputs: list | None = None) -> bytes:
    """Return a notebook of Markdown cells, the last of which is code with outputs."""
    markdown = [{"cell_type": "markdown", "metadata": {}, "source": text} for text in cells]
    code = {"cell_type": "code", "metadata": {}, "source": "1", "execution_count": 1, "outputs": outputs or []}
    book = {"cells": [*markdown, code], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    return json.dumps(book).encode()


@pytest.fixture
def outputs(monkeypatch: pytest.MonkeyPatch) -> list:
    """Collect what cells would display."""
    shown: list = []

    def display(data: dict, raw: bool, metadata: dict) -> None:
        shown.append({"output_type": "display_data", "data": data, "metadata": metadata})

    monkeypatch.setattr(glue, "get_ipython", lambda: object())
    monkeypatch.setattr(glue, "display", display)
    return shown


def with_notebook(build: Callable, *cells: str, outputs: list) -> object:
    files = {**SQUARE, "data.ipynb": notebook("# Data", *cells, outputs=outputs)}
    return build({"index": "# Index\n\n```{toctree}\ndata\n```\n"}, files=files)


def test_what_a_cell_exports_lies_in_a_file_of_its_own_and_not_on_the_page(build: Callable, outputs: list):
    glue.glue("kit-number", "1 %")
    live("kit", weights={"w": np.array([[1.0, -2.0]])}, labels=["one"])
    built = with_notebook(build, FIGURE, LIVE, outputs=outputs)
    assert built.status == 0, built.log
    name = re.search(r'data-file="(kit-[0-9a-f]{12}\.json)"', built.page("data"))[1]
    data = json.loads((next((built.folder / "_static").glob("live-*/")) / name).read_text())
    assert data == {
        "weights": {"w": {"shape": [1, 2], "f32": "AACAPwAAAMA="}},
        "labels": ["one"],
    }  # 0x3f800000, 0xc0000000
    assert "AACAPw" not in built.page("data")


def test_data_that_nobody_shows_are_an_error(build: Callable, outputs: list):
    live("kit", x=1)
    built = with_notebook(build, FIGURE, outputs=outputs)
    assert "ERROR: live kit: a cell exports its data, and no directive shows it" in built.log
    assert built.status != 0


def test_data_and_an_address_are_an_error(build: Callable, outputs: list):
    live("kit", x=1)
    built = with_notebook(build, FIGURE, LIVE.replace(":label:", ":address: a=1\n:label:"), outputs=outputs)
    assert "ERROR: live kit: it has data or an address, not both" in built.log
    assert built.status != 0


def test_data_that_are_exported_twice_are_a_warning(build: Callable, outputs: list):
    live("kit", x=1)
    live("kit", x=2)
    built = with_notebook(build, FIGURE, LIVE, outputs=outputs)
    assert "WARNING: glue key 'live kit' duplicate" in built.log


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (LIVE.replace("live} kit", "live} nothing"), "there is no module nothing.js in book/_assets/live"),
        (LIVE.replace("fig-a", "fig-b"), "live kit: there is no figure fig-b on this page"),
        (LIVE + LIVE, "live kit: it stands twice on this page"),
        (LIVE.replace(":label: A square that answers\n", ""), "live kit: it needs a `label`"),
        (LIVE.replace(":figure: fig-a\n", ""), "live kit: its still is either a `figure` of this page or its"),
        (LIVE.replace("30.5rem\n", "30.5rem\n\nToo much.\n"), "live kit: its still is either a `figure`"),
        (LIVE.replace("30.5rem", "3.0.5rem"), "a height is one or two lengths in rem"),
        (LIVE.replace("30.5rem", "30px"), "a height is one or two lengths in rem"),
        (LIVE.replace("30.5rem", "30rem 40rem"), "a height is one or two lengths in rem"),
    ],
)
def test_what_does_not_fit_together_is_an_error(build: Callable, text: str, said: str):
    built = build({"page": f"# Page\n\n{FIGURE}\n{text}"}, files=SQUARE)
    assert said in built.log
