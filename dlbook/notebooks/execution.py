"""Execute chapters, as many at a time as there are cores, and keep what they gave for the site's build.

nbclient runs the cells and jupyter-cache stores them; the build (myst-nb) reads the same cache.  Ours is what they
leave out: a second key for what the cells import, a seal that shows an interrupted write, CPU seconds and memory, a
time limit for the whole chapter, and a report that points into the Markdown source.
"""

import asyncio
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlbook._extras import MissingExtraError
from dlbook._files import write_atomically, write_text
from dlbook.notebooks.chapters import CHECKOUT, read
from dlbook.notebooks.claims import Claim, claims_of
from dlbook.notebooks.dependencies import fingerprint

if TYPE_CHECKING:
    from nbformat import NotebookNode

TIME_LIMIT = 600.0  # seconds a chapter, by the clock: a hanging cell must end; the budget is one of CPU time
LONGEST_STREAM = 100_000  # characters that one cell may print
LOCK = CHECKOUT / "requirements.lock"
RECORDED = CHECKOUT / "book" / "run-times.json"  # seconds of each page, for the order of a first build


@dataclass
class Result:
    """What one chapter did."""

    path: Path
    executed: bool  # False: its outputs were in the cache
    cells: list[tuple[int, float]] = field(default_factory=list)  # (line in the source, CPU seconds) of each code cell
    peak_mb: float = 0.0  # highest resident memory of the kernel
    error: str | None = None  # the report of the first cell that failed
    noise: str | None = None  # the report of what was printed on stderr, which is kept out of the page and the cache
    notebook: "NotebookNode | None" = None

    @property
    def cpu_seconds(self) -> float:
        """Sum over the cells, the imports included."""
        return sum(seconds for _, seconds in self.cells)

    @property
    def claims(self) -> list[Claim]:
        """What the page claims, each with its outcome."""
        return claims_of(self.notebook) if self.notebook else []

    @property
    def failed_claims(self) -> list[tuple[Path, int, Claim]]:
        """The claims that did not hold: (page, line in its source, claim)."""
        assert self.notebook is not None
        lines = self.notebook.metadata["source_map"]
        return [
            (_shown(self.path), _line(self.path, lines[claim.cell], claim.line), claim)
            for claim in self.claims
            if not claim.holds
        ]


def execute(
    paths: Sequence[Path],
    *,
    cache: Path | None = None,
    jobs: int | None = None,
    time_limit: float = TIME_LIMIT,
    progress: bool = True,
    environment: Mapping[str, str] | None = None,
    rewrite: Callable[[str], str] | None = None,
    go_on: bool = False,
) -> list[Result]:
    """Execute the pages ``paths``, except those whose outputs in the cache still hold.

    Parameters
    ----------
    paths : sequence of Path
        Markdown sources with code cells.
    cache : Path, optional
        Folder of the jupyter-cache; without one everything is executed and nothing kept.
    jobs : int, optional
        Kernels at a time, each of which computes on one thread.  Unless told, as many as ``DLBOOK_JOBS`` in the
        environment says, or as there are cores.
    time_limit : float
        Seconds a chapter.
    progress : bool
        Show which chapters run: a line that changes on a terminal, else a line when each ends.
    environment : mapping, optional
        Variables of the kernels besides their own; ``cache`` knows nothing of them.
    rewrite : callable, optional
        Takes the code of a cell and returns what is executed in its place.
    go_on : bool
        Execute the cells behind one that failed, too.

    Returns
    -------
    list of Result
        In the order of ``paths``. A chapter that fails has its report in ``error`` and leaves the cache as it was. A
        claim that does not hold is no failure.

    Raises
    ------
    MissingExtraError
        If the extra ``notebook`` is not installed.
    ValueError
        If ``jobs`` or ``DLBOOK_JOBS`` is not a whole number of at least 1.
    """
    jobs = _kernels(jobs)
    try:
        import nbclient  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("running chapters", "notebook") from error
    store = Store(cache) if cache else None
    results: dict[Path, Result] = {}
    stale: list[tuple[float, Path]] = []
    options = _Options(time_limit, dict(environment or {}), rewrite, go_on)
    for path in paths:
        held = store.get(path) if store else None
        if held:
            results[path] = held
        else:
            stale.append((_expected_seconds(path, store), path))
    stale.sort(key=lambda pair: -pair[0])  # the longest first, so that no core waits for it at the end
    display = _Display(len(stale), enabled=progress)
    pool = ThreadPoolExecutor(jobs)
    with display.running():
        try:
            futures = {pool.submit(_run, path, options, display): path for _, path in stale}
            for future in as_completed(futures):
                result = results[futures[future]] = future.result()
                if store and result.error is None:
                    store.put(result)
                display.ended(result)
        finally:  # on Ctrl-C too: what has not begun does not begin, and the kernels under way are ended
            display.end_kernels()
            pool.shutdown(wait=True, cancel_futures=True)
    return [results[path] for path in paths]


