"""Give every figure its size on the page, and insist that it says in words what is seen.

A figure is drawn at 200 pixels an inch and shown at 100 CSS pixels an inch, so its letters have the same size on every
page; the numbers also keep the page from jumping while images load.
"""

import struct
from pathlib import Path, PurePosixPath

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

PIXELS_AN_INCH = 200
LOGGER = logging.getLogger(__name__)


def png_dimensions(head: bytes) -> tuple[int, int]:
    """Return width and height of a PNG, which stand in its bytes 16 to 24.

    Raises
    ------
    ValueError
        If the bytes begin no PNG.
    """
    if head[:8] != b"\x89PNG\r\n\x1a\n" or len(head) < 24:
        raise ValueError("no PNG")
    width, height = struct.unpack(">II", head[16:24])
    return width, height


class Drawing(SphinxDirective):
    """A figure whose picture is written into the page, as SVG in ``{raw} html``; the last paragraph is its caption.

    Its option ``name`` is its label: it is numbered and referred to as every other figure.
    """

    option_spec = {"name": directives.unchanged_required, "class": directives.class_option}  # noqa: RUF012  (docutils reads a plain dictionary)
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the figure."""
        if "name" not in self.options:
            raise self.error("drawing: it needs its label, the option `name`")
        name = self.options["name"]
        figure = nodes.figure(classes=self.options.get("class", []), names=[name])
        self.state.nested_parse(self.content, self.content_offset, figure)
        if not figure.children or not isinstance(figure.children[-1], nodes.paragraph):
            raise self.error(f"drawing {name}: it ends with a paragraph, its caption")
        if len(figure.children) == 1:
            raise self.error(f"drawing {name}: nothing is drawn before its caption")
        figure[-1] = nodes.caption("", "", *figure.children[-1].children)
        self.set_source_info(figure)
        self.state.document.note_explicit_target(figure, figure)
        return [figure]


def png_size(path: Path) -> tuple[int, int]:
    """Return width and height of a PNG file.

    Raises
    ------
    ValueError
        If the file is no PNG.
    """
    with path.open("rb") as file:
        head = file.read(24)
    try:
        return png_dimensions(head)
    except ValueError as error:
        raise ValueError(f"{path} is no PNG file") from error


def set_sizes(app: Sphinx, document: nodes.document) -> None:
    """Write the size in CSS pixels into every PNG that a cell drew."""
    for output in document.findall(
        lambda node: "cell_output" in (node.get("classes", []) if isinstance(node, nodes.Element) else [])
    ):
        for image in output.findall(nodes.image):
            path = Path(app.srcdir) / image["uri"]
            if path.suffix == ".png" and path.exists() and "width" not in image:
                width, height = png_size(path)
                image["width"], image["height"] = (
                    f"{round(side * 100 / PIXELS_AN_INCH)}px" for side in (width, height)
                )


def check_alternatives(document: nodes.document, docname: str) -> None:
    """Warn of each image without a text for those who do not see it, or with its own file name as that text."""
    for image in document.findall(nodes.image):
        alternative = image.get("alt", "").strip()
        names = {image["uri"], PurePosixPath(image["uri"]).name, PurePosixPath(image["uri"]).stem}
        if not alternative or alternative in names:
            LOGGER.warning(
                "a figure has no alt text (in a cell: `mystnb: {image: {alt: ...}}`): %s",
                alternative or PurePosixPath(image["uri"]).name,
                location=(docname, line_of(image)),
                type="figures",
                subtype="alt",
            )


def line_of(node: nodes.Node | None) -> int | None:
    """Return the line of a node, or of the innermost one around it that knows its line."""
    while node is not None and not node.line:
        node = node.parent
    return node.line if node is not None else None


def look_at_images(app: Sphinx, document: nodes.document) -> None:
    """Size and check the images of a page."""
    set_sizes(app, document)
    check_alternatives(document, app.env.docname)


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("drawing", Drawing)
    app.connect("doctree-read", look_at_images)
