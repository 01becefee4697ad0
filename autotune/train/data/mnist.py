"""MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao et al. 2017), from their idx files."""

import gzip
from pathlib import Path

import numpy as np

from autotune.train.data.fetch import fetch, unavailable
from autotune.train.data.values import Array, Arrays

__all__ = ["files", "load"]

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def files(root: Path, kind: str) -> list[Path]:
    """Those of torchvision's class `kind`, in root/kind/raw or in `root` itself; else fetched."""
    folder = there(root, kind)
    if folder is None:
        wanted = f"{kind}/raw/{FILES[0]}.gz, with its three companions,"
        fetch(root, wanted, lambda: download(root, kind))
        folder = there(root, kind)
    if folder is None:
        raise unavailable(root, f"{kind}/raw/{FILES[0]}.gz", "its files are not what was expected")
    both = ((folder / name, folder / f"{name}.gz") for name in FILES)
    return [plain if plain.exists() else packed for plain, packed in both]


def load(root: Path, kind: str) -> Arrays:
    try:
        x, y, x_test, y_test = (read(path) for path in files(root, kind))
    except (OSError, EOFError, ValueError) as error:
        raise unavailable(root, f"a whole set of {kind} files", str(error)) from error
    return Arrays(
        x[:, None], y.astype(np.int64), x_test=x_test[:, None], y_test=y_test.astype(np.int64)
    )


def there(root: Path, kind: str) -> Path | None:
    """The folder that has all four files, packed or not."""
    for folder in (root / kind / "raw", root):
        if all((folder / name).exists() or (folder / f"{name}.gz").exists() for name in FILES):
            return folder
    return None


def read(path: Path) -> Array:
    """One idx file: two zero bytes, the type (8: bytes), the number of dimensions, their sizes."""
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if raw[:3] != b"\x00\x00\x08" or len(raw) < 4:
        raise ValueError(f"{path.name} is not an idx file of bytes")
    dimensions = raw[3]
    sizes = np.frombuffer(raw, ">i4", dimensions, 4)
    values = np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions)
    return values.reshape(sizes)  # ValueError when the file is cut short


def download(root: Path, kind: str) -> None:
    from torchvision import datasets

    getattr(datasets, kind)(str(root), download=True)
