"""The build from end to end, on a copy of the project with one small chapter: what it renders, runs, and refuses."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import nbformat
import pytest

import build as build_program
from build import files_of, is_whole

ROOT = Path(__file__).parent.parent.parent

CHAPTER = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
---
(ch-toy)=
# A toy

Twice two, by {cite:t}`toy2026`.

```{code-cell} ipython3
from dlbook.toy.twice import twice
from dlbook.glue import claim, glue

print("twice two is", twice(2))
```

```{code-cell} ipython3
:tags: [remove-input]
glue("toy-four", f"{twice(2)}")
claim(twice(1) > 0, "twice one is positive")
```

The number is {glue:text}`toy-four`, see {ref}`ch-toy`.
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what a build needs, put a toy chapter in the place of the book's, and build it once."""
    top = tmp_path_factory.mktemp("project")
    for name in ("_config.yml", "pyproject.toml", "requirements.lock", "CHANGELOG.md"):
        shutil.copy(ROOT / name, top)
    (top / "book").mkdir()
    shutil.copy(ROOT / "book" / "parts.yml", top / "book")
    for name in ("_ext", "_assets", "_inv"):
        shutil.copytree(ROOT / "book" / name, top / "book" / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "dlbook", top / "dlbook", ignore=shutil.ignore_patterns("__pycache__", "*.npz", "*.webp", "*.xz")
    )
    (top / "dlbook" / "toy").mkdir()
    (top / "dlbook" / "toy" / "__init__.py").write_text('"""Toy."""\n')
    (top / "dlbook" / "toy" / "twice.py").write_text("def twice(x):\n    return 2 * x\n")
    (top / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- caption: Toy\n  chapters:\n  - file: book/toy/toy\n"
    )
    (top / "book" / "index.md").write_text("# A book\n")
    (top / "book" / "references.bib").write_text(
        "@book{toy2026, author={Toy, Tom}, title={Toys}, year={2026}, publisher={Press}}\n"
    )
    (top / "book" / "toy").mkdir()
    (top / "book" / "toy" / "toy.md").write_text(CHAPTER + "\n```{bibliography}\n```\n")
    assert build(top)[0] == 0, build(top)[1]
    return top


def build(top: Path, *options: str) -> tuple[int, str]:
    environment = {**os.environ, "PYTHONPATH": f"{top}{os.pathsep}{os.environ['PYTHONPATH']}", "NO_COLOR": "1"}
    environment.pop("MPLBACKEND", None)
    environment["PATH"] = ""  # the environment of the project is enough: no node, say
    command = [sys.executable, "book/_ext/build.py", *options]
    run = subprocess.run(command, cwd=top, env=environment, capture_output=True, text=True, check=False, timeout=300)
    return run.returncode, run.stdout + run.stderr


@pytest.fixture
def chapter(project: Path):
    """Give the chapter's file, and put it and its module back afterwards."""
    path, module = project / "book" / "toy" / "toy.md", project / "dlbook" / "toy" / "twice.py"
    before = path.read_text(), module.read_text()
    yield path
    path.write_text(before[0])
    module.write_text(before[1])


def page(top: Path) -> str:
    """Return the words of the page, without their marks."""
    return re.sub(r"<[^>]*>", "", source(top))


def source(top: Path) -> str:
    return (top / "_build" / "html" / "book" / "toy" / "toy.html").read_text()


def test_the_page_shows_outputs_and_glued_numbers(project):
    assert "twice two is 4" in page(project)
    assert "The number is 4" in page(project)


def test_a_second_build_does_no_work(project):
    status, said = build(project)
    assert (status, said.splitlines()[0]) == (0, "nothing changed since the last build")
    assert said.strip().endswith("index.html")


def test_the_download_reads_cleanly(project):
    path = project / "_build" / "html" / "notebooks" / "book" / "toy" / "toy.ipynb"
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    text = "\n".join(cell.source for cell in notebook.cells)
    assert "The number is 4" in text
    assert "Toy (2026)" in text
    assert "glue(" not in text
    assert "{" not in text.replace("{code", "")
    assert any("twice two is 4" in str(cell.get("outputs")) for cell in notebook.cells)
    assert "notebooks/book/toy/toy.ipynb" in source(project)
    assert "colab.research.google.com" not in source(project)  # no repository is configured


def test_prose_alone_executes_nothing(project, chapter):
    chapter.write_text(chapter.read_text().replace("Twice two, by", "Two times two, by"))
    status, said = build(project)
    assert status == 0, said
    assert "executed nothing" in said
    assert "Two times two" in page(project)


def test_a_cell_that_fails_is_named_and_replaces_its_page_alone(project, chapter):
    chapter.write_text(chapter.read_text().replace('print("twice', 'raise RuntimeError("boom")\nprint("twice'))
    status, said = build(project)
    assert status == 1
    assert "toy.md:14: code cell 1 failed" in said
    assert "This page is missing: one of its cells failed" in page(project)
    assert "RuntimeError: boom" in page(project)
    assert "A toy" in page(project)
    assert "A book" in (project / "_build" / "html" / "book" / "index.html").read_text()


