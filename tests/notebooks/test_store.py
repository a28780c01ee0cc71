"""The cache of outputs: what runs again and what does not, and what survives a kill."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlbook.notebooks import store as module
from dlbook.notebooks.execution import execute
from dlbook.notebooks.store import Store
from pages import output, page, run


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_a_page_runs_once_and_again_only_when_its_cells_change(tmp_path, cache):
    path = page(tmp_path, "a", "print(1 + 1)")
    first = run(path, cache)
    assert (first.executed, output(first), first.error) == (True, "2\n", None)
    again = run(path, cache)
    assert (again.executed, output(again)) == (False, "2\n")
    assert again.cells == first.cells
    page(tmp_path, "a", "print(1 + 1)", prose="Better prose,\non two lines.")
    assert not run(path, cache).executed
    page(tmp_path, "a", "print(1 + 2)")
    assert output(run(path, cache)) == "3\n"


def test_a_page_runs_again_when_what_it_depends_on_changes(tmp_path, cache, monkeypatch):
    path = page(tmp_path, "a", "print(1 + 1)")
    run(path, cache)
    monkeypatch.setattr(module, "fingerprint", lambda code, lock: "something else")
    assert run(path, cache).executed
    assert not run(path, cache).executed


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "unseal"])
def test_a_torn_record_is_never_served(tmp_path, cache, harm):
    path = page(tmp_path, "a", "print(1 + 1)")
    run(path, cache)
    (stored,) = cache.glob("executed/*/base.ipynb")
    if harm == "truncate":
        stored.write_bytes(stored.read_bytes()[:-9])
    elif harm == "flip":
        stored.write_text(stored.read_text().replace('"2\\n"', '"3\\n"'))
    elif harm == "remove":
        stored.unlink()
    else:
        (stored.parent / "seal").unlink()
    again = run(path, cache)
    assert (again.executed, output(again)) == (True, "2\n")
    assert not run(path, cache).executed


def test_a_build_killed_at_any_moment_leaves_a_cache_that_can_be_trusted(tmp_path, cache):
    paths = [page(tmp_path, name, f"print('{name}' * 3)") for name in "abcd"]
    code = f"""
from pathlib import Path
from dlbook.notebooks.execution import execute
execute([Path(p) for p in {[str(p) for p in paths]!r}], cache=Path({str(cache)!r}), jobs=1)
"""
    moment = 1.5
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(moment)
        moment += 0.9
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        held = Store(cache)
        for path in paths:
            result = held.get(path)
            assert result is None or output(result) == path.stem * 3 + "\n"
    assert [output(result) for result in execute(paths, cache=cache, progress=False)] == [n * 3 + "\n" for n in "abcd"]
    assert not any(result.executed for result in execute(paths, cache=cache, progress=False))


@pytest.mark.parametrize("left", [b"", b"no database at all, but long enough to be taken for the header of one"])
def test_a_cache_whose_database_is_damaged_is_made_anew(tmp_path, cache, left):
    path = page(tmp_path, "a", "print('a' * 3)")
    run(path, cache)
    (cache / "global.db").write_bytes(left)
    assert output(run(path, cache)) == "aaa\n"
    assert not run(path, cache).executed


def test_the_build_of_the_site_finds_what_the_engine_stored(tmp_path, cache):
    from jupyter_cache import get_cache
    from myst_nb.core.read import myst_nb_reader_plugin

    path = page(tmp_path, "a", "print(1 + 1)")
    run(path, cache)
    record = get_cache(cache).match_cache_notebook(myst_nb_reader_plugin(str(path)))
    assert record.data["cpu_seconds"] >= 0


def test_a_cache_that_is_busy_is_left_alone_and_named(tmp_path, cache):
    path = page(tmp_path, "a", "print('a' * 3)")
    run(path, cache)
    other = sqlite3.connect(cache / "global.db")
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(OSError, match=r"global\.db, cannot be used now: database is locked"):
            run(path, cache)
    finally:
        other.rollback()
        other.close()
    assert not run(path, cache).executed
