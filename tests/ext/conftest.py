"""Build tiny projects with the book's own Sphinx extensions."""

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

EXTENSIONS = Path(__file__).parent.parent.parent / "book" / "_ext"
CONF = """
import sys
sys.path.insert(0, {ext!r})
extensions = ["myst_nb", "sphinx_exercise", "sphinx_proof", "sphinxcontrib.katex", "sphinx_codeautolink",
              "website.fixes", "website.figures", "website.live", "website.quiz", "website.at_a_glance", "website.folding",
              "website.parts", "website.release", "website.numbers"]
root_doc = "index"
numfig = True
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath", "substitution"]
html_math_renderer, katex_prerender = "katex", True
nb_execution_mode = "off"
html_theme = "basic"
keep_warnings = False
"""


@dataclass
class Built:
    """What a build gave."""

    status: int
    log: str
    folder: Path

    def page(self, name: str) -> str:
        """Return the HTML of a page."""
        return (self.folder / f"{name}.html").read_text("utf8")


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Built]:
    """Return a function that builds Markdown pages, by name, and returns what came out; the same pages are built
    once."""
    known: dict[str, Built] = {}

    def run(
        pages: dict[str, str], *, builder: str = "html", files: dict[str, bytes] | None = None, again: bool = False
    ) -> Built:
        key = repr((pages, builder, files))
        if again or key not in known:
            known[key] = build_anew(pages, builder, files or {})
        return known[key]

    def build_anew(pages: dict[str, str], builder: str, files: dict[str, bytes]) -> Built:
        folder = tmp_path_factory.mktemp("project")
        listed = "\n".join(name for name in pages if name != "index")
        index = pages.get("index", "# Index\n") + f"\n```{{toctree}}\n{listed}\n```\n"
        (folder / "conf.py").write_text(CONF.format(ext=str(EXTENSIONS)))
        for name, text in {**pages, "index": index}.items():
            (folder / f"{name}.md").parent.mkdir(parents=True, exist_ok=True)
            (folder / f"{name}.md").write_text(text, "utf8")
        for name, content in files.items():
            (folder / name).write_bytes(content)
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings(), patch_docutils(), docutils_namespace():
            patch.setenv("PATH", "")  # a machine without node, say
            warnings.simplefilter("ignore")  # those of other packages; Sphinx's own are in what it says
            app = Sphinx(
                folder,
                folder,
                folder / "out",
                folder / "out" / ".doctrees",
                builder,
                {"nitpicky": True},
                io.StringIO(),
                said,
            )
            try:
                app.build()
            except Exception as error:  # the command line does so
                print(error, file=said)
                app.statuscode = 2
        return Built(app.statuscode, re.sub(r"\x1b\[[0-9;]*m", "", said.getvalue()), folder / "out")

    return run
