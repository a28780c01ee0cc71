"""MNIST, Fashion-MNIST and CIFAR-10 as the tensors that their files hold: bytes, not yet scaled."""

import gzip
import hashlib
import tarfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from dlbook._files import SHA256, DamagedFileError, member, unpacked, verified
from dlbook.data.downloads import fetch

__all__ = ["CIFAR10_CLASSES", "FASHION_CLASSES", "Images", "cifar10", "fashion_mnist", "mnist"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FASHION_CLASSES = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

_FASHION_URL = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
_FASHION = {  # file: (SHA-256 of the archive, of its content)
    "train-images-idx3-ubyte.gz": (
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    ),
    "train-labels-idx1-ubyte.gz": (
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "t10k-images-idx3-ubyte.gz": (
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
_FASHION_DEBIAN = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist
_CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
_CIFAR10_SHA256 = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"


class Images(NamedTuple):
    """A labelled set of images, split as its authors split it."""

    x_train: Tensor  # uint8 (n, channels, height, width), 0 to 255
    y_train: Tensor  # int64 (n,)
    x_test: Tensor
    y_test: Tensor


def mnist() -> Images:
    """Return MNIST: 60,000 and 10,000 handwritten digits of 28 x 28 pixels (LeCun et al., 1998).

    Returns
    -------
    Images
        ``x`` uint8 (n, 1, 28, 28), 0 is paper and 255 ink; ``y`` int64 (n,), 0 to 9. Callers may change what they get.

    Raises
    ------
    DamagedFileError
        If the packed file is not the one that was shipped.

    Examples
    --------
    >>> mnist().x_train.shape
    torch.Size([60000, 1, 28, 28])
    """
    x_train, y_train, x_test, y_test = (
        torch.from_numpy(member("mnist.npz", key)) for key in ("x_train", "y_train", "x_test", "y_test")
    )
    return Images(x_train[:, None], y_train.long(), x_test[:, None], y_test.long())


def cifar10(*, full: bool = False) -> Images:
    """Return CIFAR-10 (Krizhevsky, 2009): color photographs of 32 x 32 pixels, ten classes.

    Parameters
    ----------
    full : bool
        False: the bundled subset, the first 500 and 100 images of each class. True: all 50,000 and 10,000, downloaded
        the first time (170 MB).

    Returns
    -------
    Images
        ``x`` uint8 (n, 3, 32, 32), red, green, blue; ``y`` int64 (n,), named by ``CIFAR10_CLASSES``.

    Raises
    ------
    ConnectionError
        If ``full`` and the archive is neither in the cache nor to be had.
    DamagedFileError
        If a file is not the one whose checksum is recorded.

    Examples
    --------
    >>> data = cifar10()
    >>> data.x_train.shape, CIFAR10_CLASSES[data.y_train[0]]
    (torch.Size([5000, 3, 32, 32]), 'frog')
    """
    if full:
        return _cifar10_full()
    parts = []
    for name in ("cifar10_train_5000", "cifar10_test_1000"):
        labels = np.load(verified(f"{name}_labels.npy"))
        pixels = unpacked(f"{name}-{SHA256[name + '.webp'][:12]}", lambda name=name: _tiles(f"{name}.webp"))  # type: ignore[misc]
        parts += [torch.from_numpy(pixels), torch.from_numpy(labels).long()]
    return Images(*parts)


def _tiles(name: str) -> np.ndarray:
    """Cut a mosaic of 100 tiles a row into images (n, 3, 32, 32)."""
    with Image.open(verified(name)) as image:
        mosaic = np.asarray(image.convert("RGB"))
    rows, columns = mosaic.shape[0] // 32, mosaic.shape[1] // 32
    tiles = mosaic.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(tiles.reshape(rows * columns, 3, 32, 32))


def _cifar10_full() -> Images:
    def unpack() -> np.ndarray:
        path = fetch(
            "cifar-10-binary.tar.gz", _CIFAR10_URL, _CIFAR10_SHA256, instead="use the bundled subset: cifar10()"
        )
        names = [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
        with tarfile.open(path) as archive:
            files = {Path(m.name).name: m for m in archive.getmembers()}
            raw = b"".join(archive.extractfile(files[name]).read() for name in names)  # type: ignore[union-attr]
        return np.frombuffer(raw, np.uint8).reshape(60_000, 1 + 3 * 32 * 32)  # label, then red, green, blue planes

    records = torch.from_numpy(unpacked(f"cifar10-full-{_CIFAR10_SHA256[:12]}", unpack))
    x, y = records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0].long()
    return Images(x[:50_000], y[:50_000], x[50_000:], y[50_000:])


def fashion_mnist() -> Images:
    """Return Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): 70,000 pictures of clothes, in the shape of MNIST.

    It is read from Debian's package ``dataset-fashion-mnist`` where that is installed, else downloaded the first time
    (30 MB).

    Returns
    -------
    Images
        ``x`` uint8 (n, 1, 28, 28); ``y`` int64 (n,), named by ``FASHION_CLASSES``.

    Raises
    ------
    ConnectionError
        If it is neither on this machine nor to be had.
    DamagedFileError
        If a file is not the one whose checksum is recorded.
    """
    shapes = ((60_000, 1, 28, 28), (60_000,), (10_000, 1, 28, 28), (10_000,))
    x_train, y_train, x_test, y_test = (
        torch.from_numpy(unpacked(f"fashion-{_FASHION[name][1][:12]}", lambda name=name: _idx(name))).reshape(shape)  # type: ignore[misc]
        for name, shape in zip(_FASHION, shapes, strict=True)  # both in the order of the fields
    )
    return Images(x_train, y_train.long(), x_test, y_test.long())


def _idx(name: str) -> np.ndarray:
    """Return the bytes of a gzipped IDX file behind its header, which is 4 bytes and 4 more for each axis."""
    archive_sha256, content_sha256 = _FASHION[name]
    path = _FASHION_DEBIAN / name
    if not path.exists():
        instead = "install Debian's dataset-fashion-mnist, or use mnist(), which is bundled and has the same shape"
        path = fetch(f"fashion-{name}", _FASHION_URL + name, archive_sha256, instead=instead)
    content = gzip.decompress(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != content_sha256:
        raise DamagedFileError(f"{path} does not hold Fashion-MNIST as published: delete it and try again")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * content[3]).copy()
