"""What every test gets: no network, one thread, a cache folder of its own, and figures that need no screen."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OFFLINE = Path(__file__).parent / "offline"

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join([str(OFFLINE), *filter(None, [os.environ.get("PYTHONPATH")])])
spec = importlib.util.spec_from_file_location("offline_sitecustomize", OFFLINE / "sitecustomize.py")
assert spec is not None
assert spec.loader is not None
offline = importlib.util.module_from_spec(spec)
spec.loader.exec_module(offline)

import matplotlib  # noqa: E402

matplotlib.use("agg")  # in this process only: in the environment it would silence the chapters' figures

from dlbook.device import threads  # noqa: E402

threads(1)
sys.path.insert(0, str(ROOT / "book" / "_ext"))

collect_ignore_glob = ["*bench*.py", "mutate.py"]  # programs, which `--doctest-modules` would import


SLOWEST = ("test_build.py", "test_training.py", "test_browser.py", "test_graph.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give test processes a file each, of the site a page each, and the slow files first, so that none ends alone."""
    for item in items:
        group = item.path.name
        if group == "test_browser.py" and isinstance(item, pytest.Function) and hasattr(item, "callspec"):
            group += "".join(str(value) for value in item.callspec.params.values())
        item.add_marker(pytest.mark.xdist_group(f"{item.path.parent.name}/{group}"))
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the data functions an empty cache folder."""
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"
