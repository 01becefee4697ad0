"""A data set: read, checked, split and normalised once on a machine, then shared and kept."""

from functools import lru_cache

import numpy as np
import torch

from autotune.train.data import dataset_cache, tables
from autotune.train.data.config import DataConfig
from autotune.train.data.place import placed
from autotune.train.data.raw import Raw
from autotune.train.data.read import files, read
from autotune.train.data.splits import split, stratified
from autotune.train.data.targets import check_kind, targets
from autotune.train.data.values import Array, Arrays, Dataset, Split, Task

__all__ = ["Arrays", "Dataset", "Split", "dataset", "made", "prepare", "stratified"]


def prepare(config: DataConfig, device: str, task: Task = "classification") -> Dataset:
    """The data set on `device`, kept for the trials that follow in this process."""
    return _prepared(type(config), config.model_dump_json(), device, task)


# Two, so that a study over two data sets does not read them anew for every trial.
@lru_cache(maxsize=2)
def _prepared(kind: type[DataConfig], text: str, device: str, task: Task) -> Dataset:
    config = kind.model_validate_json(text)
    return placed(
        dataset_cache.kept(config, task, files(config), lambda: made(config, task)), device
    )


def made(config: DataConfig, task: Task) -> Dataset:
    """The data set from its source, in main memory."""
    raw = read(config)
    check_kind(raw, task)
    return dataset(split(config, raw, task), task)


def dataset(raw: Arrays, task: Task) -> Dataset:
    """`raw`, which has all three parts, made ready for training."""
    raw, columns = tables.complete(raw)
    categories = tuple(len(c.values) + 1 for c in columns if c.kind == "category")
    learnt = targets(raw, task)
    mean, std = statistics(raw.x, len(categories))
    train, val, test = (
        Split(normalised(x, mean, std), torch.from_numpy(y))
        for x, y in zip((raw.x, raw.x_val, raw.x_test), learnt.parts, strict=True)
        if x is not None
    )
    return Dataset(
        train,
        val,
        test,
        classes=len(learnt.labels),
        outputs=len(learnt.labels) or 1,
        mean=torch.from_numpy(mean),
        std=torch.from_numpy(std),
        labels=learnt.labels,
        columns=raw.columns,
        y_mean=learnt.mean,
        y_std=learnt.std,
        categories=categories,
        raw=Raw(columns=columns, pixels=raw.pixels),
    )


def statistics(x: Array, codes: int) -> tuple[Array, Array]:
    """Mean and standard deviation of the train part: by channel of images, by feature otherwise.

    The last `codes` columns are no quantities: they stay as they are.
    """
    over = (0, 2, 3) if x.ndim == 4 else (0,)
    mean = x.mean(axis=over, dtype=np.float64, keepdims=True).astype(np.float32)
    std = x.std(axis=over, dtype=np.float64, keepdims=True).astype(np.float32)
    std[std == 0] = 1.0  # a constant feature stays 0
    if codes:
        mean[:, -codes:], std[:, -codes:] = 0.0, 1.0
    return mean, std


def normalised(x: Array, mean: Array, std: Array) -> torch.Tensor:
    result = x.astype(np.float32)  # a copy, worked on in place: data sets are large
    result -= mean
    result /= std
    return torch.from_numpy(np.ascontiguousarray(result))
