"""What a chapter's outputs depend on besides its cells: the modules it imports, directly or through others, and data.

Everything is read from the sources; nothing is imported, so asking costs milliseconds.
"""

import ast
import hashlib
import os
import platform
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from dlbook._files import HERE as DATA
from dlbook._files import SHA256

ROOT = Path(__file__).parents[2]
PACKAGE = "dlbook"


def closure(code: str, root: Path = ROOT) -> list[Path]:
    """Return the source files of the package that running ``code`` reads, sorted.

    A name that a package's ``__init__`` only passes on (``from dlbook.data import mnist``) counts as its own module:
    the siblings that it is passed on beside cannot change what it does. The ``__init__`` of every parent counts too.

    Parameters
    ----------
    code : str
        Python, IPython's magics allowed.
    root : Path
        Folder that holds the package.
    """
    todo, seen = list(_imports(code, "", root)), set[Path]()
    while todo:
        name = todo.pop()
        parents = [".".join(name.split(".")[:n]) for n in range(1, name.count(".") + 1)]
        for parent in parents:
            seen.add(_path(parent, root) or root)
        path = _path(name, root)
        if path is None or path in seen:
            continue
        seen.add(path)
        if path.name != "__init__.py":
            todo += _imports(path.read_text(encoding="utf8"), name, root)
    return sorted(seen - {root})


def _path(module: str, root: Path) -> Path | None:
    base = root.joinpath(*module.split("."))
    candidates = (base.with_suffix(".py"), base / "__init__.py")
    return next((path for path in candidates if path.exists()), None)


def _imports(code: str, module: str, root: Path) -> Iterator[str]:
    """Yield the modules of the package that ``code``, the text of ``module``, imports anywhere in it."""
    for node in ast.walk(_parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _ours(alias.name))
        elif isinstance(node, ast.ImportFrom):
            up = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*up, *([node.module] if node.module else [])])
            if _ours(base):
                yield from (_home(base, alias.name, root) for alias in node.names)


def _ours(name: str) -> bool:
    return name.split(".")[0] == PACKAGE


def _parse(code: str) -> ast.Module:
    lines = ["pass" if line.lstrip().startswith(("%", "!")) else line for line in code.splitlines()]
    return ast.parse("\n".join(lines))


def _home(base: str, name: str, root: Path) -> str:
    """Return the module that ``from base import name`` takes ``name`` from."""
    if _path(f"{base}.{name}", root):
        return f"{base}.{name}"
    path = _path(base, root)
    if path is not None and path.name == "__init__.py":
        for node in _parse(path.read_text(encoding="utf8")).body:
            if not (isinstance(node, ast.ImportFrom) and node.module and _ours(node.module)):
                continue
            if any((alias.asname or alias.name) == name for alias in node.names):
                return node.module
    return base


def data_files(sources: Iterable[Path]) -> list[Path]:
    """Return the packed data files that one of the modules ``sources`` names, sorted."""
    named = set()
    for path in sources:
        if path == DATA.with_name("_files.py"):
            continue  # the table of checksums names them all
        constants = (
            node.value for node in ast.walk(_parse(path.read_text(encoding="utf8"))) if isinstance(node, ast.Constant)
        )
        # a file name, or the beginning of one that the code completes: "cifar10_train_5000"
        starts = {
            word for word in constants if isinstance(word, str) and ("." in word or "_" in word) and len(word) > 7
        }
        named |= {file for file in SHA256 if any(file.startswith(start) for start in starts)}
    return [DATA / name for name in sorted(named)]


def fingerprint(code: str, lock: Path | None = None) -> str:
    """Return a hash of all that the outputs of ``code`` depend on besides ``code`` itself.

    It covers the import closure (a docstring or comment in it changes nothing), the data files that the closure names,
    the lock file, the version of Python, and whether the budgets are those of a GPU.

    Parameters
    ----------
    code : str
        All code cells of a chapter.
    lock : Path, optional
        The file of pinned versions; without one, nothing of them is covered.
    """
    digest = hashlib.sha256(f"{platform.python_version()} {os.environ.get('DLBOOK_DEVICE', '')}".encode())
    sources = closure(code)
    for path in [*sources, *data_files(sources), *([lock] if lock and lock.exists() else [])]:
        digest.update(f"{path.name} {_digest(path, path.stat().st_mtime_ns, path.stat().st_size)}".encode())
    return digest.hexdigest()


@cache
def _digest(path: Path, modified: int, size: int) -> str:
    content = path.read_bytes()
    return hashlib.sha256(meaning(content) if path.suffix == ".py" else content).hexdigest()


def meaning(source: bytes) -> bytes:
    r"""Return a module without what changes no output: comments, docstrings and how its lines are broken.

    Examples
    --------
    >>> meaning(b"def f(x):\n    'Double.'\n    return 2 * x") == meaning(b"def f( x ):\n    return 2*x  # twice")
    True
    """
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree).encode()