def test_a_claim_that_does_not_hold_is_told_on_its_page_and_listed_and_the_book_is_built(project, chapter, monkeypatch):
    monkeypatch.delenv("STRICT", raising=False)
    chapter.write_text(chapter.read_text().replace("twice(1) > 0", "twice(1) > 2"))
    status, said = build(project)
    assert status == 0, said
    assert "1 of 1 claims did not hold on this machine; each page says so at its place" in said
    assert "book/toy/toy.md:20: twice one is positive\n      measured: twice(1) = 2" in said
    assert "0 of 1 claims held" in said
    assert "the page says that twice one is positive. That did not hold here.Measured: twice(1) = 2" in page(project)
    assert 'id="claim-1"' in source(project)
    assert "The number is 4" in page(project)
    monkeypatch.setenv("STRICT", "1")
    status, said = build(project)
    assert status == 1
    assert "executed nothing" in said
    assert "STRICT makes an error of it" in said


def test_a_site_that_lacks_a_file_is_no_longer_whole(tmp_path):
    site, stamp = tmp_path / "html", tmp_path / "stamp"
    (site / "book").mkdir(parents=True)
    (site / "book" / "a.html").write_text("a")
    assert not is_whole(stamp, site, "digest")
    stamp.write_text(json.dumps({"inputs": "digest", "files": files_of(site)}))
    assert is_whole(stamp, site, "digest")
    assert not is_whole(stamp, site, "another digest")
    (site / "book" / "a.html").unlink()
    assert not is_whole(stamp, site, "digest")
    stamp.write_text("half of")
    assert not is_whole(stamp, site, "digest")


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (
            OSError(28, "No space left on device", "page.html"),
            1,
            "not built: [Errno 28] No space left on device: 'page",
        ),
        (KeyboardInterrupt(), 130, "interrupted; what had ended is kept"),
        (ValueError("DLBOOK_JOBS is a whole number"), 1, "not built: DLBOOK_JOBS is a whole number"),
    ],
)
def test_what_the_machine_does_not_allow_is_said_in_one_line(tmp_path, monkeypatch, capsys, error, status, said):
    def make(options):
        raise error

    monkeypatch.setattr(build_program, "make", make)
    monkeypatch.setattr(sys, "argv", ["build.py", "--output", str(tmp_path)])
    assert build_program.main() == status
    shown = capsys.readouterr().err
    assert said in shown
    assert len(shown.splitlines()) == 1


def test_every_broken_reference_and_formula_is_reported_and_the_build_fails(project, chapter):
    text = (
        chapter.read_text().replace("{ref}`ch-toy`", "{ref}`ch-toys`").replace("{cite:t}`toy2026`", "{cite:t}`toy1999`")
    )
    text = text.replace("{glue:text}`toy-four`", "{glue:text}`toy-five`")
    warns = 'import warnings\nwarnings.warn("hm")\nprint("twice'
    chapter.write_text(text.replace('print("twice', warns) + "\n$$ \\frac{1}{ $$\n")
    status, said = build(project)
    assert status != 0
    for word in ("ch-toys", "toy1999", "toy-five", "stderr", "KaTeX"):
        assert word in said


def test_a_chapter_over_its_budget_is_named_with_its_slowest_cells(project, chapter):
    work = "\n```{code-cell} ipython3\nsum(range(10**7));\n```\n"  # more than one tick of the clock of processes
    chapter.write_text(chapter.read_text() + work)
    status, said = build(project, "--budget", "0.001")
    assert status == 1
    assert "book/toy/toy.md:" in said
    assert "slowest cells: line" in said


def test_a_changed_function_changes_the_page(project, chapter):
    module = project / "dlbook" / "toy" / "twice.py"
    module.write_text("def twice(x):\n    return 2 * x + 1\n")
    status, said = build(project)
    assert status == 0, said
    assert "executed 1 of 1 pages" in said
    assert "twice two is 5" in page(project)
    assert "The number is 5" in page(project)


def test_the_plain_build_is_as_right_about_staleness(project, chapter):
    environment = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{os.environ['PYTHONPATH']}"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [str(Path(sys.executable).parent / "jupyter-book"), "build", ".", "-q"]
    # the page's source does not change: only what its cells import
    (project / "dlbook" / "toy" / "twice.py").write_text("def twice(x):\n    return 20 * x\n")
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    assert "twice two is 40" in page(project)


def test_watching_shows_what_was_saved(project, chapter):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": f"{project}{os.pathsep}{os.environ['PYTHONPATH']}"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    command = [sys.executable, "book/_ext/watch.py", "--port", str(port)]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}

    def shows(words: str) -> bool:
        with suppress(OSError), urlopen(f"http://127.0.0.1:{port}/book/toy/toy.html", timeout=60) as answer:
            return words in answer.read().decode()
        return False

    def wait_for(words: str) -> None:
        deadline = time.monotonic() + 120
        while not shows(words):
            assert time.monotonic() < deadline, f"the page does not show {words!r}"
            time.sleep(0.3)

    watching = subprocess.Popen(command, cwd=project, env=environment, start_new_session=True, **quiet)
    try:
        wait_for("Twice two, by")
        chapter.write_text(chapter.read_text().replace("Twice two, by", "Two times two, by"))
        wait_for("Two times two, by")
        (project / "dlbook" / "toy" / "twice.py").write_text("def twice(x):\n    return 20 * x\n")
        wait_for("twice two is 40")
    finally:
        os.killpg(watching.pid, signal.SIGKILL)
        watching.wait()
