"""What every test gets: no network, one thread, a cache folder of its own, and figures that need no screen."""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

collect_ignore_glob = ["*bench*.py", "mutate.py"]  # programs, which `--doctest-modules` would import


SLOWEST = ("test_build.py", "test_training.py", "test_browser.py", "test_graph.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow files first, so that no process ends alone with one of them."""
    items.sort(key=lambda item: SLOWEST.index(item.path.name) if item.path.name in SLOWEST else len(SLOWEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give each test process a file, or of the site's tests a page, at a time: their fixtures are costly."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFileAndPage(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file, _, test = nodeid.partition("::")
            return file + test.partition("[")[2] if file.endswith("test_browser.py") else file

    config.option.loadscopereorder = False  # keep the order above
    return ByFileAndPage(config, log)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the data functions an empty cache folder."""
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def style() -> Iterator[None]:
    """Draw in the book's style, and leave neither style nor figures behind."""
    import matplotlib.pyplot as plt

    from dlbook.plotting import use_style

    with matplotlib.rc_context():
        use_style()
        yield
        plt.close("all")
