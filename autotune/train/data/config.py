"""The data sets a trial can train on: your own, and (in known.py) those that everyone has."""

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
    """Your own arrays: x, y, and, if you split them, x_val, y_val, x_test, y_test.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C); y holds N integer class labels, or the
    numbers of a regression.
    """

    name: Literal["arrays"] = "arrays"
    path: str
    """An .npz file, written by numpy.savez, or a folder with x.npy, y.npy and so on."""
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test, when there is no x_test."""


class FolderData(SplitConfig):
    """Your own images, each in the folder of its class: path/cat/1.png, path/dog/a.jpg.

    Where there are folders path/train and path/val or path/test, these hold the parts, with the
    folders of the classes in them.
    """

    name: Literal["folder"] = "folder"
    path: str
    """The folder that holds the folders of the classes, or of the parts."""
    size: Annotated[int, Field(ge=1, le=10_000)] | None = None
    """Images are resized to so many pixels in height and width. None: all must have one size."""
    channels: Literal[1, 3] = 3
    """3: colour; 1: grey."""
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test, when there is no folder `test`."""


class TableData(SplitConfig):
    """Your own table: one row a sample, columns of numbers, of categories, and the target.

    Text, and columns named in `categorical`, are categories: each gets a learned vector. A missing
    category is a category. A missing number becomes the median of the train part, and a column
    that tells so is added. Numbers are standardised on the train part.
    """

    name: Literal["table"] = "table"
    path: str
    """A .csv, .tsv or .parquet file, with a header."""
    target: str
    """The column to learn: classes, or the numbers of a regression."""
    categorical: list[str] = []
    """Columns of numbers that name categories, such as a postcode."""
    drop: list[str] = []
    """Columns that are not to be learnt from, such as an id."""
    test_fraction: Fraction = 0.2
    """Share of all rows kept for the test."""


class CustomData(SplitConfig):
    """Your own function: load(**args) -> {"x": ..., "y": ...}, arrays or tensors.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C), of finite numbers; y is (N,): integer
    labels of classes, or the numbers of a regression. x_val, y_val, x_test and y_test, where it
    gives them, are not split from x. docs/functions.md has an example.

    It is called once in each worker, and once before a study starts, to look at what it gives.
    """

    name: Literal["custom"] = "custom"
    load: Reference
    """The function, as "my.data:load", of load(**args) -> {"x": (N, ...), "y": (N,)}; the working
    directory is searched first."""
    args: dict[str, JsonValue] = {}
    """Passed to it by name."""
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test, when the function gives no x_test."""


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
