"""What every data set must do: call these for one of your own.

The suites of this project run them over the union, so a new data set is tested unasked.
"""

from dataclasses import replace

import numpy as np
import torch

from autotune.train.data import base
from autotune.train.data.config import DataConfig
from autotune.train.data.read import read as raw
from autotune.train.data.splits import split
from autotune.train.data.values import Arrays, Dataset, Split, Task

__all__ = ["check_data", "check_prepared", "check_same", "check_split"]


def check_data(config: DataConfig, task: Task) -> None:
    """All that holds for any data set."""
    check_split(config, task)
    data = base.prepare(config, "cpu", task)
    check_prepared(data, task)
    base._prepared.cache_clear()
    check_same(data, base.prepare(config, "cpu", task))


def check_split(config: DataConfig, task: Task) -> None:
    """Each sample is in one part, drawn by the seed of the config, alike for every class."""
    read = raw(config)
    rows = np.arange(len(read.y))[:, None]  # a sample is known by its place
    first, again, other = (
        split(chosen, replace(read, x=rows), task)
        for chosen in (config, config, config.model_copy(update={"seed": config.seed + 1}))
    )
    drawn = [first.x]
    drawn += [first.x_val] if read.x_val is None and first.x_val is not None else []
    drawn += [first.x_test] if read.x_test is None and first.x_test is not None else []
    places = np.concatenate(drawn).ravel()
    assert np.array_equal(np.sort(places), rows.ravel()), "a sample is lost or in two parts"
    assert _parts(first) == _parts(again), "the split is not fixed"
    if len(drawn) > 1:
        assert _parts(first) != _parts(other), "the seed does not draw the split"
    if read.x_val is None and task == "classification" and config.folds is None:
        _check_alike(config.val_fraction, first)


def check_prepared(data: Dataset, task: Task) -> None:
    """Finite, normalised on the train part, and labels in range."""
    codes = len(data.categories)
    for part in (data.train, data.val, data.test):
        assert len(part.x) == len(part.y) > 0
        assert part.x.dtype == torch.float32 and part.x.isfinite().all() and part.y.isfinite().all()
        _check_targets(data, part, task)
        for place, count in enumerate(data.categories, start=-codes):
            column = part.x[:, place]
            assert column.min() >= 0 and column.max() < count and column.equal(column.round())
    over = (0, 2, 3) if data.train.x.ndim == 4 else (0,)
    numbers = data.train.x if not codes else data.train.x[:, :-codes]
    std = numbers.double().std(over, correction=0)
    assert numbers.double().mean(over).abs().max() < 1e-3
    assert ((std - 1).abs() < 1e-3).logical_or(std < 1e-3).all()
    assert data.columns == () or len(data.columns) == data.train.x.shape[1]


def check_same(one: Dataset, other: Dataset) -> None:
    for name in ("train", "val", "test"):
        ours, theirs = getattr(one, name), getattr(other, name)
        assert torch.equal(ours.x, theirs.x) and torch.equal(ours.y, theirs.y)
    assert torch.equal(one.mean, other.mean) and torch.equal(one.std, other.std)
    assert (one.labels, one.columns, one.categories) == (
        other.labels,
        other.columns,
        other.categories,
    )
    assert (one.classes, one.outputs, one.y_mean, one.y_std) == (
        other.classes,
        other.outputs,
        other.y_mean,
        other.y_std,
    )


def _check_targets(data: Dataset, part: Split, task: Task) -> None:
    if task == "classification":
        assert part.y.dtype == torch.int64
        assert 0 <= int(part.y.min()) and int(part.y.max()) < data.classes
        assert data.classes == data.outputs == len(data.labels)
    else:
        assert part.y.dtype == torch.float32 and data.outputs == 1 and data.classes == 0


def _check_alike(fraction: float, drawn: Arrays) -> None:
    """Each class has its share in the validation part, to a sample."""
    assert drawn.y_val is not None
    for label in np.unique(drawn.y):
        held, kept = int((drawn.y_val == label).sum()), int((drawn.y == label).sum())
        assert abs(held - fraction * (held + kept)) <= 0.5


def _parts(read: Arrays) -> list[list[int]]:
    parts = (read.x, read.x_val, read.x_test)
    return [part.ravel().tolist() for part in parts if part is not None and part.ndim == 2]
