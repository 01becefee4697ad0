"""CIFAR-10 (Krizhevsky 2009).

The files are pickles: torchvision, which reads them, compares their checksums first.
"""

from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10

from autotune.train.data.base import Array, Arrays
from autotune.train.data.fetch import fetch, unavailable

__all__ = ["load"]


def load(root: Path) -> Arrays:
    if not all((root / CIFAR10.base_folder / name).exists() for name, _ in CIFAR10.train_list):
        fetch(root, CIFAR10.base_folder, lambda: CIFAR10(str(root), download=True))
    try:
        train, test = CIFAR10(str(root)), CIFAR10(str(root), train=False)
    except RuntimeError as error:
        raise unavailable(root, f"a whole {CIFAR10.base_folder}", str(error)) from error
    return Arrays(
        channels_first(train.data),
        np.asarray(train.targets, np.int64),
        x_test=channels_first(test.data),
        y_test=np.asarray(test.targets, np.int64),
    )


def channels_first(images: Array) -> Array:
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))  # (N, H, W, C) -> (N, C, H, W)
