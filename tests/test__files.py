"""Packed files: verified before they are read, unpacked once, written in one step."""

import hashlib
import time
from pathlib import Path

import numpy as np
import pytest

from dlbook import _files as files
from dlbook.data import mnist


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a data folder with one small packed file in it, of which the checksum is recorded."""
    path = tmp_path / "toy.npz"
    np.savez_compressed(path, x=np.arange(7), y=np.zeros(3))
    monkeypatch.setattr(files, "HERE", tmp_path)
    monkeypatch.setattr(files, "SHA256", {"toy.npz": hashlib.sha256(path.read_bytes()).hexdigest()})
    return path


@pytest.mark.parametrize("name", files.SHA256)
def test_every_shipped_file_has_its_recorded_checksum(name):
    assert hashlib.sha256((files.HERE / name).read_bytes()).hexdigest() == files.SHA256[name]


def test_nothing_else_is_shipped_and_all_stays_under_32_mb():
    shipped = {p.name for p in files.HERE.iterdir() if p.suffix in (".npz", ".webp", ".npy", ".xz", ".txt")}
    assert shipped == set(files.SHA256)
    assert sum((files.HERE / name).stat().st_size for name in shipped) < 32e6


def test_a_truncated_file_is_named_with_the_remedy(shelf, own_cache):
    shelf.write_bytes(shelf.read_bytes()[:-1])
    with pytest.raises(files.DamagedFileError, match=r"toy\.npz is damaged.*reinstall dlbook"):
        files.member("toy.npz", "x")


def test_one_flipped_bit_is_noticed_even_after_a_good_read(shelf, own_cache):
    assert files.member("toy.npz", "x").tolist() == list(range(7))
    raw = bytearray(shelf.read_bytes())
    raw[40] ^= 1
    shelf.write_bytes(raw)
    with pytest.raises(files.DamagedFileError, match="damaged"):
        files.member("toy.npz", "x")


def test_a_missing_file_is_named(shelf, own_cache):
    shelf.unlink()
    with pytest.raises(files.DamagedFileError, match=r"toy\.npz is missing"):
        files.verified("toy.npz")


def test_a_damaged_unpacked_copy_is_made_anew(shelf, own_cache):
    files.member("toy.npz", "x")
    (copy,) = own_cache.glob("toy-*-x.npy")
    raw = bytearray(copy.read_bytes())
    raw[-1] ^= 1
    copy.write_bytes(raw)
    assert files.member("toy.npz", "x").tolist() == list(range(7))


def test_an_unpacked_copy_without_its_seal_is_not_read(shelf, own_cache):
    own_cache.mkdir()
    name = f"toy-{files.SHA256['toy.npz'][:12]}-x"
    np.save(own_cache / f"{name}.npy", np.full(7, 99))  # as if the process was killed before it wrote the seal
    assert files.member("toy.npz", "x").tolist() == list(range(7))


def test_callers_may_change_what_they_get(shelf, own_cache):
    first = files.member("toy.npz", "x")
    first[:] = -1
    assert files.member("toy.npz", "x").tolist() == list(range(7))


def test_an_unwritable_cache_warns_and_still_works(shelf, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("DLBOOK_CACHE", str(tmp_path / "file" / "below"))
    with pytest.warns(UserWarning, match="cannot write"):
        assert files.member("toy.npz", "x").tolist() == list(range(7))


def test_a_written_file_has_the_rights_of_any_new_file(tmp_path):
    files.write_atomically(tmp_path / "ours", lambda part: files.write_text(part, "é"))
    (tmp_path / "plain").write_text("é")
    assert (tmp_path / "ours").read_bytes() == "é".encode()
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "kept"
    target.write_text("old")

    def fails(part: Path) -> None:
        part.write_text("half of the ne")
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="disk is full"):
        files.write_atomically(target, fails)
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["kept"]


def test_mnist_costs_nothing_the_second_time():
    mnist()
    start = time.process_time()
    mnist()
    assert time.process_time() - start < 0.1  # measured: about 0.01 s; unpacking costs over a second
