"""What executed pages claim, and whether it held: the records of :func:`dlbook.glue.claim`, read back and listed."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from nbformat import NotebookNode


class Claim(NamedTuple):
    """One claim of a page and its outcome in one execution."""

    sentence: str
    holds: bool
    measured: str  # both sides of the comparison, where it does not hold
    cell: int  # index among the notebook's cells
    line: int  # within that cell, from 1


def claims_of(notebook: "NotebookNode") -> list[Claim]:
    """Return the claims of an executed notebook, in the order in which they were made."""
    found = []
    for index, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            record = output.get("metadata", {}).get("scrapbook", {}).get("claim")
            if record:
                found.append(Claim(record["sentence"], record["holds"], record["measured"], index, record["line"]))
    return found


def failed(claims: Iterable[Claim]) -> list[Claim]:
    """Return those that did not hold."""
    return [claim for claim in claims if not claim.holds]


def strict() -> bool:
    """Tell whether a claim that does not hold is an error: the environment says ``STRICT=1``."""
    return os.environ.get("STRICT", "") not in ("", "0")


def listing(rows: Sequence[tuple[Path, int, Claim]]) -> str:
    """Return the text that lists claims that did not hold: a line for each, with what was measured below it.

    Parameters
    ----------
    rows : sequence of (page, line in it, claim)
    """
    lines = []
    for path, line, claim in rows:
        lines.append(f"  {path}:{line}: {claim.sentence}")
        if claim.measured:
            lines.append(f"      measured: {claim.measured}")
    return "\n".join(lines)
