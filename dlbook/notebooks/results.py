"""What executing a page gave: outputs, seconds, claims, and where in the source each stands."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dlbook.notebooks.chapters import CHECKOUT
from dlbook.notebooks.claims import Claim, claims_of

if TYPE_CHECKING:
    from nbformat import NotebookNode


@dataclass
class Result:
    """What one chapter did."""

    path: Path
    executed: bool  # False: its outputs were in the cache
    cells: list[tuple[int, float]] = field(default_factory=list)  # (line in the source, CPU seconds) of each code cell
    peak_mb: float = 0.0  # highest resident memory of the kernel
    error: str | None = None  # the report of the first cell that failed
    noise: str | None = None  # the report of what was printed on stderr, which is kept out of the page and the cache
    notebook: "NotebookNode | None" = None

    @property
    def cpu_seconds(self) -> float:
        """Sum over the cells, the imports included."""
        return sum(seconds for _, seconds in self.cells)

    @property
    def claims(self) -> list[Claim]:
        """What the page claims, each with its outcome."""
        return claims_of(self.notebook) if self.notebook else []

    @property
    def failed_claims(self) -> list[tuple[Path, int, Claim]]:
        """The claims that did not hold: (page, line in its source, claim)."""
        assert self.notebook is not None
        lines = self.notebook.metadata["source_map"]
        return [
            (shown(self.path), line_of(self.path, lines[claim.cell], claim.line), claim)
            for claim in self.claims
            if not claim.holds
        ]


def code_of(notebook: "NotebookNode") -> str:
    """Return the code of all cells."""
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def fences(notebook: "NotebookNode") -> list[int]:
    """Return the line of the source on which each code cell's fence opens."""
    rows = zip(notebook.cells, notebook.metadata["source_map"], strict=True)
    return [line for cell, line in rows if cell.cell_type == "code"]


def shown(path: Path) -> Path:
    """Return a path as messages show it: from the checkout, where it lies in it."""
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


def line_of(path: Path, fence: int, within: int) -> int:
    """Return the line of a source: a cell's options lie between its fence and its code."""
    return fence + _options(path, fence) + within


def _options(path: Path, line: int) -> int:
    """Return how many lines of options follow the fence of the cell that opens on ``line`` (1-based)."""
    rows = path.read_text(encoding="utf8").splitlines()[line:]
    if rows and rows[0].strip() == "---":
        return 2 + next(i for i, row in enumerate(rows[1:]) if row.strip() == "---")
    return next((i for i, row in enumerate(rows) if not row.startswith(":")), 0)
