"""`make mutate MODULE=dlbook/...`: plant faults in one module with mutmut and list those that its test does not see.

    python tests/mutate.py dlbook/perceptron/perceptron.py

mutmut works on a copy in a temporary folder, which holds the package, the module's test and no chapter.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent

CONFIG = """
[tool.mutmut]
source_paths = ["dlbook"]
only_mutate = ["{module}"]
also_copy = ["tests", "dlbook"]
pytest_add_cli_args_test_selection = ["{test}"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-k", "not compile"]  # torch.compile cannot trace a planted function

[tool.pytest.ini_options]
addopts = ["--import-mode=importlib"]
pythonpath = ["tests"]
markers = ["site: looks at the built site in a browser"]
"""


def main(module: str) -> int:
    """Return 0 if every fault turned a test red, 1 after listing those that did not, 2 if none could be planted."""
    place = Path(module)
    test = Path("tests") / place.relative_to("dlbook").parent / f"test_{place.name}"
    if not (ROOT / place).exists() or not (ROOT / test).exists():
        print(f"{module} or its test {test} does not exist", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "dlbook", top / "dlbook", ignore=ignore)
        for name in (
            *map(Path, ("tests/conftest.py", "tests/common.py", "tests/pages.py", "tests/offline/sitecustomize.py")),
            test,
        ):
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, top / name)
        (top / "pyproject.toml").write_text(CONFIG.format(module=place, test=test))
        mutmut = str(Path(sys.executable).parent / "mutmut")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([mutmut, "run"], cwd=top, env=environment, check=False)
        found = subprocess.run(
            [mutmut, "results", "--all", "true"], cwd=top, env=environment, check=True, capture_output=True, text=True
        )
        fates = dict(line.strip().split(": ") for line in found.stdout.splitlines() if ": " in line)
        survived = [name for name, fate in fates.items() if fate == "survived"]
        for name in survived:
            subprocess.run([mutmut, "show", name], cwd=top, env=environment, check=False)
    if "killed" not in fates.values() and not survived:  # the test is red, or hangs, without any fault
        print(f"no fault could be tried: does {test} pass by itself?", file=sys.stderr)
        return 2
    print(
        f"{len(survived)} planted faults were seen by no test" if survived else "every planted fault turned a test red"
    )
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
