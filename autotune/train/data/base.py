"""A data set in memory: read, checked, split and normalised once in a process, then kept."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autotune.errors import InvalidInput, Problem
from autotune.train.data.config import DataConfig

__all__ = ["Arrays", "Dataset", "Split", "prepare", "stratified"]

Array = NDArray[Any]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Arrays:
    """Samples and labels as read. Without x_val or x_test those parts are split from x."""

    x: Array
    """(N, F) or (N, C, H, W)"""
    y: Labels
    """(N,)"""
    x_val: Array | None = None
    y_val: Labels | None = None
    x_test: Array | None = None
    y_test: Labels | None = None


@dataclass(frozen=True)
class Split:
    x: Tensor
    """(N, F) or (N, C, H, W), float32, normalised"""
    y: Tensor
    """(N,): int64, 0 to classes - 1; or, of a regression, float32, standardised"""


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
    y_mean: float = 0.0
    """A regression's target in its own units is y_mean + y_std * y."""
    y_std: float = 1.0
    categories: tuple[int, ...] = ()
    """Of a table: how many values each of the last columns of x may take. They hold codes, 0 for a
    value that the train part lacks."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one sample."""
        return tuple(self.train.x.shape[1:])


def prepare(config: DataConfig, device: str) -> Dataset:
    """The data set on `device`, kept for the trials that follow in this process."""
    return _prepared(type(config), config.model_dump_json(), device)


# Two, so that a study over two data sets does not read them anew for every trial.
@lru_cache(maxsize=2)
def _prepared(kind: type[DataConfig], text: str, device: str) -> Dataset:
    config = kind.model_validate_json(text)
    read = split(config, config.build())
    assert read.x_val is not None and read.x_test is not None
    labels = numbered(read)
    mean, std = statistics(read.x)
    train, val, test = (
        Split(
            torch.from_numpy((x.astype(np.float32) - mean) / std).to(device).contiguous(),
            torch.from_numpy(y).to(device),
        )
        for x, y in zip((read.x, read.x_val, read.x_test), labels, strict=True)
    )
    classes = np.unique(read.y)
    return Dataset(
        train,
        val,
        test,
        classes=len(classes),
        outputs=len(classes),
        mean=torch.from_numpy(mean).to(device),
        std=torch.from_numpy(std).to(device),
        labels=tuple(map(str, classes)),
    )


def split(config: DataConfig, read: Arrays) -> Arrays:
    """`read` with a validation and a test part, drawn where they are absent."""
    x, y, x_val, y_val, x_test, y_test = (getattr(read, name) for name in Arrays.__annotations__)
    if x_test is None:
        fraction = getattr(config, "test_fraction", 0.0)
        kept, held = stratified(y, fraction, config.seed)
        x, y, x_test, y_test = x[kept], y[kept], x[held], y[held]
    if x_val is None:
        # Another seed than the test's: otherwise the same ranks of each class would be taken.
        kept, held = stratified(y, config.val_fraction, config.seed + 1)
        x, y, x_val, y_val = x[kept], y[kept], x[held], y[held]
    for name, part in (("train", y), ("validation", y_val), ("test", y_test)):
        if len(part) == 0:
            message = f"`data`: the {name} part would be empty: there are too few samples"
            raise InvalidInput([Problem(message, ("data",))])
    return Arrays(x, y, x_val, y_val, x_test, y_test)


def stratified(y: Labels, fraction: float, seed: int) -> tuple[Labels, Labels]:
    """Two sorted index arrays: what is kept, and `fraction` of every class that is held out."""
    draw = np.random.Generator(np.random.PCG64(seed))
    held = []
    for label in np.unique(y):
        members = draw.permutation(np.flatnonzero(y == label))
        held.append(members[: round(len(members) * fraction)])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(y)), out), out


def numbered(read: Arrays) -> tuple[Labels, Labels, Labels]:
    """The labels of train, validation and test as 0, 1, ... in the order of the train labels."""
    classes = np.unique(read.y)
    parts = []
    for name, y in (("train", read.y), ("validation", read.y_val), ("test", read.y_test)):
        assert y is not None
        strange = np.setdiff1d(y, classes)
        if len(strange):
            shown = ", ".join(map(str, strange[:5]))
            message = f"`data`: labels of the {name} part that the train part lacks: {shown}"
            raise InvalidInput([Problem(message, ("data",))])
        parts.append(np.searchsorted(classes, y).astype(np.int64))
    return parts[0], parts[1], parts[2]


def statistics(x: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of the train part: by channel of images, by feature otherwise."""
    over = (0, 2, 3) if x.ndim == 4 else (0,)
    mean = x.mean(axis=over, dtype=np.float64, keepdims=True).astype(np.float32)
    std = x.std(axis=over, dtype=np.float64, keepdims=True).astype(np.float32)
    std[std == 0] = 1.0  # a constant feature stays 0
    return mean, std
