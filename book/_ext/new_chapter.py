"""Begin a chapter that ``book/parts.yml`` names: its page, its module and its test, in the shape that they have here.

    python book/_ext/new_chapter.py PART NAME [--module MODULE]

What it writes runs; `tests/test_structure.py` then says what a chapter still lacks.
"""

import argparse
import keyword
import sys
from pathlib import Path

from contents import ROOT, write
from dlbook._files import write_atomically, write_text
from website.parts import read_parts

TEMPLATES = Path(__file__).with_name("templates")


def begin(part: str, name: str, module: str | None = None, root: Path = ROOT) -> list[Path]:
    """Write the files and return their paths.

    Raises
    ------
    ValueError
        If the list of parts has no such chapter, or one of the files exists already. Then nothing is written.
    """
    parts = {found.name: found for found in read_parts()}
    if part not in parts:
        raise ValueError(f"there is no part {part!r} in book/parts.yml: there are {', '.join(parts)}")
    if name not in parts[part].chapters:
        known = ", ".join(parts[part].chapters)
        raise ValueError(f"book/parts.yml plans no chapter {name!r} in {part}, but {known}: add a line there first")
    module = module or name.replace("-", "_")
    if not module.isidentifier() or keyword.iskeyword(module):
        raise ValueError(f"a module has a name as Python wants it, found {module!r}")
    words = {"@PART@": part, "@NAME@": name, "@MODULE@": module, "@TITLE@": parts[part].chapters[name]}
    targets = {
        root / "book" / part / f"{name}.md": "chapter.md",
        root / "dlbook" / part / f"{module}.py": "module.py.in",
        root / "tests" / part / f"test_{module}.py": "test.py.in",
    }
    there = [str(path.relative_to(root)) for path in targets if path.exists()]
    if there:
        raise ValueError(f"{', '.join(there)} exists already: nothing was written")
    for path, template in targets.items():
        text = (TEMPLATES / template).read_text("utf8")
        for place, word in words.items():
            text = text.replace(place, word)
        write_atomically(path, lambda part, text=text: write_text(part, text))  # type: ignore[misc]
    package = root / "dlbook" / part / "__init__.py"
    if not package.exists():
        write_atomically(package, lambda file: write_text(file, f'"""{parts[part].about}"""\n'))
    return list(targets)


def main() -> int:
    """Read the names, write the files, and bring the contents up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", help="a part of book/parts.yml: regularization")
    parser.add_argument("name", help="a chapter of it: norm-penalties")
    parser.add_argument("--module", help="the module's name, if it is not the chapter's with underscores")
    options = parser.parse_args()
    try:
        for path in begin(options.part, options.name, options.module):
            print(f"wrote {path.relative_to(ROOT)}")
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    write()
    return 0


if __name__ == "__main__":
    sys.exit(main())
