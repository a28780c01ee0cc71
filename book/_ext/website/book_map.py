"""The directives ``{book-map}``, the chapters and what they need as a drawing, and ``{book-list}``, the same in words.

The drawing is SVG that stands in the page: a row or two of boxes for each part, arrows from what is needed.  Boxes are
links in reading order; style rules in the drawing, not a script, make the arrows of the one under the pointer or with
the focus stand out.  An arrow that others imply (from A to C, where A leads to B and B to C) is drawn only then.
"""

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from website.parts import LIST, Part, link, read_parts, written
from website.prerequisites import followers, needs

COLUMNS, WIDTH, HEIGHT = 4, 176, 46  # boxes in a row, and their sides in pixels of the screen
GUTTER, GAP, TITLE = 28, 34, 30  # between columns, between rows, and above a part for its title
RADIUS, LANE = 6, 3  # of the bends of arrows, and between arrows side by side
LETTERS = 20  # in a line of a box

Point = tuple[float, float]


class book_map(nodes.General, nodes.Element):  # noqa: N801
    """A place for the drawing or the list, filled when all pages have been read; ``drawn`` tells which."""


class BookMap(SphinxDirective):
    """Leave a place for the drawing, or for the list."""

    def run(self) -> list[nodes.Node]:
        """Return the place; the page is read again in every build, for what it shows is not in its source."""
        self.env.note_reread()
        self.env.note_dependency(str(LIST))
        return [book_map(drawn=self.name == "book-map")]


class Box(NamedTuple):
    """A chapter's place in the drawing."""

    number: int  # in reading order
    row: int
    column: int
    x: int
    y: int  # of the upper left corner

    @property
    def middle(self) -> float:
        """Where arrows leave and arrive."""
        return self.x + WIDTH / 2


def layout(parts: Sequence[Part]) -> tuple[dict[str, Box], dict[str, int], int]:
    """Return the boxes by page, the heights at which the parts' titles stand, and the height of all.

    >>> boxes, titles, height = layout([Part("a", "A", "", {"one": "1", "two": "2"})])
    >>> boxes["book/a/two"]
    Box(number=1, row=0, column=1, x=232, y=30)
    """
    boxes: dict[str, Box] = {}
    titles = {}
    row, top = 0, 0
    for part in parts:
        titles[part.name] = top + TITLE - 12
        top += TITLE
        for place, name in enumerate(part.chapters):
            if place and place % COLUMNS == 0:
                row, top = row + 1, top + HEIGHT + GAP
            column = place % COLUMNS
            x = GUTTER + column * (WIDTH + GUTTER)
            boxes[f"book/{part.name}/{name}"] = Box(len(boxes), row, column, x, top)
        row, top = row + 1, top + HEIGHT + GAP
    return boxes, titles, top


def route(start: Box, end: Box) -> list[Point]:
    """Return the corners of an arrow: out of the lower side, down between columns, into the upper side."""
    lane = (start.number % 5 - 2) * LANE
    over = end.y - GAP / 2 + lane
    if start.row == end.row:
        if abs(start.column - end.column) == 1:
            right = start.column < end.column
            xs = (start.x + WIDTH, end.x) if right else (start.x, end.x + WIDTH)
            return [(x, start.y + HEIGHT / 2) for x in xs]
        return [(start.middle + lane, start.y), (start.middle + lane, over), (end.middle, over), (end.middle, end.y)]
    under = start.y + HEIGHT + GAP / 2 + lane
    leave, arrive = (start.middle + lane, start.y + HEIGHT), (end.middle, end.y)
    if end.row == start.row + 1:
        return [leave, (leave[0], over), (end.middle, over), arrive]
    gutters = [GUTTER / 2 + column * (WIDTH + GUTTER) for column in range(COLUMNS + 1)]
    nearest = min(gutters, key=lambda x: abs(start.middle - x) + abs(end.middle - x)) + lane
    return [leave, (leave[0], under), (nearest, under), (nearest, over), (end.middle, over), arrive]


def drawn(corners: Sequence[Point]) -> str:
    """Return a line with round corners and a head, as the path of an SVG.

    >>> drawn([(0, 0), (40, 0)])
    'M0,0 L40,0 M35,-4 L40,0 L35,4'
    """
    words = [f"M{corners[0][0]:g},{corners[0][1]:g}"]
    for before, at, after in zip(corners, corners[1:], corners[2:], strict=False):
        words.append("L{:g},{:g}".format(*toward(at, before)))
        words.append("Q{:g},{:g} {:g},{:g}".format(*at, *toward(at, after)))
    (x, y), last = corners[-1], corners[-2]
    words.append(f"L{x:g},{y:g}")
    if last[1] == y:
        back = x - 5 if last[0] < x else x + 5
        words.append(f"M{back:g},{y - 4:g} L{x:g},{y:g} L{back:g},{y + 4:g}")
    else:
        words.append(f"M{x - 4:g},{y - 5:g} L{x:g},{y:g} L{x + 4:g},{y - 5:g}")
    return " ".join(words)