class _Options(NamedTuple):
    time_limit: float
    environment: dict[str, str]
    rewrite: Callable[[str], str] | None
    go_on: bool


def _kernels(jobs: int | None) -> int:
    """Return the number of kernels to run at a time."""
    told = str(jobs) if jobs is not None else os.environ.get("DLBOOK_JOBS", "")
    if told and not (told.isdecimal() and int(told)):
        where = "DLBOOK_JOBS" if jobs is None else "jobs"
        raise ValueError(f"{where} is a whole number of at least 1, found {told!r}")
    if told:
        return int(told)
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


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
            if record.data.get("depends") != fingerprint(_code(notebook), LOCK) or sealed != self._sum(record.hashkey):
                return None
            _, merged = self.cache.merge_match_into_notebook(notebook)
        except (KeyError, OSError, ValueError):  # no record, no file, or half of one
            return None
        cells = list(zip(_lines(notebook), record.data["cell_seconds"], strict=True))
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
            "depends": "" if result.noise else fingerprint(_code(notebook), LOCK),
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


def _expected_seconds(path: Path, store: Store | None) -> float:
    """Return what a page will cost: what it last did here, else what the repository has on record, else much."""
    here = store.last_seconds(path) if store else None
    if here is not None:
        return here
    try:
        return float(json.loads(RECORDED.read_text(encoding="utf8"))[f"{path.parent.name}/{path.stem}"])
    except (OSError, KeyError):
        return 1e9


def _code(notebook: "NotebookNode") -> str:
    return "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def _lines(notebook: "NotebookNode") -> list[int]:
    """Return the line of the source on which each code cell's fence opens."""
    rows = zip(notebook.cells, notebook.metadata["source_map"], strict=True)
    return [line for cell, line in rows if cell.cell_type == "code"]


def _environment() -> dict[str, str]:
    """Return what a kernel's process is started with, so that one commit gives one output."""
    fixed = {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "TQDM_DISABLE": "1", "DLBOOK_DEVICE": "cpu"}
    environment = {**os.environ, **fixed, "DLBOOK_DEVICE": os.environ.get("DLBOOK_DEVICE", "cpu")}
    environment.pop("MPLBACKEND", None)  # "agg" silently removes every figure
    return environment


def _run(path: Path, options: _Options, display: "_Display") -> Result:
    """Execute one page in a kernel of its own."""
    import nbclient
    import psutil
    from nbclient.exceptions import CellExecutionError

    notebook = read(path)
    result = Result(path, executed=True, notebook=notebook)
    if options.rewrite:
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.source = options.rewrite(cell.source)
    started = time.monotonic()
    client = nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # else our own interrupt at the end reads as an error
        resources={"metadata": {"path": str(path.parent)}},
        timeout_func=lambda cell: max(1, int(options.time_limit - (time.monotonic() - started))),
    )
    lines = _lines(notebook)
    index, died = 0, ""

    def fail(error: Exception) -> None:
        line, source = notebook.metadata["source_map"][index], notebook.cells[index].source
        report = _report(path, line, len(result.cells) + 1, source, error, options.time_limit, died)
        result.error = f"{result.error}\n\n{report}" if result.error else report

    async def cells() -> None:
        nonlocal index, died
        async with client.async_setup_kernel(env={**_environment(), **options.environment}):
            manager: Any = client.km
            kernel = psutil.Process(manager.provisioner.pid)
            display.kernels.append(kernel)
            for index, cell in enumerate(notebook.cells):
                if cell.cell_type == "code":
                    display.at(path, started, len(result.cells) + 1, len(lines))
                    before = _cpu(kernel)
                    try:
                        await client.async_execute_cell(cell, index)
                    except nbclient.exceptions.DeadKernelError:
                        died = _how_it_died(manager)
                        raise
                    except CellExecutionError as error:
                        if not options.go_on:
                            raise
                        fail(error)
                    finally:
                        _shorten(cell)
                    result.cells.append((lines[len(result.cells)], _cpu(kernel) - before))
            result.peak_mb = await _peak_mb(client.kc)

    try:
        if display.stop.is_set():
            raise InterruptedError("the build was interrupted")
        asyncio.run(cells())
        for cell in notebook.cells:
            cell.metadata.pop("execution", None)  # the clock has no place in what is compared
        result.noise = _take_noise(path, notebook)
    except Exception as error:  # whatever went wrong, the other chapters go on
        fail(error)
    return result


def _how_it_died(manager: Any) -> str:
    """Say with which signal or status a kernel's process ended."""
    process = getattr(manager.provisioner, "process", None)
    status = process.poll() if process else None
    if status is None or status >= 0:
        return f"the kernel ended with status {status}"
    name = signal.Signals(-status).name
    memory = ": the machine may have run out of memory" if name == "SIGKILL" else ""
    return f"the kernel was ended by {name}{memory}"


def _shorten(cell: "NotebookNode") -> None:
    """Cut what a cell printed beyond all measure, and say so where it was cut."""
    for output in cell.outputs:
        if output.output_type == "stream" and len(output.text) > LONGEST_STREAM:
            lines = output.text.count("\n")
            output.text = f"{output.text[:LONGEST_STREAM]}\n... (cut here: the cell printed {lines:,} lines)\n"


