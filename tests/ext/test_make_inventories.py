from pathlib import Path

import pytest
import sphobjinv

from make_inventories import MATPLOTLIB, NUMPY, TORCH, entries  # isort: skip

FOLDER = Path(__file__).parent.parent.parent / "book" / "_inv"
# name: address of its page, as found in stored copies of the projects' documentation
KNOWN = {
    "torch": {
        "torch.nn.Linear": "generated/torch.nn.Linear.html#torch.nn.Linear",
        "torch.nn.modules.linear.Linear": "generated/torch.nn.Linear.html#torch.nn.Linear",
        "torch.Tensor": "tensors.html#torch.Tensor",
        "torch.nn.init.xavier_uniform_": "nn.init.html#torch.nn.init.xavier_uniform_",
    },
    "numpy": {
        "numpy.linalg.norm": "reference/generated/numpy.linalg.norm.html#numpy.linalg.norm",
        "numpy.typing.NDArray": "reference/typing.html#numpy.typing.NDArray",
        "numpy.float64": "reference/arrays.scalars.html#numpy.float64",
    },
    "matplotlib": {
        "matplotlib.axes.Axes.imshow": "api/_as_gen/matplotlib.axes.Axes.imshow.html#matplotlib.axes.Axes.imshow",
        "matplotlib.pyplot.imshow": "api/_as_gen/matplotlib.pyplot.imshow.html#matplotlib.pyplot.imshow",
    },
    "python": {"pathlib.Path": "library/pathlib.html#pathlib.Path", "print": "library/functions.html#print"},
}


@pytest.mark.parametrize("project", KNOWN)
def test_the_stored_inventories_lead_to_known_pages(project: str):
    inventory = sphobjinv.Inventory(str(FOLDER / f"{project}.inv"))
    pages = {entry.name: entry.uri.replace("$", entry.name) for entry in inventory.objects if entry.domain == "py"}
    for name, page in KNOWN[project].items():
        assert pages[name] == page


@pytest.mark.parametrize(("project", "modules"), [("torch", TORCH), ("numpy", NUMPY), ("matplotlib", MATPLOTLIB)])
def test_what_is_written_anew_has_the_same_pattern(project: str, modules: dict[str, str]):
    found = entries(modules, project)
    for name, page in KNOWN[project].items():
        assert found[name][1] == page
    assert not any(name.split(".")[-1].startswith("__") for name in found)
