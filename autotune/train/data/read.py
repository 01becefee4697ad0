"""The registry of data sets: what reads which config.

Two of the modules import torchvision, which takes seconds: only where their data is wanted.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Literal, assert_never

import numpy as np

from autotune.train.data import arrays, folder, mnist, scikit, tables
from autotune.train.data.config import (
    ArraysData,
    Cifar10Data,
    Cifar100Data,
    CustomData,
    DataConfig,
    DiabetesData,
    DigitsData,
    FashionMnistData,
    FolderData,
    MnistData,
    SvhnData,
    TableData,
)
from autotune.train.data.raw import Pixels
from autotune.train.data.values import Array, Arrays
from autotune.train.function import resolve

__all__ = ["files", "read"]

MODES: Mapping[int, Literal["L", "RGB", "RGBA"]] = {1: "L", 3: "RGB", 4: "RGBA"}
"""Of images, by their channels."""


def read(config: DataConfig) -> Arrays:
    """The samples as they come, before they are split and normalised.

    Raises DataUnavailable where they are missing, InvalidInput where they cannot be used.
    """
    given = _read(config)
    return replace(given, pixels=_pixels(config, given.x))


def _pixels(config: DataConfig, x: Array) -> Pixels | None:
    """How an image file becomes a sample of `x`; None where it is not known."""
    if x.ndim != 4 or x.shape[1] not in MODES:
        return None
    if isinstance(config, DigitsData):
        white = scikit.WHITE
    elif x.dtype == np.uint8:
        white = 255.0
    else:
        return None
    return Pixels(
        mode=MODES[x.shape[1]],
        height=x.shape[2],
        width=x.shape[3],
        resized=isinstance(config, FolderData) and config.size is not None,
        white=white,
    )


def _read(config: DataConfig) -> Arrays:
    match config:
        case DigitsData():
            return scikit.digits()
        case DiabetesData():
            return scikit.diabetes()
        case MnistData():
            return mnist.load(Path(config.root), "MNIST")
        case FashionMnistData():
            return mnist.load(Path(config.root), "FashionMNIST")
        case Cifar10Data():
            from autotune.train.data import cifar

            return cifar.load(Path(config.root), "CIFAR10")
        case Cifar100Data():
            from autotune.train.data import cifar

            return cifar.load(Path(config.root), "CIFAR100")
        case SvhnData():
            from autotune.train.data import svhn

            return svhn.load(Path(config.root))
        case FolderData():
            return folder.load(Path(config.path), config.size, config.channels)
        case TableData():
            return tables.load(config)
        case ArraysData():
            return arrays.load(Path(config.path))
        case CustomData():
            given = resolve(config.load, at=("data", "load"))(**config.args)
            return arrays.check(given, config.load, at=("data", "load"))
        case _:
            assert_never(config)


def files(config: DataConfig) -> list[Path]:
    """What the data is read from, fetched if need be. Empty: a package or a function."""
    match config:
        case DigitsData() | DiabetesData() | CustomData():
            return []
        case MnistData():
            return mnist.files(Path(config.root), "MNIST")
        case FashionMnistData():
            return mnist.files(Path(config.root), "FashionMNIST")
        case Cifar10Data():
            from autotune.train.data import cifar

            return cifar.files(Path(config.root), "CIFAR10")
        case Cifar100Data():
            from autotune.train.data import cifar

            return cifar.files(Path(config.root), "CIFAR100")
        case SvhnData():
            from autotune.train.data import svhn

            return svhn.files(Path(config.root))
        case FolderData():
            return folder.images(Path(config.path))
        case TableData():
            return [path] if (path := Path(config.path)).exists() else []
        case ArraysData():
            path = Path(config.path)
            return sorted(path.glob("*.npy")) if path.is_dir() else [path] * path.exists()
        case _:
            assert_never(config)
