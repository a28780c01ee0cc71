"""The directive ``{run-times}``: CPU seconds and memory of every chapter against its budget, as last executed."""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from website.claim_list import results_of

BUDGET = 60.0  # CPU seconds a chapter


class RunTimes(SphinxDirective):
    """A table with a row a chapter, the sum, and the slowest cell of each."""

    def run(self) -> list[nodes.Node]:
        """Return the table; the page is read again in every build, for the numbers are not in its source."""
        self.env.note_reread()
        results = results_of(self.env.app)
        rows = [
            "| chapter | CPU seconds | of its budget | slowest cell, seconds | peak memory, MB |",
            "|:--|--:|--:|--:|--:|",
        ]
        for docname, result in results.items():
            slowest = max((seconds for _, seconds in result.cells), default=0.0)
            share = f"{result.cpu_seconds / BUDGET:.0%}"
            rows.append(
                f"| {{doc}}`/{docname}` | {result.cpu_seconds:.1f} | {share} | {slowest:.1f} | {result.peak_mb:.0f} |"
            )
        total = sum(result.cpu_seconds for result in results.values())
        rows.append(f"| **all {len(results)}** | **{total:.1f}** | | | |")
        container = nodes.container(classes=["run-times"])
        self.state.nested_parse(StringList(rows, "run-times"), self.content_offset, container)
        return [container]


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("run-times", RunTimes)
