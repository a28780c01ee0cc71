"""Show figures on dark paper when the page is dark: one file, whose colors the browser maps, but for its pictures.

The map is a matrix on red, green and blue and then a curve that lifts all but the paper: white becomes the paper of the
dark page and ink its text, and the book's seven colors keep their hues and at least 3:1.  It mixes nearly as it is
mixed, so that soft edges of letters stay soft, and what is drawn half transparent stays so.  No figure is drawn, stored
or sent twice; all follow the reader's switch at once, and print as they were drawn.

Photographs, digits and heat maps must keep their colors.  Where they lie the kernel wrote beside the PNG (see
``dlbook._colors_kept``); there the page lays the same file over itself, cut to those boxes.  A figure of which nothing
is known, such as one that an author put there as a file, stays as it is.
"""

import re
from binascii import a2b_base64
from hashlib import sha256
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from docutils import nodes
from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx

from dlbook._colors_kept import KEY
from website.claim_list import results_of
from website.figures import png_dimensions

if TYPE_CHECKING:
    from nbformat import NotebookNode

# Found by a search over all matrices that send white to #121212 and greys to greys: the largest least difference of any
# two of the seven colors for readers of every color vision, 14 degrees of hue at most from where they were.
MATRIX = np.array([[0.554, -0.972, -0.402], [-0.215, -0.427, -0.178], [-0.256, -1.182, 0.618]])
SHIFT = 0.8906
TONES = (0, 0.125, 0.29, 0.42, 0.54, 0.7, 0.86, 0.93, 1)  # where 0, 1/8, ... and 1 come to lie: paper stays

Boxes = list[tuple[int, int, int, int]]
IMAGE = re.compile(r'<img (?P<rest>[^>]*?src="(?P<source>[^"]+)"[^>]*)>')
ALTERNATIVE = re.compile(r'\balt="[^"]*"')


def on_dark_paper(colors: ArrayLike) -> NDArray[np.float64]:
    """Return what the browser makes of colors (..., 3) in [0, 1].

    >>> (on_dark_paper([1, 1, 1]) * 255).round()
    array([18., 18., 18.])
    """
    mixed = (np.asarray(colors, dtype=float) @ MATRIX.T + SHIFT).clip(0, 1)
    return np.interp(mixed, np.linspace(0, 1, len(TONES)), TONES)


def filter_element() -> str:
    """Return the map as the element to which the stylesheet refers."""
    rows = " ".join(f"{r:.4g} {g:.4g} {b:.4g} 0 {SHIFT:.4g}" for r, g, b in MATRIX)
    tones = " ".join(f"{tone:g}" for tone in TONES)
    curves = "".join(f'<feFunc{channel} type="table" tableValues="{tones}"/>' for channel in "RGB")
    return (
        '<svg class="dark-paper" width="0" height="0" aria-hidden="true" focusable="false">'
        '<filter id="dark-paper" x="0" y="0" width="1" height="1" color-interpolation-filters="sRGB">'
        f'<feColorMatrix values="{rows} 0 0 0 1 0"/><feComponentTransfer>{curves}</feComponentTransfer></filter></svg>'
    )


def outline(boxes: Boxes, width: int, height: int) -> str:
    """Return boxes in pixels as a shape of CSS that grows and shrinks with the figure.

    >>> outline([(10, 5, 100, 50)], 200, 100)
    'inset(5% 50% 50% 5%)'
    """

    def percent(part: float, whole: float) -> str:
        return f"{100 * part / whole:.2f}".rstrip("0").rstrip(".") + "%"

    if len(boxes) == 1:
        ((left, top, right, bottom),) = boxes
        sides = ((top, height), (width - right, width), (height - bottom, height), (left, width))
        return f"inset({' '.join(percent(*side) for side in sides)})"
    points = []
    for left, top, right, bottom in boxes:  # one line around all: from the corner to each box, around it, and back
        around = ((left, top), (right, top), (right, bottom), (left, bottom), (left, top))
        points += [*(f"{percent(x, width)} {percent(y, height)}" for x, y in around), "0 0"]
    return f"polygon(0 0,{','.join(points)})"


def boxes_by_name(notebook: "NotebookNode") -> dict[str, tuple[Boxes, int, int]]:
    """Return boxes, width and height of the PNGs that a kernel printed, by the names of the files that they become.

    myst-nb names a file by the hash of what is in it.
    """
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get("image/png", {}).get(KEY)
            if kept is not None:
                data = a2b_base64(output["data"]["image/png"])
                found[sha256(data).hexdigest()] = [tuple(box) for box in kept], *png_dimensions(data)
    return found


def with_class(attributes: str, name: str) -> str:
    """Return the attributes of an element with one more class.

    >>> with_class('alt="A dot." class="wide"', "darkens")
    'alt="A dot." class="darkens wide"'
    """
    if 'class="' in attributes:
        return attributes.replace('class="', f'class="{name} ', 1)
    return f'class="{name}" {attributes}'


def darkened(body: str, known: dict[str, tuple[Boxes, int, int]]) -> str:
    """Mark the images of a page whose colors are mapped in the dark, and lay over each what keeps its colors."""
    marked = False

    def picture(image: re.Match[str]) -> str:
        nonlocal marked
        figure = known.get(PurePosixPath(image["source"]).stem)
        if figure is None:
            return image[0]
        marked = True
        under = f"<img {with_class(image['rest'], 'darkens')}>"
        boxes, width, height = figure
        if not boxes:
            return under
        silent = ALTERNATIVE.sub('alt=""', image["rest"])
        shape = f"clip-path: {outline(boxes, width, height)};"
        over = re.sub(r'style="', f'style="{shape} ', silent) if 'style="' in silent else f'style="{shape}" {silent}'
        # decoded before it is shown, or the picture would be inverted for a moment
        kept = f'<img loading="lazy" decoding="sync" aria-hidden="true" {with_class(over, "keeps")}>'
        return f'<span class="with-pictures">{under}{kept}</span>'

    body = IMAGE.sub(picture, body)
    return body + filter_element() if marked else body


def darken(app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None) -> None:
    """Prepare the figures of one page."""
    result = results_of(app).get(page)
    if result and result.notebook is not None and context.get("body"):
        context["body"] = darkened(context["body"], boxes_by_name(result.notebook))


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("html-page-context", darken)
