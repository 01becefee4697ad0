"""The digits of scikit-learn (UCI, Alpaydin & Kaynak 1998)."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np

from autotune.train.data.base import Arrays

__all__ = ["load"]


def load() -> Arrays:
    # scikit-learn's own load_digits reads this file too. Importing it to do so takes a second and
    # some 100 MB in every worker.
    spec = find_spec("sklearn")
    assert spec is not None and spec.origin is not None, "scikit-learn is a dependency"
    table = np.loadtxt(Path(spec.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    images = table[:, :-1].reshape(-1, 1, 8, 8)  # (1797, 1, 8, 8), 0 to 16
    return Arrays(images.astype(np.float32), table[:, -1].astype(np.int64))
