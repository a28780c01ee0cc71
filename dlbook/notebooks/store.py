"""The cache of outputs: jupyter-cache, with what it leaves out.

The build (myst-nb) reads the same cache, and its key is the code of the cells. Ours is a second key for what the cells
import, and a seal that shows an interrupted write.
"""

import hashlib
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from dlbook._files import write_atomically, write_text
from dlbook.notebooks.chapters import CHECKOUT, read
from dlbook.notebooks.dependencies import fingerprint
from dlbook.notebooks.results import Result, code_of, fences

LOCK = CHECKOUT / "requirements.lock"


class Store:
    """A jupyter-cache whose records also say on what they depend, and can be told from torn ones."""

    def __init__(self, folder: Path) -> None:
        from jupyter_cache import get_cache
        from jupyter_cache.cache.db import OrmBase
        from sqlalchemy.exc import DatabaseError, OperationalError

        self.cache = get_cache(folder)
        try:
            OrmBase.metadata.create_all(self.cache.db)  # a kill may have left a database without its tables
        except OperationalError as error:  # busy, say, or on a disk that is full: nothing is wrong with what it holds
            raise OSError(f"the cache of outputs, {folder / 'global.db'}, cannot be used now: {error.orig}") from error
        except DatabaseError:  # it is none: what it knew is computed again
            print(f"the cache of outputs in {folder} is damaged and made anew", file=sys.stderr)
            shutil.rmtree(folder)
            self.cache = get_cache(folder)

    def get(self, path: Path) -> Result | None:
        """Return what the page at ``path`` gave, or None if it must be executed (again)."""
        notebook = read(path)
        try:
            record = self.cache.match_cache_notebook(notebook)
            sealed = self._seal(record.hashkey).read_text()
            if record.data.get("depends") != fingerprint(code_of(notebook), LOCK) or sealed != self._sum(
                record.hashkey
            ):
                return None
            _, merged = self.cache.merge_match_into_notebook(notebook)
        except (KeyError, OSError, ValueError):  # no record, no file, or half of one
            return None
        cells = list(zip(fences(notebook), record.data["cell_seconds"], strict=True))
        return Result(path, executed=False, cells=cells, peak_mb=record.data["peak_mb"], notebook=merged)

    def last_seconds(self, path: Path) -> float | None:
        """Return the CPU seconds of the last run of ``path``, whatever its cells were then; None if there was none."""
        runs = [record for record in self.cache.list_cache_records() if Path(record.uri).parts[-2:] == path.parts[-2:]]
        return max((float(run.data.get("cpu_seconds", 0)) for run in runs), default=None)

    def put(self, result: Result) -> None:
        """Keep a result. The seal is written last: a kill at any moment leaves a record that :meth:`get` refuses."""
        from jupyter_cache.base import CacheBundleIn
        from jupyter_cache.cache.db import NbCacheRecord

        notebook = result.notebook
        assert notebook is not None
        _, key = self.cache.create_hashed_notebook(notebook)
        self._seal(key).unlink(missing_ok=True)
        shutil.rmtree(self._seal(key).parent, ignore_errors=True)
        with suppress(KeyError):
            NbCacheRecord.remove_records([NbCacheRecord.record_from_hashkey(key, self.cache.db).pk], self.cache.db)
        data = {
            # what printed on stderr is there for the site's build, and executed again by the next
            "depends": "" if result.noise else fingerprint(code_of(notebook), LOCK),
            "cpu_seconds": result.cpu_seconds,
            "cell_seconds": [seconds for _, seconds in result.cells],
            "peak_mb": result.peak_mb,
            "execution_seconds": result.cpu_seconds,
        }
        self.cache.cache_notebook_bundle(CacheBundleIn(notebook, str(result.path), data=data), check_validity=False)
        text = self._sum(key)
        write_atomically(self._seal(key), lambda part: write_text(part, text))

    def _seal(self, key: str) -> Path:
        return Path(self.cache.path) / "executed" / key / "seal"

    def _sum(self, key: str) -> str:
        return hashlib.sha256((self._seal(key).parent / "base.ipynb").read_bytes()).hexdigest()