def toward(start: Point, end: Point) -> Point:
    """Return the point on the way from a corner at which its bend begins; half of a short way."""
    length = max(abs(end[0] - start[0]), abs(end[1] - start[1]))
    share = min(RADIUS, length / 2) / length if length else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def implied(needed: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Return the arrows, from what is needed, that a longer way makes superfluous.

    >>> implied({"a": [], "b": ["a"], "c": ["a", "b"]})
    {('a', 'c')}
    """

    def before(page: str, seen: set[str]) -> set[str]:
        for other in needed.get(page, ()):
            if other not in seen:
                seen.add(other)
                before(other, seen)
        return seen

    behind = {page: before(page, set()) for page in needed}
    return {
        (one, page)
        for page, direct in needed.items()
        for one in direct
        if any(one in behind.get(other, ()) for other in direct if other != one)
    }


def name_of(page: str) -> str:
    """Return the name by which the drawing knows a page.

    >>> name_of("book/convolution/lenet")
    'lenet'
    """
    return page.rpartition("/")[2]


def rules(needed: Mapping[str, Sequence[str]], led: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield the style rules that let the arrows of one chapter stand out, and what they lead from and to."""
    for page in needed:
        here = f".book-map:has(#map-{name_of(page)}:is(:hover,:focus-visible))"
        for way, others, color in (("to", needed[page], "positive"), ("from", led[page], "negative")):
            if others:
                ends = ",".join(f"#map-{name_of(other)} rect" for other in others)
                lines = f".{way}-{name_of(page)}"
                yield f"{here} :is({ends},{lines}){{stroke:var(--{color});stroke-width:2;opacity:1}}"


def picture(app: Sphinx, docname: str) -> str:
    """Return the drawing."""
    boxes, titles, height = layout(read_parts())
    needed, led = needs(app), followers(app)
    superfluous = implied(needed)
    width = GUTTER + COLUMNS * (WIDTH + GUTTER)
    arrows = [
        f'<path class="arrow from-{name_of(one)} to-{name_of(page)}{" implied" * ((one, page) in superfluous)}" '
        f'd="{drawn(route(boxes[one], boxes[page]))}"/>'
        for page, direct in needed.items()
        for one in direct
    ]
    groups = []
    for part in read_parts():
        groups.append(f'<text class="map-part" x="{GUTTER}" y="{titles[part.name]}">{html.escape(part.title)}</text>')
        for name, title in part.chapters.items():
            page = f"book/{part.name}/{name}"
            address = app.builder.get_relative_uri(docname, page) if page in needed else ""
            groups.append(drawn_box(name, title, boxes[page], address))
    return (
        '<div class="book-map-scroll" role="region" tabindex="0" aria-label="Map of the book">'
        f'<svg class="book-map" viewBox="0 0 {width} {height}" role="group" aria-label="Chapters, and what they need">'
        f"<style>{''.join(rules(needed, led))}</style>"
        f'<g aria-hidden="true">{"".join(arrows)}</g>{"".join(groups)}</svg></div>'
    )


def drawn_box(name: str, title: str, place: Box, address: str) -> str:
    """Return the box of one chapter; a link if it is written, and has an address."""
    lines = textwrap.wrap(title, LETTERS)
    first = place.y + HEIGHT / 2 + 5 - 8.5 * (len(lines) - 1)
    spans = "".join(
        f'<tspan x="{place.middle:g}" y="{first + 17 * n:g}">{html.escape(line)}{" " * (n < len(lines) - 1)}</tspan>'
        for n, line in enumerate(lines)
    )
    inside = f'<rect x="{place.x}" y="{place.y}" width="{WIDTH}" height="{HEIGHT}" rx="6"/><text>{spans}</text>'
    if not address:
        return f'<g class="map-planned">{inside}</g>'
    return f'<a id="map-{name}" href="{html.escape(address)}">{inside}</a>'


def listed(app: Sphinx, docname: str) -> nodes.bullet_list:
    """Return the parts, their chapters, and what each needs and leads to."""
    titles, needed, led = written(app), needs(app), followers(app)
    whole = nodes.bullet_list(classes=["book-list"])
    for part in read_parts():
        chapters = nodes.bullet_list()
        for name, title in part.chapters.items():
            page = f"book/{part.name}/{name}"
            if page not in titles:
                chapters += nodes.list_item("", nodes.paragraph("", f"{title} (planned)"))
                continue
            line = nodes.paragraph("", "", link(app, docname, page, title))
            for words, others in ((" needs ", needed[page]), (" leads to ", led[page])):
                if others:
                    line += nodes.Text(";" * (len(line.children) > 1) + words)
                for number, other in enumerate(others):
                    line += [nodes.Text(", ")] * (number > 0) + [link(app, docname, other, titles[other])]
            chapters += nodes.list_item("", line)
        whole += nodes.list_item("", nodes.paragraph("", part.title), chapters)
    return whole


def fill_in(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put the drawing and the list where the directives stand."""
    for place in list(document.findall(book_map)):
        if place["drawn"]:
            place.replace_self(nodes.raw("", picture(app, docname), format="html"))
        else:
            place.replace_self(listed(app, docname))


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_node(book_map)
    app.add_directive("book-map", BookMap)
    app.add_directive("book-list", BookMap)
    app.connect("doctree-resolved", fill_in)
