"""A data set as it is read, and as it is trained on."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotune.train.data.raw import Pixels, Raw, Value

__all__ = ["Array", "Arrays", "Dataset", "Indices", "Split", "Task"]

Array = NDArray[Any]
Indices = NDArray[np.int64]
Task = Literal["classification", "regression"]


@dataclass(frozen=True)
class Arrays:
    """Samples and labels as read. Without x_val or x_test those parts are split from x."""

    x: Array
    """(N, F) or (N, C, H, W)"""
    y: Array
    """(N,): labels or numbers"""
    x_val: Array | None = None
    y_val: Array | None = None
    x_test: Array | None = None
    y_test: Array | None = None
    columns: tuple[str, ...] = ()
    """The names of the F columns, where they have some."""
    categorical: int | None = None
    """Of a table: how many of its last columns hold codes of categories. Its other columns may lack
    values (NaN)."""
    values: tuple[tuple[Value, ...], ...] = ()
    """Of a table: what the codes of each column of categories stand for."""
    pixels: Pixels | None = None
    """Of images: how a file of one becomes a sample."""


@dataclass(frozen=True)
class Split:
    x: Tensor
    """(N, F) or (N, C, H, W), float32, normalised"""
    y: Tensor
    """(N,): int64, 0 to classes - 1; or, of a regression, float32, standardised"""

    def take(self, rows: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
        """The samples `rows` on `device`; a data set too large for it stays in main memory."""
        x, y = self.x.index_select(0, rows), self.y.index_select(0, rows)
        if x.device.type == device.type:
            return x, y
        return x.pin_memory().to(device, non_blocking=True), y.to(device, non_blocking=True)


@dataclass(frozen=True)
class Dataset:
    train: Split
    val: Split
    test: Split
    """Read by nothing but the test of the winner."""
    classes: int
    """How many: labels are numbered in the order of their own values. 0 in a regression."""
    outputs: int
    """What a model answers for a sample: a score for each class, or 1 number."""
    mean: Tensor
    """What was taken from x before it was divided by `std`; both broadcast over x."""
    std: Tensor
    labels: tuple[str, ...] = ()
    """What the classes are called, by their number."""
    columns: tuple[str, ...] = ()
    """What the columns of x are called, where they have names."""
    y_mean: float = 0.0
    """A regression's target in its own units is y_mean + y_std * y."""
    y_std: float = 1.0
    categories: tuple[int, ...] = ()
    """Of a table: how many values each of the last columns of x may take. They hold codes, 0 for a
    value that the train part lacks."""
    raw: Raw = Raw()
    """What a sample is in a file, for whoever predicts."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self.train.x.shape[1:])
