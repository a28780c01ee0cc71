"""One build at a time in one folder: two would delete each other's pages."""

import os
import sys
from pathlib import Path

from filelock import FileLock, Timeout

HELD = "DLBOOK_BUILD_LOCK"  # the folder that the process which started this one has locked


def only_build_in(folder: Path) -> FileLock:
    """Lock ``folder`` until the lock that is returned is released, or the process ends; wait for another build first.

    A process that was started by the one that holds the lock (``make book`` starts ``jupyter-book``) passes.

    Examples
    --------
    >>> import tempfile
    >>> with only_build_in(Path(tempfile.mkdtemp())) as lock:
    ...     lock.is_locked
    True
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    if os.environ.get(HELD) == str(folder.resolve()):
        return lock
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another build works in {folder}: waiting for it to end", file=sys.stderr, flush=True)
        lock.acquire()
    return lock
