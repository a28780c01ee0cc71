"""The engine: what runs beside what, where it ends, and what a failure report says."""

import time
from pathlib import Path

import pytest

from dlbook.notebooks import execution
from dlbook.notebooks.execution import execute
from dlbook.notebooks.results import Result
from pages import output, page, run


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_pages_run_at_the_same_time(tmp_path):
    # each waits for the file that the other writes: one after the other, both would wait in vain
    wait = """
        import pathlib, time
        pathlib.Path("{mine}").touch()
        for _ in range(300):
            if pathlib.Path("{other}").exists(): break
            time.sleep(0.1)
        else: raise TimeoutError
    """
    paths = [page(tmp_path, a, wait.format(mine=f"{a}.txt", other=f"{b}.txt")) for a, b in ("xy", "yx")]
    results = execute(paths, jobs=2, progress=False)
    assert [result.error for result in results] == [None, None]


def test_one_at_a_time_if_the_environment_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("DLBOOK_JOBS", "1")
    alone = """
        import pathlib, time
        busy = pathlib.Path("busy")
        busy.touch(exist_ok=False)
        time.sleep(0.5)
        busy.unlink()
    """
    results = execute([page(tmp_path, name, alone) for name in "ab"], progress=False)
    assert [result.error for result in results] == [None, None]


@pytest.mark.parametrize("jobs", [None, 0, -1])
def test_no_kernel_at_a_time_is_refused(tmp_path, monkeypatch, jobs):
    monkeypatch.setenv("DLBOOK_JOBS", "many")
    with pytest.raises(ValueError, match="at least 1, found 'many'" if jobs is None else f"jobs is .* found '{jobs}'"):
        execute([page(tmp_path, "a", "print(1)")], jobs=jobs)


def test_a_failure_names_page_line_cell_and_traceback_and_stops_no_other(tmp_path, cache, capsys):
    bad = page(tmp_path, "bad", "x = 1", ":tags: [hide-input]\nassert x == 1\nassert x == 2, 'the page says two'")
    good = page(tmp_path, "good", "print('fine')")
    results = execute([bad, good], cache=cache, jobs=1)
    assert output(results[1]) == "fine\n"
    line = bad.read_text().splitlines().index("assert x == 2, 'the page says two'") + 1
    assert f"bad.md:{line}: code cell 2 failed" in results[0].error
    assert "AssertionError: the page says two" in results[0].error
    assert "\x1b" not in results[0].error
    shown = capsys.readouterr().err
    assert "bad: FAILED" in shown
    assert "good: " in shown
    assert run(bad, cache).executed  # a failure is never served from the cache


def test_a_chapter_that_hangs_ends_at_its_limit(tmp_path):
    path = page(tmp_path, "slow", "import time", "time.sleep(60)")
    started = time.monotonic()
    result = run(path, None, time_limit=4)
    assert "limit of 4 s" in result.error
    assert "time.sleep(60)" in result.error
    assert time.monotonic() - started < 30


def test_cpu_time_and_memory_are_those_of_the_cell(tmp_path):
    result = run(
        page(
            tmp_path,
            "busy",
            "import time\nend = time.process_time() + 1.5\nwhile time.process_time() < end: pass",
            "time.sleep(1)",
            "big = bytearray(300_000_000); big[::4096] = b'x' * len(big[::4096])",
        ),
        None,
    )
    busy, asleep, _ = (seconds for _, seconds in result.cells)
    assert 1.4 < busy < 3
    assert asleep < 0.5
    assert result.peak_mb > 300


def test_kernels_compute_on_one_thread_with_fixed_hashes_and_draw_figures(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['PYTHONHASHSEED'], 'MPLBACKEND' in os.environ)"
    # ipykernel itself then sets the inline backend
    assert output(run(page(tmp_path, "a", code), None)).startswith("1 0")
    monkeypatch.delenv("MPLBACKEND")


def test_what_is_printed_on_stderr_is_shown_kept_out_of_the_page_and_executed_again(tmp_path, cache):
    path = page(tmp_path, "a", "print('fine')\nimport sys; print('careful', file=sys.stderr)")
    for _ in range(2):
        result = run(path, cache)
        assert result.executed
        assert result.error is None
        assert "a.md:7: a cell printed on stderr\ncareful" in result.noise
        assert output(result) == "fine\n"
    said = page(tmp_path, "b", ":tags: [remove-stderr]\nimport sys; print('careful', file=sys.stderr)")
    assert run(said, cache).noise is None


def test_a_dead_kernel_says_how_it_died(tmp_path):
    result = run(page(tmp_path, "a", "x = 1", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), None)
    assert "code cell 2 failed\nthe kernel was ended by SIGKILL: the machine may have run out of memory" in result.error


def test_a_cell_that_prints_without_end_is_cut_with_a_note(tmp_path):
    result = run(
        page(
            tmp_path, "a", "print('x' * 99 + '\\n', end='')\nfor _ in range(50): print(('y' * 99 + '\\n') * 99, end='')"
        ),
        None,
    )
    text = output(result)
    assert len(text) < execution.LONGEST_STREAM + 100
    assert text.endswith("\n... (cut here: the cell printed 4,951 lines)\n")


def test_a_page_that_is_not_utf8_is_named(tmp_path, cache):
    path = page(tmp_path, "a", "print(1)")
    path.write_bytes(path.read_bytes() + b"\ncaf\xe9")
    with pytest.raises(ValueError, match=r"a\.md:\d+: not UTF-8 \(byte 0xe9\): save it as UTF-8"):
        run(path, cache)


def test_cells_behind_a_failure_run_if_asked_with_other_code_and_environment(tmp_path):
    path = page(tmp_path, "a", "1 / 0", "import os; print(os.environ['COLOR'], 'seed')")
    result = run(
        path, None, go_on=True, environment={"COLOR": "blue"}, rewrite=lambda code: code.replace("'seed'", "7")
    )
    assert "code cell 1 failed" in result.error
    assert output(result) == "blue 7\n"
    assert len(result.cells) == 2


def test_the_longest_page_goes_first_by_what_is_on_record(tmp_path, cache, monkeypatch):
    record = tmp_path / "run-times.json"
    record.write_text('{"book/a": 3, "book/b": 50}')
    monkeypatch.setattr(execution, "RECORDED", record)
    (tmp_path / "book").mkdir()
    a, b, new = (page(tmp_path / "book", name, f"print({name!r})") for name in ("a", "b", "new"))
    started = []
    monkeypatch.setattr(execution, "_run", lambda path, *rest: started.append(path) or Result(path, True))
    execute([a, b, new], jobs=1, progress=False)
    assert started == [new, b, a]
    assert execution._expected_seconds(a, None) == 3
