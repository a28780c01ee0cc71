"""`make bench`: time each implementation against its counterpart in a library, and write what was measured.

    python tests/bench.py [WORD ...]      only the cases whose name holds one of the words; the others keep their rows

A file ``tests/<part>/bench_<module>.py`` has a function ``cases()`` that yields :class:`Case`. Ours and theirs take
turns (A, B, A, B, ...), so that a machine that is busy for a while is busy for both; the table gives medians and quartiles.
The results go to ``book/benchmarks/``, a file a part, which the page of benchmarks shows; each row says on which machine
and with which versions it was measured.  The build never times anything itself.
"""

import ctypes
import gc
import importlib.util
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ["OMP_NUM_THREADS"] = "1"

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "book" / "benchmarks"
LEAST_SECONDS, LEAST_TURNS, MOST_TURNS = 2.0, 7, 200
PACKAGES = ("torch", "numpy", "scipy", "scikit-learn", "scikit-image", "matplotlib")


class Case(NamedTuple):
    """One comparison: two callables without arguments that do the same work."""

    name: str  # "Perceptron.fit"
    size: str  # "12,000 x 784, 5 passes"
    ours: Callable[[], object]
    theirs: Callable[[], object]
    counterpart: str  # "sklearn.linear_model.Perceptron"
    note: str = ""  # why ours is slower, where it is: what the time buys


def seconds(call: Callable[[], object]) -> float:
    """Return the CPU seconds of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def peak_mb(call: Callable[[], object]) -> float | None:
    """Return by how many MB one call raised the resident memory at most; None where the system cannot say."""
    try:
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)  # give freed pages back, or the call would find them and seem to need none
        before = _status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # start the high-water mark anew
        call()
        return max(0.0, _status("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise OSError(f"no {field} here")


def measure(case: Case) -> dict[str, object]:
    """Return the row of one case."""
    case.ours(), case.theirs()  # once for caches and lazy imports
    ours, theirs = [], []
    started = time.process_time()
    while len(ours) < LEAST_TURNS or (time.process_time() - started < LEAST_SECONDS and len(ours) < MOST_TURNS):
        ours.append(seconds(case.ours))
        theirs.append(seconds(case.theirs))
    row: dict[str, object] = {"name": case.name, "size": case.size, "counterpart": case.counterpart, "note": case.note}
    for label, times, call in (("ours", ours, case.ours), ("theirs", theirs, case.theirs)):
        low, middle, high = statistics.quantiles(times, n=4)
        row[label] = {"median": middle, "low": low, "high": high, "turns": len(times), "peak_mb": peak_mb(call)}
    row["ratio"] = statistics.median(ours) / max(statistics.median(theirs), 1e-9)
    return row


def all_cases() -> Iterator[tuple[str, Case]]:
    """Yield the cases of every part, with its name; what belongs to no part is of the "package"."""
    for path in sorted((ROOT / "tests").rglob("bench_*.py")):
        part = "package" if path.parent.name == "tests" else path.parent.name
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield from ((part, case) for case in module.cases())


def machine() -> dict[str, str]:
    """Name the machine and the versions."""
    name = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), name)
    versions = {package: version(package).split("+")[0] for package in PACKAGES}
    return {"processor": name, "system": platform.system(), "python": platform.python_version(), **versions}


def main(words: list[str]) -> int:
    """Measure, print a line a case, and write the file."""
    sys.modules["bench"] = sys.modules[__name__]  # bench files say `from bench import Case`
    from dlbook._files import write_atomically, write_text
    from dlbook.device import threads

    threads(1)
    before = [json.loads(path.read_text(encoding="utf8")) for path in sorted(TARGET.glob("*.json"))]
    kept = {(row["name"], row["size"]): row for part in before for row in part["rows"]}
    machines = {label: found for part in before for label, found in part["machines"].items()}
    here = machine()
    label = ", ".join([here["processor"], *(f"{name} {here[name]}" for name in ("python", "torch", "numpy"))])
    machines[label] = here
    parts: dict[str, list[dict[str, Any]]] = {}
    missing = []
    for part, case in all_cases():
        rows = parts.setdefault(part, [])
        if words and not any(word in case.name for word in words):
            if (case.name, case.size) in kept:
                rows.append(kept[case.name, case.size])
            else:
                missing.append(f"{case.name}, {case.size}")
            continue
        row = {**measure(case), "machine": label}
        rows.append(row)
        print(f"{case.name:<34} {case.size:<38} {row['ratio']:6.2f} x {case.counterpart}", flush=True)
    for part, rows in parts.items():
        used = {row["machine"]: machines[row["machine"]] for row in rows}
        text = json.dumps({"machines": used, "rows": [rounded(row) for row in rows]}, indent=1) + "\n"
        write_atomically(TARGET / f"{part}.json", lambda path, text=text: write_text(path, text))
    everything = [row for rows in parts.values() for row in rows]
    slow = [f"{row['name']} ({row['ratio']:.2f} x)" for row in everything if row["ratio"] > 1.5 and not row["note"]]
    for what, names in (("slower than 1.5 x without a reason", slow), ("cases without a row", missing)):
        if names:
            print(f"{what}: {'; '.join(names)}")
    return 1 if slow or missing else 0


def rounded(value: Any) -> Any:
    """Return numbers to three digits, wherever they are: what lies behind them changes with every run.

    >>> rounded({"median": 0.0024019, "turns": 200, "name": "fit"})
    {'median': 0.0024, 'turns': 200, 'name': 'fit'}
    """
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return float(f"{value:.3g}") if isinstance(value, float) else value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
