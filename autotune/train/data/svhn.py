"""SVHN, cropped digits (Netzer et al. 2011), without its extra part."""

from pathlib import Path

import numpy as np
from torchvision.datasets import SVHN

from autotune.train.data.fetch import fetch, unavailable
from autotune.train.data.values import Array, Arrays

__all__ = ["files", "load"]

PARTS = ("train", "test")


def files(root: Path) -> list[Path]:
    """Fetched when they are absent."""
    wanted = [root / SVHN.split_list[part][1] for part in PARTS]
    if not all(path.exists() for path in wanted):
        names = " and ".join(path.name for path in wanted)
        fetch(root, names, lambda: [SVHN(str(root), part, download=True) for part in PARTS])
    return wanted


def load(root: Path) -> Arrays:
    files(root)
    parts: list[Array] = []
    try:
        for part in PARTS:
            read = SVHN(str(root), part)
            parts += [np.ascontiguousarray(read.data), read.labels.astype(np.int64)]
    except RuntimeError as error:
        raise unavailable(root, "a whole set of SVHN files", str(error)) from error
    x, y, x_test, y_test = parts
    return Arrays(x, y, x_test=x_test, y_test=y_test)
