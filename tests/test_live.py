"""Arrays reach a live figure bit for bit, and what it cannot read is refused."""

import ast
import base64
import json
import math

import numpy as np
import pytest
import torch

from dlbook import glue
from dlbook.live import live


class Notebook:
    """What IPython would be asked to display."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.outputs = []
        monkeypatch.setattr(glue, "get_ipython", lambda: self)
        monkeypatch.setattr(glue, "display", lambda data, raw, metadata=None: self.outputs.append((data, metadata)))


def exported(notebook: Notebook) -> dict:
    """Return what the last call of ``live`` put on record, as the build reads it."""
    ((data, metadata),) = notebook.outputs
    assert metadata["scrapbook"]["live"] == "small"
    return json.loads(ast.literal_eval(data["application/papermill.record/text/plain"]))


def test_arrays_for_a_live_figure_come_back_bit_for_bit(monkeypatch):
    notebook = Notebook(monkeypatch)
    weights = torch.randn(3, 2, generator=torch.Generator().manual_seed(0))
    images = np.arange(6, dtype=np.uint8).reshape(2, 3)
    live(
        "small",
        weights={"w": weights},
        images=images,
        classes=[torch.tensor([1, -2]), 3, "x", None],
        rate=np.float64(0.5),
    )
    found = exported(notebook)
    back = np.frombuffer(base64.b64decode(found["weights"]["w"]["f32"]), "<f4").reshape(3, 2)
    assert (back == weights.numpy()).all()
    assert found["images"] == {"shape": [2, 3], "u8": base64.b64encode(bytes(range(6))).decode()}
    assert np.frombuffer(base64.b64decode(found["classes"][0]["i32"]), "<i4").tolist() == [1, -2]
    assert (found["classes"][1:], found["rate"]) == ([3, "x", None], 0.5)


def test_half_precision_takes_two_bytes_a_number(monkeypatch):
    notebook = Notebook(monkeypatch)
    live("small", half=True, weights=np.array([1.0, 1 / 3]))
    stored = base64.b64decode(exported(notebook)["weights"]["f16"])
    assert np.frombuffer(stored, "<f2").tolist() == [1.0, float(np.float16(1 / 3))]


@pytest.mark.parametrize("value", [object(), np.array(["a"]), np.array([1.0, math.nan]), {"a": [object()]}])
def test_what_a_live_figure_cannot_read_is_refused(value):
    with pytest.raises(ValueError, match="live figure"):
        live("small", x=value)


def test_a_number_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="not JSON compliant"):
        live("small", x=math.inf)
    with pytest.raises(ValueError, match="finite"):
        live("small", half=True, x=np.array([1e6]))  # too large for 16 bits


def test_what_numpy_has_no_type_for_or_too_few_bits_is_widened_or_refused(monkeypatch):
    notebook = Notebook(monkeypatch)
    live("small", weights=torch.tensor([1.5, -2.0], dtype=torch.bfloat16))
    assert np.frombuffer(base64.b64decode(exported(notebook)["weights"]["f32"]), "<f4").tolist() == [1.5, -2.0]
    with pytest.raises(ValueError, match="fits into i32"):
        live("small", x=np.array([2**40]))
