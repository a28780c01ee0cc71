"""The larger sets, fetched once from where their authors keep them: resumable, checked, and never half-loaded.

pooch keeps the cache and compares the SHA-256; the download itself is ours, since pooch starts again from zero where a
connection broke, and 170 MB over a train's network deserve better.
"""

import warnings
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from dlbook._files import DamagedFileError, cache_folder

__all__ = ["fetch"]


def fetch(name: str, url: str, sha256: str, *, instead: str) -> Path:
    """Return the path of a downloaded file, fetching it the first time and resuming where an earlier try broke off.

    Parameters
    ----------
    name : str
        Of the file in the cache folder.
    url : str
        Its canonical address.
    sha256 : str
        Of the whole file, in hexadecimal.
    instead : str
        What a reader without a network can use, as words that follow "or".

    Raises
    ------
    ConnectionError
        If it is not in the cache and cannot be fetched; the message says what was tried, where a copy fetched by other
        means belongs, and what to use instead.
    DamagedFileError
        If what arrived is not the file whose checksum is recorded here.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pooch asks for tqdm's widgets, which not every Jupyter has
        import pooch
    folder = cache_folder()
    try:
        path = pooch.retrieve(url, f"sha256:{sha256}", fname=name, path=folder, downloader=_resume)
    except requests.RequestException as error:
        raise ConnectionError(
            f"{name} is not in the cache, and fetching {url} failed ({type(error).__name__}). Fetch it by other means "
            f"and put it at {folder / name}, or {instead}."
        ) from error
    except ValueError as error:  # pooch: "hash of downloaded file does not match"
        raise DamagedFileError(f"what {url} sent is not {name}: {error}") from error
    return Path(path)


def _resume(url: str, output: Any, pooch: Any) -> None:
    """Download ``url``; pooch's ``output`` is a temporary file, so the part that survives a break lies beside it."""
    part = Path(output).parent / (url.rsplit("/", 1)[-1] + ".incomplete")
    have = part.stat().st_size if part.exists() else 0
    with requests.get(url, stream=True, timeout=30, headers={"Range": f"bytes={have}-"} if have else {}) as reply:
        if reply.status_code != 416:  # 416: nothing is left to send, the part is whole
            reply.raise_for_status()
            if reply.status_code != 206:
                have = 0  # the server sends it all again
            total = have + int(reply.headers.get("Content-Length", 0))
            with (
                part.open("ab" if have else "wb") as file,
                tqdm(total=total or None, initial=have, unit="B", unit_scale=True, desc=part.stem) as bar,
            ):
                for chunk in reply.iter_content(1 << 16):
                    file.write(chunk)
                    bar.update(len(chunk))
            if total > part.stat().st_size:
                raise requests.ConnectionError(f"{url} broke off at {part.stat().st_size} of {total} bytes")
    part.replace(output)
