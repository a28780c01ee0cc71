import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from docutils import nodes
from sphinx.util.docutils import new_document

from website.figures import png_size, set_sizes


def png(width: int, height: int) -> bytes:
    """Write a grey PNG by hand."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_reads_the_size_of_a_png_and_refuses_another_file(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(37, 11))
    assert png_size(tmp_path / "a.png") == (37, 11)
    (tmp_path / "b.png").write_bytes(b"GIF89a" + bytes(30))
    with pytest.raises(ValueError, match=r"b\.png is no PNG"):
        png_size(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(png(1, 1)[:20])
    with pytest.raises(ValueError, match="no PNG"):
        png_size(tmp_path / "c.png")


def test_a_figure_of_a_cell_takes_half_its_pixels_on_the_page(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(png(1080, 640))
    document = new_document("page")
    drawn, given = nodes.image(uri="a.png"), nodes.image(uri="a.png")
    document += nodes.container("", drawn, classes=["cell_output"])
    document += given
    app = type("App", (), {"srcdir": str(tmp_path)})
    set_sizes(app, document)  # type: ignore[arg-type]
    assert (drawn["width"], drawn["height"]) == ("540px", "320px")
    assert "width" not in given, "an image that no cell drew keeps its own size"


def test_an_image_without_words_is_a_warning_with_its_line(build: Callable):
    images = {
        "empty": "![](a.png)",
        "name": "![a.png](a.png)",
        "stem": "![a](a.png)",
        "good": "![A grey square](a.png)",
    }
    built = build({name: f"# Page\n\n{text}\n" for name, text in images.items()}, files={"a.png": png(2, 2)})
    for name in ("empty", "name", "stem"):
        assert f"{name}.md:3: WARNING: a figure has no alt text" in built.log, built.log
    assert built.log.count("WARNING") == 3
    assert 'alt="A grey square"' in built.page("good")


DRAWING = """# Page

:::{drawing}
:name: fig-sketch
:class: diagram

```{raw} html
<svg viewBox="0 0 1 1"><path d="M0 0h1"/></svg>
```

**It is a line.** One unit *long*.
:::

See {numref}`fig-sketch`.
"""


def test_a_drawing_has_number_label_and_caption_as_other_figures(build: Callable):
    built = build({"page": DRAWING})
    assert built.status == 0, built.log
    page = built.page("page")
    assert re.search(r'<figure class="[^"]*diagram[^"]*" id="fig-sketch">\s*<svg', page), page
    caption = re.search(r"<figcaption>(.*?)</figcaption>", page, re.S)
    assert caption is not None
    assert "<strong>It is a line.</strong> One unit <em>long</em>." in caption[1]
    assert re.search(r'caption-number">Fig. \d+ ', caption[1])
    assert re.search(r'href="#fig-sketch"><span class="std std-numref">Fig. \d+<', page)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        (r":name: fig-sketch\n", "page.md:3: ERROR: drawing: it needs its label, the option `name`"),
        (r"\*\*It is.*\n", "page.md:3: ERROR: drawing fig-sketch: it ends with a paragraph, its caption"),
        (r"```(?s:.*)```\n", "page.md:3: ERROR: drawing fig-sketch: nothing is drawn before its caption"),
    ],
)
def test_a_drawing_that_is_not_whole_is_named(build: Callable, part: str, said: str):
    built = build({"page": re.sub(part, "", DRAWING.replace("See {numref}`fig-sketch`.", ""))})
    assert said in built.log
