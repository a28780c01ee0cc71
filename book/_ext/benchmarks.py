"""The directive ``{benchmarks}``: the table that `make bench` measured, with the machine it was measured on."""

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Benchmarks(SphinxDirective):
    """A row a case: ours, theirs, their ratio, memory."""

    def run(self) -> list[nodes.Node]:
        """Return the table, or a sentence where nothing was measured yet."""
        path = Path(self.env.srcdir) / "book" / "benchmarks.json"
        self.env.note_dependency(str(path))
        if not path.exists():
            return [nodes.paragraph(text="Nothing was measured yet: `make bench` writes the file.")]
        measured = json.loads(path.read_text(encoding="utf8"))
        lines = [f"Measured on {_machine(measured['machine'])}", ""]
        lines += ["| what, at which size, against what | ratio | ours, ms | theirs, ms | memory, MB |"]
        lines += ["|:--|--:|--:|--:|--:|"]
        notes = []
        for row in measured["rows"]:
            mark = ""
            if row["note"]:
                notes.append(f"- `{row['name']}`, {row['size']}: {row['note']}")
                mark = " (note)" if row["ratio"] > 1.5 else ""
            ours, theirs = row["ours"], row["theirs"]
            twin = row["counterpart"]
            twin = twin if " " in twin else f"`{twin}`"
            cells = [f"`{row['name']}`, {row['size']}; against {twin}", f"**{row['ratio']:.2f}**{mark}"]
            cells += [_ms(ours), _ms(theirs), f"{_mb(ours)}, {_mb(theirs)}"]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", *notes]
        container = nodes.container(classes=["benchmarks", "scroll-x"])
        self.state.nested_parse(StringList(lines, "benchmarks"), self.content_offset, container)
        return [container]


def _ms(times: dict[str, float]) -> str:
    median, low, high = (1000 * times[key] for key in ("median", "low", "high"))
    return f"{median:.3g} ({low:.3g}–{high:.3g})"


def _mb(times: dict[str, float | None]) -> str:
    return "?" if times["peak_mb"] is None else f"{times['peak_mb']:.0f}"


def _machine(machine: dict[str, str]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.items() if name not in ("processor", "system"))
    return f"one core of {machine['processor']} under {machine['system']}; {versions}."


def setup(app: Sphinx) -> dict[str, Any]:
    """Register with Sphinx."""
    app.add_directive("benchmarks", Benchmarks)
    return {"version": "1", "parallel_read_safe": True}
