"""Write the inventories by which names of other projects become links, without asking the network.

    python book/_ext/make_inventories.py [--python OBJECTS_INV]

Sphinx reads a project's inventory from its site; a build of this book must not need one.  Python's own is in Debian's
package ``python3.11-doc`` and is taken as it is.  PyTorch's, NumPy's and Matplotlib's come in no package: they are
written here from the installed modules, with the pattern that each project gives its pages.  Sphinx prints some names
by the module that defines them (``torch.nn.modules.module.Module``); these lead to the documented page too.
"""

import argparse
import inspect
import shutil
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy
import sphobjinv

FOLDER = Path(__file__).parent.parent / "_inv"

# module: where its functions and classes have their pages; "{name}" is the full name
TORCH = {
    "torch": "generated/{name}.html",
    "torch.nn": "generated/{name}.html",
    "torch.nn.functional": "generated/{name}.html",
    "torch.nn.utils": "generated/{name}.html",
    "torch.nn.init": "nn.init.html",
    "torch.optim": "generated/{name}.html",
    "torch.optim.lr_scheduler": "generated/{name}.html",
    "torch.linalg": "generated/{name}.html",
    "torch.autograd": "generated/{name}.html",
    "torch.utils.data": "data.html",
    "torch.testing": "testing.html",
}
NUMPY = {
    "numpy": "reference/generated/{name}.html",
    "numpy.linalg": "reference/generated/{name}.html",
    "numpy.fft": "reference/generated/{name}.html",
    "numpy.testing": "reference/generated/{name}.html",
    "numpy.lib.stride_tricks": "reference/generated/{name}.html",
    "numpy.random": "reference/random/generated/{name}.html",
}
MATPLOTLIB = {"matplotlib.pyplot": "api/_as_gen/{name}.html"}
CLASSES = {  # with their methods; the page of the class, and of a method
    "torch.Tensor": ("tensors.html", "generated/{name}.html"),
    "torch.nn.Module": ("generated/torch.nn.Module.html", "generated/torch.nn.Module.html"),
    "torch.optim.Optimizer": ("optim.html", "generated/{name}.html"),
    "torch.Generator": ("generated/torch.Generator.html", "generated/torch.Generator.html"),
    "numpy.ndarray": ("reference/generated/{name}.html", "reference/generated/{name}.html"),
    "numpy.random.Generator": ("reference/random/generator.html", "reference/random/generated/{name}.html"),
    "matplotlib.axes.Axes": ("api/_as_gen/{name}.html", "api/_as_gen/{name}.html"),
    "matplotlib.figure.Figure": ("api/_as_gen/{name}.html", "api/_as_gen/{name}.html"),
}
SINGLE = {  # (role, page) of names that introspection does not find or finds elsewhere
    "torch.dtype": ("class", "tensor_attributes.html"),
    "torch.device": ("class", "tensor_attributes.html"),
    "torch": ("module", "torch.html"),
    "torch.nn": ("module", "nn.html"),
    "torch.nn.functional": ("module", "nn.functional.html"),
    "torch.nn.init": ("module", "nn.init.html"),
    "torch.optim": ("module", "optim.html"),
    "torch.linalg": ("module", "linalg.html"),
    "torch.autograd": ("module", "autograd.html"),
    "torch.utils.data": ("module", "data.html"),
    "torch.testing": ("module", "testing.html"),
    "numpy": ("module", "reference/index.html"),
    "numpy.linalg": ("module", "reference/routines.linalg.html"),
    "numpy.random": ("module", "reference/random/index.html"),
    "numpy.typing": ("module", "reference/typing.html"),
    "numpy.typing.ArrayLike": ("class", "reference/typing.html"),
    "numpy.typing.NDArray": ("class", "reference/typing.html"),
    "matplotlib": ("module", "api/matplotlib_configuration_api.html"),
    "matplotlib.pyplot": ("module", "api/pyplot_summary.html"),
    "matplotlib.colors.LinearSegmentedColormap": (
        "class",
        "api/_as_gen/matplotlib.colors.LinearSegmentedColormap.html",
    ),
    "matplotlib.colors.Colormap": ("class", "api/_as_gen/matplotlib.colors.Colormap.html"),
    "matplotlib.patheffects.withStroke": ("class", "api/patheffects_api.html"),
}


