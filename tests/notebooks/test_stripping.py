"""What only serves the page leaves the cells; tests/notebooks/test_export.py has what Jupyter folds."""

import pytest

from dlbook.notebooks.stripping import without_glue


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("from dlbook.glue import glue\nglue('a', 'b')", ""),
        ("from dlbook.glue import claim, glue\nclaim(1 < 2, 'less')", "from dlbook.glue import claim\nclaim(1 < 2, 'less')"),
        ("from dlbook.glue import (\n    claim,\n    glue,\n)\nx = 1", "from dlbook.glue import claim\nx = 1"),
        ("for k in range(2):\n    if k:\n        glue('a', f'{k}')\nx = 1", "x = 1"),
        ("for k in range(2):\n    claim(k < 2, 'few')\n    glue('a', f'{k}')", "for k in range(2):\n    claim(k < 2, 'few')"),
        ("from dlbook.live import live\nlive('a', x=[1])\nx = 1", "x = 1"),
        ("from rich import live\nx = 1", "from rich import live\nx = 1"),
        ("x = 1  # glue\nclaim(x, 'glue(')", "x = 1  # glue\nclaim(x, 'glue(')"),
    ],
)  # fmt: skip
def test_glue_is_dropped_and_claims_stay(code, left):
    assert without_glue(code) == left
