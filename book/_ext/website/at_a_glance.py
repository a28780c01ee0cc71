"""The directive ``{at-a-glance}``: what a chapter gives, what it needs, and how long it takes.

The author writes three lines; the times are not typed but computed from the page as it is: reading from its words,
displayed equations and figures, running from the CPU seconds of its last recorded execution.
"""

import math
from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from dlbook.notebooks.claims import Claim, failed
from website.claim_list import results_of

LOGGER = logging.getLogger(__name__)
WORDS_A_MINUTE, SECONDS_AN_EQUATION, SECONDS_A_FIGURE = 200, 60, 10
KINDS = {"exercise": {"exercise_node", "exercise_enumerable_node"}, "solution": {"solution_node"}}  # of sphinx-exercise


class AtAGlance(SphinxDirective):
    """A list of what the author says, with an empty place for what is computed."""

    option_spec = dict.fromkeys(("will", "needs", "code"), directives.unchanged_required)

    def run(self) -> list[nodes.Node]:
        """Return the list."""
        for name in ("will", "needs"):
            if name not in self.options:
                raise self.error(f"at-a-glance needs the option :{name}:")
        rows = nodes.definition_list(classes=["at-a-glance"])
        rows += self.row("You will", self.parse(self.options["will"]))
        rows += self.row("Needs", self.parse(self.options["needs"]), "needs")
        if "code" in self.options:
            rows += self.row("Code", self.modules(self.options["code"]))
        rows += self.row("Time", [nodes.inline(classes=["at-a-glance-times"])])
        return [rows]

    def row(self, term: str, children: list[nodes.Node], *classes: str) -> nodes.Node:
        """Return one entry of the list; from what stands in the one of class ``needs``, ``prerequisites`` collects."""
        definition = nodes.definition("", nodes.paragraph("", "", *children), classes=list(classes))
        return nodes.definition_list_item("", nodes.term("", term), definition)

    def parse(self, text: str) -> list[nodes.Node]:
        """Return the inline content of one paragraph of Markdown."""
        holder = nodes.Element()
        holder.document = self.state.document
        self.state.nested_parse(StringList(text.splitlines(), source=""), self.content_offset, holder)
        return [inline for block in holder.children for inline in block.children]

    def modules(self, text: str) -> list[nodes.Node]:
        """Return links to the API page for a list of modules, separated by commas or spaces; without one, Markdown."""
        names = text.replace(",", " ").replace("`", " ").split()
        if not all(name.replace(".", "").isidentifier() and name.startswith("dlbook.") for name in names):
            return self.parse(text)
        links: list[nodes.Node] = []
        for name in names:
            link = addnodes.pending_xref("", refdomain="py", reftype="mod", reftarget=name, refdoc=self.env.docname)
            link += nodes.literal("", name, classes=["xref", "py", "py-mod"])
            self.set_source_info(link)
            links += [nodes.Text(", "), link] if links else [link]
        return links


def is_aside(node: nodes.Node) -> bool:
    """Tell whether a node is left out of the reading time: solutions, answers, code, references."""
    if not isinstance(node, nodes.Element):
        return False
    return node.tagname in {
        "solution_node",
        "quiz_answer",
        "literal_block",
        "bibliography",
        "comment",
        "raw",
        "math",
        "math_block",
    } or bool({"cell", "at-a-glance"} & set(node["classes"]))


def words(node: nodes.Node) -> Iterator[str]:
    """Yield the words that are read; a formula in the line counts as one."""
    if isinstance(node, nodes.math):
        yield "formula"
    elif isinstance(node, nodes.figure):  # in a cell, too, the caption is read
        yield from node.astext().split()
    elif isinstance(node, nodes.Text):
        yield from node.split()
    else:
        for child in node.children:
            if not is_aside(child) or isinstance(child, nodes.math):
                yield from words(child)
            elif "cell" in child.get("classes", []):
                for figure in child.findall(nodes.figure):
                    yield from words(figure)


def outside_solutions(document: nodes.document, kind: type[nodes.Element]) -> list[nodes.Element]:
    """Return the nodes of a kind that are not within a solution."""
    hidden = {
        id(inner)
        for solution in document.findall()
        if solution.__class__.__name__ == "solution_node"
        for inner in solution.findall(kind)
    }
    return [node for node in document.findall(kind) if id(node) not in hidden]


def reading_minutes(document: nodes.document) -> int:
    """Estimate the minutes that a reader takes, solutions, answers and code aside."""
    seconds = 60 * sum(1 for _ in words(document)) / WORDS_A_MINUTE
    seconds += SECONDS_AN_EQUATION * len(outside_solutions(document, nodes.math_block))
    seconds += SECONDS_A_FIGURE * len(outside_solutions(document, nodes.figure))
    return max(1, round(seconds / 60))


def count_exercises(document: nodes.document) -> int:
    """Return the number of exercises on a page."""
    return sum(1 for node in document.findall() if node.__class__.__name__ in KINDS["exercise"])


def count_unsolved(document: nodes.document) -> int:
    """Return the number of exercises on a page that no solution on it names."""
    kinds = {name: [n for n in document.findall() if n.__class__.__name__ in names] for name, names in KINDS.items()}
    solved = {node.get("target_label") for node in kinds["solution"]}
    return sum(node.get("label") not in solved for node in kinds["exercise"])


def claims_in_words(claims: list[Claim]) -> str:
    """Say how many claims a page makes, and how they fared: "12 claims, all held in this build"."""
    lost = len(failed(claims))
    noun = "claim" if len(claims) == 1 else "claims"
    fared = "all held" if not lost else f"{lost} did not hold"
    return f"{len(claims)} {noun}, {fared} in this build"


def exercises_in_words(exercises: int, unsolved: int) -> str:
    """Say how many exercises there are, and how many of them have a solution.

    >>> exercises_in_words(6, 0), exercises_in_words(6, 1)
    ('6 exercises, solved', '6 exercises, 5 solved')
    """
    solved = f"{exercises - unsolved} " if unsolved else ""
    return f"{exercises} exercise{'s' * (exercises > 1)}, {solved}solved"


def in_words(seconds: float) -> str:
    """Round a time, always up: "35 s", "2 min"; the last digits would differ with every run."""
    return f"{max(5, 5 * math.ceil(seconds / 5))} s" if seconds <= 90 else f"{math.ceil(seconds / 60)} min"


def fill_in(app: Sphinx, document: nodes.document) -> None:
    """Write the computed times into the page's list."""
    for place in document.findall(
        lambda node: isinstance(node, nodes.inline) and "at-a-glance-times" in node["classes"]
    ):
        minutes = reading_minutes(document)
        app.env.metadata[app.env.docname]["reading_minutes"] = minutes  # the landing page tells it too
        parts = [f"{minutes} min to read"]
        result = results_of(app).get(app.env.docname)
        if result:
            parts.append(f"{in_words(result.cpu_seconds)} to run on one core")
        exercises, unsolved = count_exercises(document), count_unsolved(document)
        app.env.metadata[app.env.docname].update(exercises=exercises, unsolved=unsolved)
        if exercises:
            parts.append(exercises_in_words(exercises, unsolved))
        place += nodes.Text(" · ".join(parts))
        if result and result.claims:
            link = addnodes.pending_xref(
                "", nodes.inline("", claims_in_words(result.claims)), refdomain="std", reftype="ref", refexplicit=True,
                reftarget="claims", refdoc=app.env.docname,
            )  # fmt: skip
            place += [nodes.Text(" · "), link]


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("at-a-glance", AtAGlance)
    app.connect("doctree-read", fill_in)
