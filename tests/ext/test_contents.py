"""What follows from the list of parts is what lies in the repository, and a new chapter is one that runs."""

import re
import subprocess
import sys

import pytest

from contents import ROOT, api_list, files, table_of_contents
from dlbook.notebooks.execution import execute
from new_chapter import begin


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_is_as_the_list_has_it(path):
    assert path.read_text("utf8") == files()[path], "make contents"


def test_a_chapter_enters_the_contents_when_its_page_exists(tmp_path):
    (tmp_path / "book" / "generative").mkdir(parents=True)
    (tmp_path / "dlbook" / "generative").mkdir(parents=True)
    assert "generative" not in table_of_contents(tmp_path)
    for name in ("diffusion", "wavenet"):
        (tmp_path / "book" / "generative" / f"{name}.md").touch()
    (tmp_path / "dlbook" / "generative" / "__init__.py").touch()
    text = table_of_contents(tmp_path)
    assert "api/generative" not in text
    assert text.index("caption: Generative models") < text.index("book/generative/wavenet") < text.index("diffusion")
    (tmp_path / "dlbook" / "generative" / "vae.py").touch()
    assert "    - file: book/api/generative" in table_of_contents(tmp_path)
    assert api_list("# API\n\n- {doc}`api/package`: all\n- {doc}`api/old`\n\nEnd.\n", tmp_path) == (
        "# API\n\n- {doc}`api/package`: all\n- {doc}`api/generative`\n\nEnd.\n"
    )


def test_a_new_chapter_runs_with_its_module_and_its_test(tmp_path, monkeypatch):
    paths = begin("regularization", "norm-penalties", "penalties", tmp_path)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "book/regularization/norm-penalties.md",
        "dlbook/regularization/penalties.py",
        "tests/regularization/test_penalties.py",
    ]
    assert not [path for path in paths if re.search(r"@[A-Z]+@", path.read_text("utf8"))]
    (tmp_path / "dlbook" / "__init__.py").symlink_to(ROOT / "dlbook" / "__init__.py")
    for name in ("device.py", "glue.py", "_checks.py"):
        (tmp_path / "dlbook" / name).symlink_to(ROOT / "dlbook" / name)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (result,) = execute([paths[0]], progress=False)
    assert (result.error, result.noise) == (None, None)
    assert [claim.holds for claim in result.claims] == [True]
    said = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(paths[2])],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert said.returncode == 0, said.stdout + said.stderr
    with pytest.raises(ValueError, match=r"norm-penalties\.md, .* exists already: nothing was written"):
        begin("regularization", "norm-penalties", "penalties", tmp_path)


@pytest.mark.parametrize(
    ("part", "name", "module", "words"),
    [
        ("regularisation", "dropout", None, "no part 'regularisation' in .*: there are foundations, "),
        ("regularization", "drop-out", None, "plans no chapter 'drop-out' in regularization, but norm-penalties, "),
        ("regularization", "dropout", "drop-out", "as Python wants it, found 'drop-out'"),
    ],
)
def test_names_that_are_not_in_the_list_are_refused_and_nothing_is_written(tmp_path, part, name, module, words):
    with pytest.raises(ValueError, match=words):
        begin(part, name, module, tmp_path)
    assert not list(tmp_path.iterdir())
