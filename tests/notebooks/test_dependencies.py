"""The import closure and the fingerprint, on a toy package that each test can change."""

from pathlib import Path

import pytest

from dlbook.notebooks import dependencies
from dlbook.notebooks.dependencies import closure, data_files, fingerprint


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Return the root of a package with a chain a -> b, a bystander c, and a package whose __init__ passes names on."""
    sources = {
        "__init__.py": "",
        "a.py": "from dlbook import b\n",
        "b.py": "X = 1\n",
        "c.py": "import dlbook.a\n",
        "part/__init__.py": "",
        "part/relative.py": "from .inner import Y\nfrom ..b import X\n",
        "part/inner.py": "Y = 1\n",
        "shop/__init__.py": "from dlbook.shop.apple import red\nfrom dlbook.shop.pear import green\n",
        "shop/apple.py": "def red(): import dlbook.b\n",
        "shop/pear.py": "green = 1\n",
    }
    for name, text in sources.items():
        path = tmp_path / "dlbook" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def names(code: str, root: Path) -> list[str]:
    return [str(path.relative_to(root / "dlbook")) for path in closure(code, root)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import numpy", []),
        ("from dlbook.b import X", ["__init__.py", "b.py"]),
        ("import dlbook.a as a", ["__init__.py", "a.py", "b.py"]),
        ("%matplotlib inline\nfrom dlbook.a import b", ["__init__.py", "a.py", "b.py"]),
        ("if True:\n    import dlbook.c", ["__init__.py", "a.py", "b.py", "c.py"]),
        (
            "from dlbook.part.relative import Y",
            ["__init__.py", "b.py", "part/__init__.py", "part/inner.py", "part/relative.py"],
        ),
        ("from dlbook.shop import green", ["__init__.py", "shop/__init__.py", "shop/pear.py"]),
        ("from dlbook.shop import red", ["__init__.py", "b.py", "shop/__init__.py", "shop/apple.py"]),
    ],
)
def test_closure_is_what_an_import_reads(toy, code, expected):
    assert names(code, toy) == expected


def test_data_files_are_those_that_a_module_names():
    chosen = {path.name for path in data_files(closure("from dlbook.data import king_james"))}
    assert chosen == {"kjv.txt.xz", "glove_100d_20k.npz", "imagenet_names.txt"}  # text.py reads all
    assert data_files(closure("from dlbook.data import Batches, xor")) == []
    mnist = {path.name for path in data_files(closure("from dlbook.data import mnist"))}
    assert "mnist.npz" in mnist
    assert "speech_8khz_mulaw.npz" not in mnist


@pytest.fixture
def measured(toy, monkeypatch):
    """Return a function that fingerprints code against the toy package."""
    monkeypatch.setattr(dependencies, "closure", lambda code, root=toy: closure(code, toy))
    return lambda code, lock=None: fingerprint(code, lock)


@pytest.mark.parametrize(
    ("changed", "matters"), [("b.py", True), ("__init__.py", True), ("c.py", False), ("shop/pear.py", False)]
)
def test_a_changed_module_matters_exactly_if_it_is_imported(toy, measured, changed, matters):
    before = measured("import dlbook.a")
    path = toy / "dlbook" / changed
    path.write_text(path.read_text() + "changed = True\n")
    assert (measured("import dlbook.a") != before) is matters


def test_a_word_in_a_docstring_or_comment_runs_nothing_again(toy, measured):
    path = toy / "dlbook" / "b.py"
    path.write_text('"""Old."""\nX = 1  # old\n\n\ndef f():\n    """Old."""\n    return "old"\n')
    before = measured("import dlbook.a")
    path.write_text('"""New words."""\n\nX = 1\n\n\ndef f():\n    """New."""\n    return "old"\n')
    assert measured("import dlbook.a") == before
    path.write_text('"""New words."""\n\nX = 1\n\n\ndef f():\n    """New."""\n    return "new"\n')
    assert measured("import dlbook.a") != before


def test_the_lock_file_the_python_version_and_the_device_matter(toy, measured, monkeypatch):
    lock = toy / "requirements.lock"
    lock.write_text("torch==2.13.0\n")
    before = measured("import dlbook.a", lock)
    lock.write_text("torch==2.13.1\n")
    assert measured("import dlbook.a", lock) != before
    lock.write_text("torch==2.13.0\n")
    assert measured("import dlbook.a", lock) == before
    monkeypatch.setattr("platform.python_version", lambda: "3.12.99")
    assert measured("import dlbook.a", lock) != before
    monkeypatch.undo()


def test_a_data_file_matters(toy, monkeypatch):
    path = toy / "mnist.npz"
    path.write_bytes(b"one")
    monkeypatch.setattr(dependencies, "data_files", lambda sources: [path])
    before = fingerprint("from dlbook.data import mnist")
    path.write_bytes(b"two!")
    assert fingerprint("from dlbook.data import mnist") != before
