"""Two builds in one folder take turns."""

import subprocess
import sys
import time

from dlbook.notebooks.locks import HELD, only_build_in

OTHER = "import sys, time; from pathlib import Path; from dlbook.notebooks.locks import only_build_in\n"
OTHER += "lock = only_build_in(Path(sys.argv[1])); print('in', flush=True); "


def start(folder, then: str) -> subprocess.Popen:
    command = [sys.executable, "-c", OTHER + then, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_second_says_that_it_waits_and_goes_on_when_the_first_ends(tmp_path):
    first = start(tmp_path / "_build", "time.sleep(60)")
    assert first.stdout.readline() == "in\n"
    second = start(tmp_path / "_build", "pass")
    assert "waiting for it to end" in second.stderr.readline()
    time.sleep(0.3)
    assert second.poll() is None
    first.kill()  # a lock ends with its process, however that ends
    said, _ = second.communicate(timeout=30)
    assert said == "in\n"
    first.communicate()


def test_the_child_of_the_holder_passes_and_takes_nothing(tmp_path, monkeypatch):
    with only_build_in(tmp_path):
        monkeypatch.setenv(HELD, str(tmp_path.resolve()))
        assert not only_build_in(tmp_path).is_locked
        monkeypatch.setenv(HELD, str(tmp_path / "elsewhere"))
        assert only_build_in(tmp_path / "other").is_locked