def role(member: Any) -> str:
    """Return the role by which Sphinx's Python domain knows a member."""
    if inspect.isclass(member):
        return "exception" if issubclass(member, BaseException) else "class"
    return "function"


def members(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module that say what they are."""
    for name, member in sorted(vars(module).items()):
        if name.startswith("_") or inspect.ismodule(member) or not callable(member):
            continue
        home = getattr(member, "__module__", None) or module.__name__
        if home.split(".")[0] == module.__name__.split(".")[0] and getattr(member, "__doc__", None):
            yield name, member


def entries(modules: dict[str, str], project: str) -> dict[str, tuple[str, str]]:
    """Return name -> (role, page#anchor) for a project."""
    found: dict[str, tuple[str, str]] = {}
    for module_name, page in modules.items():
        for name, member in members(import_module(module_name)):
            full = f"{module_name}.{name}"
            scalar = inspect.isclass(member) and issubclass(member, numpy.generic)
            own_page = "reference/arrays.scalars.html" if scalar else page.format(name=full)
            place = (role(member), f"{own_page}#{full}")
            found[full] = place
            defined = f"{getattr(member, '__module__', module_name)}.{getattr(member, '__qualname__', name)}"
            found.setdefault(defined, place)
    for full, (page, method_page) in CLASSES.items():
        if full.startswith(project):
            found |= of_class(full, page, method_page)
    for full, (kind, page) in SINGLE.items():
        if full.split(".")[0] == project:
            found[full] = (kind, page if kind == "module" else f"{page}#{full}")
    return found


def of_class(full: str, page: str, method_page: str) -> dict[str, tuple[str, str]]:
    """Return the entries of a class and of its public methods."""
    module_name, name = full.rsplit(".", 1)
    cls = getattr(import_module(module_name), name)
    place = ("class", f"{page.format(name=full)}#{full}")
    found = {full: place, f"{cls.__module__}.{cls.__qualname__}": place}
    for method_name in dir(cls):
        method = inspect.getattr_static(cls, method_name)
        if not method_name.startswith("_") and getattr(method, "__doc__", None):
            method_full = f"{full}.{method_name}"
            kind = "method" if callable(method) else "attribute"
            found[method_full] = (kind, f"{method_page.format(name=method_full)}#{method_full}")
    return found


def write(project: str, modules: dict[str, str]) -> int:
    """Write one inventory; return the number of its names."""
    inventory = sphobjinv.Inventory()
    inventory.project, inventory.version = project, version(project).split("+")[0]
    found = entries(modules, project)
    for name, (kind, uri) in sorted(found.items()):
        shortened = uri.removesuffix(name) + "$" if uri.endswith(name) else uri
        entry = sphobjinv.DataObjStr(name=name, domain="py", role=kind, priority="1", uri=shortened, dispname="-")
        inventory.objects.append(entry)
    target = FOLDER / f"{project}.inv"
    sphobjinv.writebytes(str(target), sphobjinv.compress(inventory.data_file()))
    return len(found)


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", type=Path, help="Python's objects.inv, from its documentation")
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if options.python:
        shutil.copy(options.python, FOLDER / "python.inv")
    writers: dict[str, Callable[[], int]] = {
        "torch": lambda: write("torch", TORCH),
        "numpy": lambda: write("numpy", NUMPY),
        "matplotlib": lambda: write("matplotlib", MATPLOTLIB),
    }
    for project, writer in writers.items():
        print(f"{project}: {writer()} names")


if __name__ == "__main__":
    main()
