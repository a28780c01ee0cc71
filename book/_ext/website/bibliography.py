"""Label each entry of a bibliography by its key, which is its own.

pybtex's labels, "CW16" for Cohen and Welling as for Carlini and Wagner, stand in one list for the whole site, and two
chapters whose works get the same one do not build.  No reader sees them: the text cites by author and year.
"""

from collections.abc import Iterable, Iterator

from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.alpha import Style
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx


class KeyLabels(BaseLabelStyle):
    """Labels that are keys."""

    def format_labels(self, sorted_entries: Iterable[Entry]) -> Iterator[str]:
        """Return them."""
        return (entry.key for entry in sorted_entries)


class ByKey(Style):
    """Entries sorted by author, year and title, with their keys as labels."""

    default_label_style = KeyLabels


def setup(app: Sphinx) -> None:
    """Register with pybtex; ``_config.yml`` asks for it by name."""
    register_plugin("pybtex.style.formatting", "by-key", ByKey, force=True)
