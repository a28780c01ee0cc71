"""The directive ``{sources}``: every step of the timeline with its primary source and the chapter that runs it.

The rows are those of :data:`dlbook.timeline.EVENTS`, so that drawing and table cannot disagree; a chapter that is not
yet written is named as planned.
"""

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from dlbook.timeline import EVENTS, Event
from website.parts import read_parts


class SourcesDirective(SphinxDirective):
    """A table written as Markdown, parsed with its citations and links."""

    def run(self) -> list[nodes.Node]:
        """Return the table."""
        titles = {f"{part.name}/{file}": title for part in read_parts() for file, title in part.chapters.items()}
        rows = [
            "| year | step | source | chapter |",
            "|---|---|---|---|",
            *(self.row(event, titles) for event in EVENTS),
        ]
        holder = nodes.container(classes=["wrap"])
        holder.document = self.state.document
        self.state.nested_parse(StringList(rows, source=""), self.content_offset, holder)
        return [holder]

    def row(self, event: Event, titles: dict[str, str]) -> str:
        """Return one line of the table."""
        sources = ", ".join(f"{{cite:t}}`{key}`" for key in event.sources)
        page = f"book/{event.chapter}"
        written = page in self.env.found_docs
        chapter = f"{{doc}}`/{page}`" if written else f"{titles[event.chapter]} (planned)"
        return f"| {event.year} | {event.what} | {sources} | {chapter} |"


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("sources", SourcesDirective)
