"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009).

The files are pickles: torchvision, which reads them, compares their checksums first.
"""

from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets

from autotune.train.data.fetch import fetch, unavailable
from autotune.train.data.values import Array, Arrays

__all__ = ["files", "load"]


def files(root: Path, kind: str) -> list[Path]:
    """Those of torchvision's class `kind`, fetched when they are absent."""
    reader = getattr(datasets, kind)
    wanted = [root / reader.base_folder / name for name, _ in listed(reader)]
    if not all(path.exists() for path in wanted):
        fetch(root, reader.base_folder, lambda: reader(str(root), download=True))
    return wanted


def load(root: Path, kind: str) -> Arrays:
    files(root, kind)
    reader = getattr(datasets, kind)
    try:
        train, test = reader(str(root)), reader(str(root), train=False)
    except RuntimeError as error:
        raise unavailable(root, f"a whole {reader.base_folder}", str(error)) from error
    return Arrays(
        channels_first(train.data),
        np.asarray(train.targets, np.int64),
        x_test=channels_first(test.data),
        y_test=np.asarray(test.targets, np.int64),
    )


def listed(reader: Any) -> list[tuple[str, str]]:
    return [*reader.train_list, *reader.test_list]


def channels_first(images: Array) -> Array:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # (N, H, W, C) -> (N, C, H, W)
