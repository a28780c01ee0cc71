"""What README.md says: that its names exist and, if asked, that its commands run in new environments.

The commands install packages, which needs a registry and minutes, so that they run only where ``README=1`` asks for
them (``make readme``).  They are taken from README.md as they stand.  What is changed for them: pip keeps to the
versions of requirements-dev.lock; ``jupyter-book build .`` finds a copy of the book that has one chapter; ``pytest``
collects the tests without running them.
"""

import ast
import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from dlbook.cli import main
from dlbook.notebooks.chapters import chapters
from dlbook.notebooks.export import published

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text("utf8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf8"))["project"]
ASKED = os.environ.get("README") == "1"
asked = pytest.mark.skipif(not ASKED, reason="README=1 (make readme) runs the commands of README.md, which install")


def block(language: str, word: str) -> str:
    """Return the one block of code that has a word."""
    (found,) = (text for text in re.findall(rf"^```{language}\n(.*?)^```", TEXT, flags=re.M | re.S) if word in text)
    return found


def commands(word: str) -> list[str]:
    """Return the lines of a block of shell commands, without their comments."""
    return [line for row in block("sh", word).splitlines() if (line := re.sub(r"\s+#.*", "", row).strip())]


def test_every_target_of_make_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf8"), flags=re.M)
    named = re.findall(r"(?:^|`|=1 )make ([a-z]+)", TEXT, flags=re.M)
    assert {"book", "test", "serve", "claims"} <= set(named)
    assert set(named) <= set(targets)


def test_every_target_that_ci_makes_exists():
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf8"), flags=re.M)
    lines = re.findall(r"^make ([^#\n]*)", (ROOT / ".ci" / "run").read_text("utf8"), flags=re.M)
    made = [word for line in lines for word in shlex.split(line) if "=" not in word and not word.startswith("-")]
    assert set(made) <= set(targets)
    assert {"lint", "book", "pdf", "test", "weigh", "readme", "reproduce", "claims"} == set(made)


def test_every_command_and_chapter_of_dlbook_exists():
    lines = [line.split() for line in commands("dlbook list")[1:]]
    assert [words[0] for words in lines] == ["dlbook"] * len(lines)
    for words in lines:
        with pytest.raises(SystemExit) as ended, contextlib.redirect_stdout(io.StringIO()):
            main([words[1], "--help"])
        assert ended.value.code == 0
        assert set(words[2:]) <= set(chapters())


def test_every_extra_exists_and_nothing_unpublished_is_installed_by_name():
    installs = re.findall(r'pip install [^`\n]*?"([^"]+)"|pip install [^`\n]*?-e (\.)', TEXT)
    assert installs
    for quoted, dot in installs:
        name, _, extras = (quoted or dot).partition("[")
        assert name == "."
        assert set(filter(None, extras.strip("]").split(","))) <= set(PROJECT["optional-dependencies"])
    assert "pip install dlbook" not in TEXT


def test_what_writes_and_runs_notebooks_is_in_the_extra():
    wanted = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["notebook"]]
    installed = {re.match(r"[\w-]+", line)[0].lower() for line in wanted}
    modules = [ROOT / "dlbook" / f"{name}.py" for name in ("cli", "_files", "_extras")]
    imported = set()
    for path in [*modules, *(ROOT / "dlbook" / "notebooks").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text("utf8"))) if path.exists() else ():
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
    others = imported - set(sys.stdlib_module_names) - {"dlbook"}
    assert {"myst_nb", "nbformat", "yaml", "pybtex"} <= others
    packages = packages_distributions()
    for name in others:
        assert any(package.lower().replace("_", "-") in installed for package in packages[name]), (
            f"{name} is in no extra of a reader"
        )


def test_no_address_is_named_that_is_not_configured():
    for path in [ROOT / "README.md", *(ROOT / "book").rglob("*.md")]:
        for address in re.findall(r"https?://[^\s)>\"'`]+", path.read_text("utf8")):
            assert "example.org" not in address, path
            assert not re.search(r"github\.com/\w*dlbook|deep-learning-executed", address) or published().repository
    assert set(re.findall(r"https?://[^\s)>]+", TEXT)) <= {"http://localhost:8000", *published()}


def makes_fewer_mistakes(said: str) -> bool:
    mistakes = ast.literal_eval(said)
    return len(mistakes) == 5 and mistakes[-1] < mistakes[0] and all(isinstance(n, int) for n in mistakes)


def test_the_example_prints_fewer_mistakes_each_time_or_nearly(capsys):
    exec(block("python", "Perceptron"), {})
    assert makes_fewer_mistakes(capsys.readouterr().out)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the files that a clone would have."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    top = tmp_path_factory.mktemp("clone")
    for name in names:
        if name and (ROOT / name).is_file():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, top / name)
    return top


def run(command: str, folder: Path, **more: str) -> str:
    """Run a command as a reader's shell would and return what it said."""
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "MPLBACKEND")}
    kept |= {"PIP_CONSTRAINT": str(ROOT / "requirements-dev.lock"), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}
    # a new environment, but the Python that runs the tests
    kept["PATH"] = os.pathsep.join([more.get("PATH", ""), str(Path(sys._base_executable).parent), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@asked
def test_a_reader_executes_and_imports_what_a_clone_installs(clone, tmp_path):
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    folder, path = tmp_path / "empty", str(tmp_path / "env" / "bin")
    folder.mkdir()
    install, *others = commands("dlbook list")
    run(install, clone, PATH=path)
    said = {command: run(command, folder, PATH=path) for command in others}  # far from the clone: the wheel is used
    assert "lenet" in said["dlbook list"]
    assert "wrote lenet.ipynb" in said["dlbook notebook lenet"]
    assert re.search(
        r"\*Chapter \d+ of .*\*\*Exercise \d+\.1\*\*", (folder / "lenet.ipynb").read_text("utf8"), flags=re.S
    )
    assert re.search(r"perceptron: .*(claim|held|holds)", said["dlbook run perceptron"])
    assert "FAIL" not in said["dlbook doctor"]
    (folder / "example.py").write_text(block("python", "Perceptron"))
    assert makes_fewer_mistakes(run("python example.py", folder, PATH=path))


@asked
def test_the_book_is_built_and_tested_without_make(clone):
    (clone / "_toc.yml").write_text(
        "format: jb-book\nroot: book/index\nparts:\n- caption: The perceptron\n  numbered: true\n"
        "  chapters:\n  - file: book/perceptron/perceptron\n"
    )
    lines = commands("jupyter-book build")
    said = run("set -e\n" + "\n".join(lines), clone, PYTEST_ADDOPTS="--collect-only -q")
    assert (clone / "_build" / "html" / "book" / "perceptron" / "perceptron.html").stat().st_size > 10_000
    assert re.search(r"\d{3,} tests collected", said)
