"""Image sets against their published counts, and against the copies that scikit-learn and Debian ship."""

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlbook.data import CIFAR10_CLASSES, DamagedFileError, cifar10, fashion_mnist, images, mnist

# LeCun's page: the training digits per class; the raw file's MD5 is quoted by every loader of the last twenty years
MNIST_TRAIN = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
MNIST_TEST = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_mnist_has_the_published_counts_shapes_and_pixels():
    data = mnist()
    assert data.x_train.dtype == torch.uint8
    assert data.x_train.shape == (60_000, 1, 28, 28)
    assert data.x_test.shape == (10_000, 1, 28, 28)
    assert data.y_train.dtype == torch.int64
    assert data.y_train.bincount().tolist() == MNIST_TRAIN
    assert data.y_test.bincount().tolist() == MNIST_TEST
    # the mean that a thousand programs normalize by
    assert data.x_train.double().mean().item() / 255 == pytest.approx(0.1306604762738429, abs=1e-12)


def test_mnist_images_are_those_of_the_canonical_file():
    header = np.array([0x803, 60_000, 28, 28], dtype=">i4").tobytes()
    raw = header + mnist().x_train.numpy().tobytes()
    assert hashlib.md5(raw).hexdigest() == "6bbc9ace898e44ae57da46a324031adb"


def test_mnist_can_be_changed_by_one_caller_without_another_seeing_it():
    mine = mnist()
    mine.x_train.zero_()
    assert mnist().x_train.any()


def test_cifar10_subset_has_500_and_100_a_class():
    data = cifar10()
    assert data.x_train.shape == (5000, 3, 32, 32)
    assert data.x_test.shape == (1000, 3, 32, 32)
    assert data.y_train.bincount().tolist() == [500] * 10
    assert data.y_test.bincount().tolist() == [100] * 10


def test_cifar10_tiles_are_cut_where_the_mosaic_has_them():
    with Image.open(images.verified("cifar10_test_1000.webp")) as mosaic:
        # tile 237 stands in row 2, column 37 of a mosaic of 100 a row
        expected = np.asarray(mosaic.convert("RGB"))[64:96, 37 * 32 : 38 * 32]
    assert np.array_equal(cifar10().x_test[237].permute(1, 2, 0).numpy(), expected)


def test_cifar10_frogs_are_greener_than_ships_and_ships_bluer():
    data = cifar10()
    mean = {name: data.x_train[data.y_train == i].double().mean((0, 2, 3)) for i, name in enumerate(CIFAR10_CLASSES)}
    assert mean["ship"][2] > mean["ship"][0]  # blue over red: sky and water
    assert mean["frog"][0] > mean["frog"][2]


def test_full_cifar10_reads_the_binary_format(own_cache, monkeypatch):
    # one record: a label byte, then 1,024 bytes each of red, green, blue
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (60_000, 3073), dtype=np.uint8)
    records[:, 0] %= 10
    monkeypatch.setattr(images, "unpacked", lambda name, make: records)
    data = cifar10(full=True)
    assert data.x_train.shape == (50_000, 3, 32, 32)
    assert data.x_train[7, 2, 0, 5] == records[7, 1 + 2 * 1024 + 5]
    assert data.y_test[9] == records[50_009, 0]


@pytest.fixture
def small_fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Put IDX files of random bytes where Debian would, with their true checksums recorded."""
    rng, made, sums = np.random.default_rng(1), {}, {}
    shapes = [(60_000, 28, 28), (60_000,), (10_000, 28, 28), (10_000,)]
    for name, shape in zip(images._FASHION, shapes, strict=True):
        content = rng.integers(0, 10, shape, dtype=np.uint8)
        header = bytes([0, 0, 8, len(shape)]) + np.array(shape, dtype=">i4").tobytes()
        (tmp_path / name).write_bytes(gzip.compress(header + content.tobytes(), 1))
        made[name], sums[name] = content, ("unused", hashlib.sha256(header + content.tobytes()).hexdigest())
    monkeypatch.setattr(images, "_FASHION", sums)
    monkeypatch.setattr(images, "_FASHION_DEBIAN", tmp_path)
    return made


def test_fashion_mnist_reads_idx_files(small_fashion, own_cache):
    data = fashion_mnist()
    assert torch.equal(data.x_train[:, 0], torch.from_numpy(small_fashion["train-images-idx3-ubyte.gz"]))
    assert torch.equal(data.y_test, torch.from_numpy(small_fashion["t10k-labels-idx1-ubyte.gz"]).long())


def test_fashion_mnist_refuses_other_content(small_fashion, own_cache, monkeypatch):
    name = "train-labels-idx1-ubyte.gz"
    monkeypatch.setitem(images._FASHION, name, ("unused", "0" * 64))
    with pytest.raises(DamagedFileError, match=name):
        fashion_mnist()


@pytest.mark.skipif(not images._FASHION_DEBIAN.exists(), reason="Debian's dataset-fashion-mnist is not installed")
def test_fashion_mnist_has_the_published_counts():
    data = fashion_mnist()
    assert data.y_train.bincount().tolist() == [6000] * 10
    assert data.y_test.bincount().tolist() == [1000] * 10
