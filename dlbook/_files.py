"""The files behind the datasets: verified before they are read, unpacked once, downloaded only when asked for.

A packed file lies in the package; its arrays are unpacked into the user's cache folder the first time, and mapped
copy-on-write after that: a second process reads MNIST in a fraction of the second that LZMA costs, and a caller may
write to what it got without anyone else seeing it.
"""

import hashlib
import os
import threading
import warnings
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path

HERE = Path(__file__).parent / "data"

SHA256 = {  # of the files in dlbook/data; README.md beside them says where each comes from
    "cifar10_test_1000.webp": "997616cf5c628251b12af6c62ebe56b3ccbe7aaa8c6f884a196e0f456bfba7de",
    "cifar10_test_1000_labels.npy": "b610b13b594a8a62e079bb719f76c60d8a4da7c5187f331ac924701b96b4a40c",
    "cifar10_train_5000.webp": "ae0145914590bc0d4ea9595a6d4e3ce4806063886120a3b7b6576a7bc936049b",
    "cifar10_train_5000_labels.npy": "4c32e369604aa65877320c5cacca51427f83e2f6b5791da0504702010cee24db",
    "glove_100d_20k.npz": "acb1611f1207f272daac0299b484d58e0f97d04141a115a254abc0095cc35a2e",
    "imagenet_names.txt": "acf75ef0abe89694b19056e0796401068b459c457baa30335f240c7692857355",
    "kjv.txt.xz": "baaeeb983dcd77d29fe90aa9c0d029ac7ad8dcb1be68fd1aeafba56a1a0d1c37",
    "mnist.npz": "a7ca5941ed14a4e275a85c70d92dc1ec30216050a9a8efb4cd648939b6ce6b80",
    "speech_8khz_mulaw.npz": "c4cd105343bc0b42893e45fc8f508e9e204f6da0ce5f67514a26f22b00473005",
    "tatoeba_en_fr.tsv.xz": "031b592d74e33905667274d97ebed0b1b6823edf7770f4fe57e9fdd6acd27d7c",
}


class DamagedFileError(ValueError):
    """A data file is missing, truncated or altered; the message names it and the remedy."""


def cache_folder() -> Path:
    """Return where unpacked arrays and downloads are kept: ``DLBOOK_CACHE``, else the system's cache folder."""
    return Path(os.environ.get("DLBOOK_CACHE") or user_cache_path("dlbook"))


def verified(name: str) -> Path:
    """Return the path of a packed data file, after comparing its SHA-256 with the one recorded here.

    Raises
    ------
    DamagedFileError
        If the file is missing or its bytes are not those that were shipped.

    Examples
    --------
    >>> verified("kjv.txt.xz").name
    'kjv.txt.xz'
    """
    return _verified(HERE / name, SHA256[name], _state(HERE / name))


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what tells one version of a file from another, so that each version is read and checked once a process."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


@cache
def _verified(path: Path, expected: str, state: tuple[int, int, int] | None) -> Path:
    remedy = "reinstall dlbook (pip install --force-reinstall --no-deps dlbook), or in a checkout: git checkout it"
    if state is None:
        raise DamagedFileError(f"the data file {path} is missing: {remedy}")
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != expected:
        raise DamagedFileError(
            f"the data file {path} is damaged: {state[0]} bytes with SHA-256 {found[:12]}..., expected "
            f"{expected[:12]}...: {remedy}"
        )
    return path


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then move it there in one step.

    Whoever reads ``path`` sees the old file or the new one, never a part; if ``write`` fails, ``path`` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}.part")  # one writer each
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def member(name: str, key: str) -> np.ndarray:
    """Return the array ``key`` of the packed ``.npz`` file ``name``: a private copy, which the caller may change.

    Raises
    ------
    DamagedFileError
        If the packed file is damaged. A damaged unpacked copy is silently made anew.
    """
    packed = verified(name)

    def unpack() -> np.ndarray:
        with np.load(packed) as arrays:
            return arrays[key]

    return unpacked(f"{packed.stem}-{SHA256[name][:12]}-{key}", unpack)


def unpacked(name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
    """Return the array that ``make`` computes, from the cache folder if it is there and sound.

    Parameters
    ----------
    name : str
        Of the cached file, without suffix; it must change when what ``make`` computes changes.
    make : callable
        Takes nothing and returns an array.

    Returns
    -------
    array
        Mapped copy-on-write: what the caller writes stays in this process and in this array.
    """
    path = cache_folder() / f"{name}.npy"
    seal = path.with_suffix(".crc32")  # written last: an array without its seal is never read
    if not _sound(path, seal, _state(path)):
        array = make()
        try:
            write_atomically(path, lambda part: _save(part, array))
            write_atomically(seal, lambda part: write_text(part, f"{zlib.crc32(path.read_bytes()):08x}"))
        except OSError as error:
            warnings.warn(f"cannot write {path} ({error}): the next process unpacks it again", stacklevel=2)
            return array
    return np.load(path, mmap_mode="c")


@cache
def _sound(path: Path, seal: Path, state: tuple[int, int, int] | None) -> bool:
    if state is None or not seal.exists():
        return False
    return f"{zlib.crc32(path.read_bytes()):08x}" == seal.read_text()


def _save(path: Path, array: np.ndarray) -> None:
    with path.open("wb") as file:  # np.save would add a suffix to a path
        np.save(file, array)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, and return nothing: what :func:`write_atomically` wants of its callback."""
    path.write_text(text, encoding="utf8")
