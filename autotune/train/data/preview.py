"""A data set as it is looked at before the start: the beginning of a large one is enough."""

from dataclasses import replace
from pathlib import Path

from autotune.train.data import arrays, folder, tables
from autotune.train.data.base import dataset
from autotune.train.data.config import ArraysData, DataConfig, FolderData, TableData
from autotune.train.data.read import files, read
from autotune.train.data.splits import split
from autotune.train.data.targets import check_kind
from autotune.train.data.values import Arrays, Dataset, Task

__all__ = ["glance"]

WHOLE = 64 * 2**20
"""Bytes that are read, or prepared, in a second or two."""
IMAGES = 2_000
"""Files of images, of which each must be opened and decoded."""
ROWS = 1_000
EACH = 5
"""Images of a class."""


def glance(config: DataConfig, task: Task) -> Dataset:
    """The data set; of a large one only the first samples, but with all targets and classes: in
    each of its parts x is then shorter than y.

    Raises InvalidInput for what is wrong with it, DataUnavailable where it is not there.
    """
    raw = begun(config) or read(config)
    check_kind(raw, task)
    if len(raw.x) == len(raw.y) and raw.x.nbytes <= WHOLE:
        return dataset(split(config, raw, task), task)
    x = raw.x[:ROWS]
    y_val = raw.y if raw.y_val is None else raw.y_val
    y_test = raw.y if raw.y_test is None else raw.y_test
    return dataset(replace(raw, x=x, x_val=x, x_test=x, y_val=y_val, y_test=y_test), task)


def begun(config: DataConfig) -> Arrays | None:
    """The beginning of what would take long to read; None where all of it may be read."""
    if isinstance(config, FolderData):
        large = len(files(config)) > IMAGES
        return folder.load(Path(config.path), config.size, config.channels, EACH) if large else None
    if not isinstance(config, ArraysData | TableData):
        return None
    if sum(path.stat().st_size for path in files(config)) <= WHOLE:
        return None
    if isinstance(config, TableData):
        return tables.beginning(config, ROWS)
    return arrays.beginning(Path(config.path), ROWS)
