"""Execute chapters, as many at a time as there are cores, and keep what they gave for the site's build.

nbclient runs the cells. Ours is what it leaves out: CPU seconds and memory, a time limit for the whole chapter, and a
report that points into the Markdown source.
"""

import asyncio
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
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlbook._extras import MissingExtraError
from dlbook.notebooks.chapters import CHECKOUT, read
from dlbook.notebooks.results import Result, fences, line_of, shown
from dlbook.notebooks.store import Store

if TYPE_CHECKING:
    from nbformat import NotebookNode

TIME_LIMIT = 600.0  # seconds a chapter, by the clock: a hanging cell must end; the budget is one of CPU time
LONGEST_STREAM = 100_000  # characters that one cell may print
RECORDED = CHECKOUT / "book" / "run-times.json"  # seconds of each page, for the order of a first build


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


def _expected_seconds(path: Path, store: Store | None) -> float:
    """Return what a page will cost: what it last did here, else what the repository has on record, else much."""
    here = store.last_seconds(path) if store else None
    if here is not None:
        return here
    try:
        return float(json.loads(RECORDED.read_text(encoding="utf8"))[f"{path.parent.name}/{path.stem}"])
    except (OSError, KeyError):
        return 1e9


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
    lines = fences(notebook)
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
            reports.append(f"{shown(path)}:{line}: a cell printed on stderr\n{text}")
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
    place = line_of(path, line, int(within[0])) if within else line
    return f"{shown(path)}:{place}: code cell {number} failed\n{text.rstrip()}"


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
