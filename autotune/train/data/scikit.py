"""Data inside scikit-learn: digits (UCI, Alpaydin & Kaynak 1998) and diabetes (Efron et al. 2004).

Its own loaders read these files too. Importing it to do so takes a second and some 100 MB in every
worker.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from autotune.train.data.values import Arrays

__all__ = ["WHITE", "diabetes", "digits"]

WHITE = 16.0
"""The value of a full pixel of digits."""

MEASURED = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")


def digits() -> Arrays:
    table = np.loadtxt(folder() / "digits.csv.gz", delimiter=",")
    images = table[:, :-1].reshape(-1, 1, 8, 8)  # (1797, 1, 8, 8), 0 to 16
    return Arrays(images.astype(np.float32), table[:, -1].astype(np.int64))


def diabetes() -> Arrays:
    x = np.loadtxt(folder() / "diabetes_data_raw.csv.gz")
    y = np.loadtxt(folder() / "diabetes_target.csv.gz")
    return Arrays(x, y, columns=MEASURED)


def folder() -> Path:
    spec = find_spec("sklearn")
    assert spec is not None and spec.origin is not None, "scikit-learn is a dependency"
    return Path(spec.origin).parent / "datasets/data"
