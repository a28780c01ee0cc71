r"""The directive ``{live}``: a figure that answers back, over a picture for paper and for browsers without scripts.

In a chapter, below the figure that it brings to life::

    ```{live} gradient-descent
    :figure: fig-gradient-rates
    :label: Gradient descent on a quadratic, with a learning rate of your choice
    :height: 36rem 42rem
    ```

``gradient-descent`` is the module ``book/_assets/live/gradient-descent.js``, which no page loads before the figure
comes near the window (``book/_assets/live.js`` sees to that). It exports ``mount(root, data)``, which fills the empty
element ``root``, and the functions that compute, which tests compare with ``dlbook``; what all figures need, sliders
with labels, sentences that are read aloud, colors of the page, is in ``book/_assets/live/kit.js``.

``figure`` names a figure of this page, whose picture the drawing replaces while its number and caption stay. Without
it the directive has content, an inline drawing or a picture, which stands until the live one comes. ``label`` is the
name that screen readers read. ``height`` is the room that the live figure needs, on a wide window and, if a second one
is given, on a phone (below 600 px): it is kept free from the beginning, so that nothing moves when the drawing arrives,
and a picture that is higher waits in it, smaller. ``address`` is for the Playground: the setting to begin with, as in
its page's address.

Arrays come from a cell of the page (in a cell tagged ``remove-cell``)::

    from dlbook.live import live
    live("lenet", weights=model.state_dict(), labels=list("0123456789"), half=True)

They are written to a file of their own beside the modules, and ``data`` has the keywords as its keys; an array has
``shape`` and ``values``, a typed array. What does not fit together is an error of the build: a module that does not
exist, a figure that is not on the page, data without a figure, one module twice on a page.

Modules import each other, so a browser that kept some of an earlier release must not meet others of a later one: the
site has all of them, with the data, in ``_static/live-0123456789ab/``, a folder named by what is in the modules.
"""

import ast
import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

MODULES = Path(__file__).parent.parent.parent / "_assets" / "live"
LOGGER = logging.getLogger(__name__)


class live(nodes.General, nodes.Element):  # noqa: N801  (docutils names a visitor after its node's class)
    """The still of a live figure, with its options, and ``docname``, where its data are."""


def heights(argument: str | None) -> list[str]:
    """Read one or two lengths.

    >>> heights("36rem 42rem"), heights("30rem")
    (['36rem', '42rem'], ['30rem', '30rem'])
    """
    found = (argument or "").split()
    if not 1 <= len(found) <= 2 or not all(re.fullmatch(r"\d+(\.\d+)?rem", length) for length in found):
        raise ValueError("a height is one or two lengths in rem, of a wide window and of a phone: 36rem 42rem")
    return [found[0], found[-1]]


