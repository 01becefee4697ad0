"""The data sets: your own, and (in known.py) public ones."""

from typing import Annotated, Literal

from pydantic import Field, JsonValue

from autotune.train.data.builtin_config import (
    Cifar10Data,
    Cifar100Data,
    DiabetesData,
    DigitsData,
    FashionMnistData,
    MnistData,
    SvhnData,
)
from autotune.train.data.split_config import Fraction, Reference, SplitConfig

__all__ = [
    "ArraysData",
    "Cifar10Data",
    "Cifar100Data",
    "CustomData",
    "DataConfig",
    "DiabetesData",
    "DigitsData",
    "FashionMnistData",
    "FolderData",
    "MnistData",
    "Reference",
    "SplitConfig",
    "SvhnData",
    "TableData",
]


class ArraysData(SplitConfig):
    """Your own arrays: x, y, and optionally x_val, y_val, x_test, y_test.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C); y holds N integer class labels, or the
    numbers of a regression.
    """

    name: Literal["arrays"] = "arrays"
    path: str
    """An .npz file, written by numpy.savez, or a folder with x.npy, y.npy and so on."""
    test_fraction: Fraction = 0.2
    """Share of all samples for the test split, if there is no x_test."""


class FolderData(SplitConfig):
    """Your own images, in one folder a class: path/cat/1.png, path/dog/a.jpg.

    If there are folders path/train and path/val or path/test, these are the splits and contain the
    class folders.
    """

    name: Literal["folder"] = "folder"
    path: str
    """The folder that contains the folders of the classes, or of the splits."""
    size: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Images are resized to this height and width in pixels. Default: all images must have the same
    size."""
    channels: Literal[1, 3] = 3
    """3: colour; 1: grey."""
    test_fraction: Fraction = 0.2
    """Share of all samples for the test split, if there is no folder `test`."""


class TableData(SplitConfig):
    """Your own table: one row a sample, with numeric columns, categorical columns, and the target.

    Text columns, and those named in `categorical`, are categories: each gets a learned vector. A
    missing category is a category. A missing number becomes the training split's median, and an
    indicator column is added. Numbers are standardized by the training split.
    """

    name: Literal["table"] = "table"
    path: str
    """A .csv, .tsv or .parquet file, with a header."""
    target: str
    """The column to predict: classes, or the numbers of a regression."""
    categorical: list[str] = []
    """Numeric columns that are categories, such as a postcode."""
    drop: list[str] = []
    """Columns to ignore, such as an id."""
    test_fraction: Fraction = 0.2
    """Share of all rows for the test split."""


class CustomData(SplitConfig):
    """Your own function: load(**args) -> {"x": ..., "y": ...}, arrays or tensors.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C), of finite numbers; y is (N,): integer
    class labels, or the numbers of a regression. It may also return x_val, y_val, x_test and
    y_test; missing ones are split from x. docs/functions.md has an example. It is called once in
    each worker, and once before a study starts.
    """

    name: Literal["custom"] = "custom"
    load: Reference
    """The function, as "my.data:load", of load(**args) -> {"x": (N, ...), "y": (N,)}; the working
    directory is searched first."""
    args: dict[str, JsonValue] = {}
    """Arguments passed by name."""
    test_fraction: Fraction = 0.2
    """Share of all samples for the test split, if the function returns no x_test."""


DataConfig = Annotated[
    DigitsData
    | MnistData
    | FashionMnistData
    | Cifar10Data
    | Cifar100Data
    | SvhnData
    | DiabetesData
    | FolderData
    | TableData
    | ArraysData
    | CustomData,
    Field(discriminator="name"),
]