def _take_noise(path: Path, notebook: "NotebookNode") -> str | None:
    """Take what cells printed on stderr out of a notebook, and return the report of it."""
    reports = []
    for line, cell in zip(notebook.metadata["source_map"], notebook.cells, strict=True):
        outputs = cell.get("outputs", [])
        noise = [o for o in outputs if o.output_type == "stream" and o.name == "stderr"]
        if noise and "remove-stderr" not in cell.metadata.get("tags", []):
            cell.outputs = [o for o in outputs if o not in noise]
            text = "".join(o.text for o in noise).rstrip()
            reports.append(f"{_shown(path)}:{line}: a cell printed on stderr\n{text}")
    return "\n\n".join(reports) or None


def _cpu(process: Any) -> float:
    """Return the CPU seconds of a process and of those that it started and waited for."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


async def _peak_mb(client: Any) -> float:
    """Return the peak resident memory of the kernel in MB, by asking it."""
    ask = (
        "next((int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')), 0) "
        "if __import__('sys').platform == 'linux' else "
        "__import__('resource').getrusage(0).ru_maxrss / 2**20"
    )
    asked = client.execute("", silent=True, user_expressions={"peak": ask})
    while True:
        reply = await client.get_shell_msg(timeout=30)
        if reply["parent_header"].get("msg_id") == asked:
            return float(reply["content"]["user_expressions"]["peak"]["data"]["text/plain"])


def _report(
    path: Path, line: int, number: int, source: str, error: Exception, time_limit: float, died: str = ""
) -> str:
    """Say what failed and where, down to the line of the Markdown file."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    if type(error).__name__ == "CellTimeoutError":
        text = f"the chapter ran into its limit of {time_limit:.0f} s in this cell:\n{source}"
    if died:
        text = f"{died}\n{source}"
    within = re.findall(r"Cell In\[\d+\], line (\d+)", text)
    # the first line that the traceback names is the cell's own
    place = _line(path, line, int(within[0])) if within else line
    return f"{_shown(path)}:{place}: code cell {number} failed\n{text.rstrip()}"


def _shown(path: Path) -> Path:
    return path.relative_to(CHECKOUT) if path.is_relative_to(CHECKOUT) else path


def _line(path: Path, fence: int, within: int) -> int:
    """Return the line of a source: a cell's options lie between its fence and its code."""
    return fence + _options(path, fence) + within


def _options(path: Path, line: int) -> int:
    """Return how many lines of options follow the fence of the cell that opens on ``line`` (1-based)."""
    rows = path.read_text(encoding="utf8").splitlines()[line:]
    if rows and rows[0].strip() == "---":
        return 2 + next(i for i, row in enumerate(rows[1:]) if row.strip() == "---")
    return next((i for i, row in enumerate(rows) if not row.startswith(":")), 0)


class _Display:
    """One line that names the running chapters and their seconds, or plain lines where there is no terminal."""

    def __init__(self, count: int, *, enabled: bool) -> None:
        self.count, self.done, self.enabled = count, 0, enabled and count > 0
        self.live = self.enabled and sys.stderr.isatty()
        self.now: dict[Path, tuple[float, int, int]] = {}
        self.kernels: list[Any] = []
        self.stop = threading.Event()
        self.lock = threading.Lock()

    def at(self, path: Path, started: float, cell: int, of: int) -> None:
        with self.lock:
            self.now[path] = (started, cell, of)

    def ended(self, result: Result) -> None:
        with self.lock:
            self.done += 1
            self.now.pop(result.path, None)
        if self.enabled:
            what = "FAILED" if result.error else f"{result.cpu_seconds:5.1f} s of CPU, {result.peak_mb:.0f} MB"
            print(
                "\r\x1b[K" * self.live + f"[{self.done}/{self.count}] {result.path.stem}: {what}",
                file=sys.stderr,
                flush=True,
            )

    def end_kernels(self) -> None:
        self.stop.set()
        for kernel in self.kernels:
            with suppress(Exception):  # most have ended by themselves
                kernel.kill()

    @contextmanager
    def running(self) -> Iterator[None]:
        ticker = threading.Thread(target=self._tick, daemon=True)
        if self.live:
            ticker.start()
        try:
            yield
        finally:
            self.stop.set()
            if self.live:
                ticker.join()
                print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def _tick(self) -> None:
        while not self.stop.wait(0.5):
            with self.lock:
                parts = [
                    f"{path.stem} {time.monotonic() - started:.0f} s (cell {cell}/{of})"
                    for path, (started, cell, of) in self.now.items()
                ]
            width = shutil.get_terminal_size().columns - 1
            print(
                f"\r\x1b[K{f'[{self.done}/{self.count}] running ' + ', '.join(parts)}"[: width + 4],
                end="",
                file=sys.stderr,
                flush=True,
            )
