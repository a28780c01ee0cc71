"""What `make claims` does: execute pages as other machines would, and list every claim that does not hold there.

    python book/_ext/claims.py [PROFILE ...] [-- PAGE ...]
    python book/_ext/claims.py --export PROFILE     the variables of a profile, for a shell

A profile moves every seed of the pages (seeds1, seeds2, seeds3) or makes the libraries compute with other kernels: avx2
is a machine like this one, far is one without any vector instructions of the last fifteen years.  Each page goes on
after a failure, so that all of its claims are seen.  A page is named as its file is: lenet, playground.
"""

import argparse
import platform
import re
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

from dlbook.notebooks.chapters import with_cells  # noqa: E402
from dlbook.notebooks.claims import listing  # noqa: E402
from dlbook.notebooks.execution import execute  # noqa: E402
from dlbook.notebooks.results import Result  # noqa: E402

# `default_rng(0)`, `manual_seed(3 * seed)`, `random_state=0`: one level of parentheses inside is enough for the book
SEED = re.compile(r"(?P<before>(?:manual_seed|default_rng)\(|random_state=)(?P<seed>(?:[^(),]|\([^()]*\))+)")
STEP = 1000  # far from the seeds that a page counts through


class Profile(NamedTuple):
    """How another machine differs."""

    shift: int  # added to every seed
    kernels: Mapping[str, str]  # environment variables


def profiles() -> dict[str, Profile]:
    """Return the profiles by name."""
    intel = platform.machine().lower() in ("x86_64", "amd64")
    avx2 = {"ATEN_CPU_CAPABILITY": "avx2", "NPY_DISABLE_CPU_FEATURES": numpy_features("512", "V4", "ICL", "SPR")}
    far = {"ATEN_CPU_CAPABILITY": "default", "NPY_DISABLE_CPU_FEATURES": numpy_features("")}
    if intel:  # names that other processors' libraries do not know
        avx2 |= {"ONEDNN_MAX_CPU_ISA": "AVX2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"}
        far |= {"ONEDNN_MAX_CPU_ISA": "SSE41", "MKL_CBWR": "COMPATIBLE", "OPENBLAS_CORETYPE": "Nehalem"}
    seeds = {f"seeds{k}": Profile(k * STEP, {}) for k in (1, 2, 3)}
    return {"far": Profile(0, far), "avx2": Profile(0, avx2), **seeds}


def numpy_features(*words: str) -> str:
    """Return the instruction sets that NumPy would use on this machine and whose names contain one of ``words``."""
    import numpy as np

    found = np.show_config(mode="dicts")["SIMD Extensions"].get("found", [])
    return " ".join(feature for feature in found if any(word in feature for word in words))


def moved(code: str, shift: int) -> str:
    """Return the code of a cell with every seed moved.

    >>> moved("torch.manual_seed(0); rng = np.random.default_rng(seed + 1)", 1000)
    'torch.manual_seed((0) + 1000); rng = np.random.default_rng((seed + 1) + 1000)'
    """
    return SEED.sub(lambda found: f"{found['before']}({found['seed']}) + {shift}", code)


def report(name: str, results: list[Result]) -> tuple[str, int]:
    """Say how many claims held under a profile and name the others; return that and how many things went wrong."""
    rows = [row for result in results for row in result.failed_claims]
    claims = sum(len(result.claims) for result in results)
    errors = [result.error for result in results if result.error]
    said = f"{name}: {claims - len(rows)} of {claims} claims held, on {len(results)} pages"
    parts = [
        said + (f"; {len(errors)} pages with cells that failed" if errors else ""),
        *([listing(rows)] if rows else []),
    ]
    return "\n".join([*parts, *errors]), len(rows) + len(errors)


def main() -> int:
    """Return 0 if every claim held under every profile."""
    known = profiles()
    words = sys.argv[1:]
    split = words.index("--") if "--" in words else len(words)
    parser = argparse.ArgumentParser(usage="claims.py [PROFILE ...] [-- PAGE ...]", description=__doc__.splitlines()[0])
    parser.add_argument("profile", nargs="*", help=f"of {', '.join(known)} (default: all)")
    parser.add_argument("--export", action="store_true", help="write the variables of the profiles for a shell to read")
    options = parser.parse_args(words[:split])
    names = options.profile or list(known)
    if unknown := set(names) - set(known):
        parser.error(f"there is no profile {', '.join(sorted(unknown))}: choose from {', '.join(known)}")
    if options.export:
        print(
            "\n".join(
                f"export {key}={shlex.quote(value)}" for name in names for key, value in known[name].kernels.items()
            )
        )
        return 0
    pages = {path.stem: path for path in with_cells()}
    asked = [Path(word).stem for word in words[split + 1 :]] or list(pages)
    if unknown := set(asked) - set(pages):
        parser.error(f"no page with cells is called {', '.join(sorted(unknown))}: choose from {', '.join(pages)}")
    paths = [pages[word] for word in asked]
    wrong, summary = 0, []
    for name in names:
        shift, kernels = known[name]
        rewrite = (lambda code, shift=shift: moved(code, shift)) if shift else None
        results = execute(paths, environment=kernels, rewrite=rewrite, go_on=True)
        text, count = report(name, results)
        print(text, flush=True)
        summary.append(text.splitlines()[0])
        wrong += count
    if len(names) > 1:
        print("\n" + "\n".join(summary))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
