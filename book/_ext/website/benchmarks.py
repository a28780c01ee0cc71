"""The directive ``{benchmarks}``: the table that `make bench` measured, with the machine it was measured on."""

import json
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class Benchmarks(SphinxDirective):
    """A row a case: ours, theirs, their ratio, memory."""

    def run(self) -> list[nodes.Node]:
        """Return the table, or a sentence where nothing was measured yet."""
        folder = Path(self.env.srcdir) / "book" / "benchmarks"
        parts = []
        for path in sorted(folder.glob("*.json")):
            self.env.note_dependency(str(path))
            parts.append(json.loads(path.read_text(encoding="utf8")))
        if not parts:
            return [nodes.paragraph(text="Nothing was measured yet: `make bench` writes the files.")]
        machines = {label: found for part in parts for label, found in part["machines"].items()}
        letters = {label: chr(ord("A") + number) for number, label in enumerate(machines)}
        lines = [f"- {letters[label]}: {_machine(found)}" for label, found in machines.items()]
        lines += ["", "| what, at which size, against what | ratio | ours, ms | theirs, ms | memory, MB | on |"]
        lines += ["|:--|--:|--:|--:|--:|:-:|"]
        notes = []
        for row in (row for part in parts for row in part["rows"]):
            mark = ""
            if row["note"]:
                notes.append(f"- `{row['name']}`, {row['size']}: {row['note']}")
                mark = " (note)" if row["ratio"] > 1.5 else ""
            ours, theirs = row["ours"], row["theirs"]
            twin = row["counterpart"]
            twin = twin if " " in twin else f"`{twin}`"
            cells = [f"`{row['name']}`, {row['size']}; against {twin}", f"**{row['ratio']:.2f}**{mark}"]
            cells += [_ms(ours), _ms(theirs), f"{_mb(ours)}, {_mb(theirs)}", letters[row["machine"]]]
            lines.append("| " + " | ".join(cells) + " |")
        lines += ["", *notes]
        container = nodes.container(classes=["benchmarks", "scroll-x"])
        self.state.nested_parse(StringList(lines, "benchmarks"), self.content_offset, container)
        return [container]


def _ms(times: dict[str, float]) -> str:
    median, low, high = (1000 * times[key] for key in ("median", "low", "high"))
    return f"{_three_digits(median)} ({_three_digits(low)}–{_three_digits(high)})"


def _three_digits(number: float) -> str:
    """Return a number to three digits; a large one is not written as a power of ten.

    >>> _three_digits(3314.0), _three_digits(0.012345)
    ('3,310', '0.0123')
    """
    rounded = float(f"{number:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:g}"


def _mb(times: dict[str, float | None]) -> str:
    return "?" if times["peak_mb"] is None else f"{times['peak_mb']:.0f}"


def _machine(machine: dict[str, str]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in machine.items() if name not in ("processor", "system"))
    return f"one core of {machine['processor']} under {machine['system']}; {versions}."


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("benchmarks", Benchmarks)