class LiveDirective(SphinxDirective):
    """Stand for the still, which may come from a figure elsewhere on the page."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "figure": directives.unchanged_required,
        "label": directives.unchanged_required,
        "height": heights,
        "address": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        """Return the still, or a mark that :func:`enliven` moves to its figure."""
        name, label = self.arguments[0], self.options.get("label", "")
        figure = self.options.get("figure")
        if not (MODULES / f"{name}.js").exists():
            raise self.error(f"live: there is no module {name}.js in book/_assets/live")
        if not label:
            raise self.error(f"live {name}: it needs a `label`, the name that screen readers read")
        if bool(figure) == bool(self.content):
            raise self.error(f"live {name}: its still is either a `figure` of this page or its content")
        node = live("", name=name, label=label, heights=self.options.get("height"), docname=self.env.docname)
        node["address"] = self.options.get("address")
        self.set_source_info(node)
        if figure:
            node["figure"] = figure
        else:
            node += self.parse_content_to_nodes()
        return [node]


def exported(app: Sphinx, docname: str) -> dict[str, str]:
    """Return what the cells of a page gave to :func:`dlbook.live.live`, as JSON, by the names of the figures."""
    if not getattr(app.env, "nb_metadata", {}).get(docname, {}).get("glue"):
        return {}  # nothing at the last reading; the file of an older one may still lie there
    path = Path(app.outdir).parent / "jupyter_execute" / f"{docname}.glue.json"  # as myst-nb writes it
    records = json.loads(path.read_text("utf8")).values()
    marked = ((record["metadata"]["scrapbook"], record["data"]) for record in records)
    return {mark["live"]: ast.literal_eval(data["text/plain"]) for mark, data in marked if "live" in mark}


def enliven(app: Sphinx, document: nodes.document) -> None:
    """Put each live figure around its still, and refuse what does not fit together."""
    docname, seen, data = app.env.docname, set[str](), exported(app, app.env.docname)
    for node in list(document.findall(live)):
        if node["name"] in seen:
            fail(app, docname, node, f"live {node['name']}: it stands twice on this page")
        if node["address"] and node["name"] in data:
            fail(app, docname, node, f"live {node['name']}: it has data or an address, not both")
        seen.add(node["name"])
        if "figure" in node:
            move(app, docname, document, node)
    if seen:
        app.env.metadata[docname]["live"] = ", ".join(sorted(seen))
    for name in sorted(set(data) - seen):
        fail(app, docname, document, f"live {name}: a cell exports its data, and no directive shows it")


def move(app: Sphinx, docname: str, document: nodes.document, node: live) -> None:
    """Put a live figure into the figure that it names, around all but the caption."""
    node.parent.remove(node)
    named = [figure for figure in document.findall(nodes.figure) if node["figure"] in figure["ids"] + figure["names"]]
    if not named:
        fail(app, docname, node, f"live {node['name']}: there is no figure {node['figure']} on this page")
        return
    figure = named[0]
    still = [child for child in figure.children if not isinstance(child, nodes.caption | nodes.legend)]
    for child in still:
        figure.remove(child)
    node += still
    figure.insert(0, node)


def fail(app: Sphinx, docname: str, node: nodes.Node, message: str) -> None:
    """Say what is wrong, and let the build end with an error, with or without -W."""
    LOGGER.error(message, location=(docname, node.line), type="live")
    app.statuscode = 1


def folder_name(modules: Path = MODULES) -> str:
    """Return the name of the folder of the site's modules, which is another when any of them is."""
    digest = hashlib.sha256()
    for path in sorted(modules.iterdir()):
        digest.update(b"%s %d\n" % (path.name.encode(), path.stat().st_size) + path.read_bytes())
    return f"live-{digest.hexdigest()[:12]}"


def outdated(app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Return the pages that name a folder which is no more, to be read again: `make watch` keeps what it can."""
    before, env.live_folder = getattr(env, "live_folder", None), folder_name()  # type: ignore[attr-defined]
    if before == folder_name():
        return []
    return [page for page, metadata in env.metadata.items() if "live" in metadata and page not in removed]


def publish(app: Sphinx, exception: Exception | None) -> None:
    """Lay the modules beside the data, and take away Sphinx's copy of them and what an earlier build named."""
    if exception is None and app.builder.name == "html":
        static, name = Path(app.outdir) / "_static", folder_name()
        shutil.copytree(MODULES, static / name, dirs_exist_ok=True)
        for other in static.glob("live*/"):
            if other.is_dir() and other.name != name:
                shutil.rmtree(other)


def write_data(folder: Path, name: str, data: str) -> str:
    """Write the data of a figure to a file named by its content, and return that name."""
    file = f"{name}-{hashlib.sha256(data.encode()).hexdigest()[:12]}.json"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(data, "utf8")
    return file


def visit_live(self: Any, node: live) -> None:
    """Open the place, and say what belongs there."""
    app = self.builder.app
    attributes = {"data-live": node["name"], "data-label": node["label"], "data-folder": folder_name()}
    data = exported(app, node["docname"]).get(node["name"])
    if data is not None:
        place = Path(app.outdir) / "_static" / attributes["data-folder"]
        attributes["data-file"] = write_data(place, node["name"], data)
    if node["address"]:
        attributes["data-address"] = node["address"]
    if node["heights"]:
        attributes["style"] = "--wide: {}; --narrow: {}".format(*node["heights"])
    self.body.append(self.starttag(node, "div", CLASS="live", **attributes) + '<div class="live-still">\n')


def depart_live(self: Any, node: live) -> None:
    """Close it."""
    self.body.append("</div></div>\n")


def pass_over(self: Any, node: live) -> None:
    """Show the still alone, where nothing answers."""


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("live", LiveDirective)
    still = (pass_over, pass_over)
    app.add_node(live, html=(visit_live, depart_live), singlehtml=still, latex=still, text=still)
    app.connect("env-get-outdated", outdated)
    app.connect("doctree-read", enliven)
    app.connect("build-finished", publish)
