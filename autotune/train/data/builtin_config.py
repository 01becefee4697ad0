"""Public data sets: inside a package, or downloaded by torchvision."""

from typing import Literal

from autotune.train.data.split_config import Fraction, SplitConfig

__all__ = [
    "Cifar10Data",
    "Cifar100Data",
    "DiabetesData",
    "DigitsData",
    "FashionMnistData",
    "MnistData",
    "SvhnData",
]


class DigitsData(SplitConfig):
    """1,797 grey images of 8 x 8 pixels in 10 classes, shipped inside scikit-learn."""

    name: Literal["digits"] = "digits"
    test_fraction: Fraction = 0.2
    """Share of all samples for the test split."""


class DiabetesData(SplitConfig):
    """442 patients: ten measurements, and the progress of diabetes in a year (a regression: needs
    `loss` mse, mae or huber). Shipped inside scikit-learn."""

    name: Literal["diabetes"] = "diabetes"
    test_fraction: Fraction = 0.2
    """Share of all samples for the test split."""


class VisionData(SplitConfig):
    """A data set with an official test split."""

    root: str = "data"
    """Folder of the files, in torchvision's layout; downloaded if absent."""


class MnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 handwritten digits."""

    name: Literal["mnist"] = "mnist"


class FashionMnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 kinds of clothing."""

    name: Literal["fashion_mnist"] = "fashion_mnist"


class Cifar10Data(VisionData):
    """60,000 colour images of 32 x 32 pixels in 10 classes."""

    name: Literal["cifar10"] = "cifar10"


class Cifar100Data(VisionData):
    """60,000 colour images of 32 x 32 pixels in 100 classes."""

    name: Literal["cifar100"] = "cifar100"


class SvhnData(VisionData):
    """99,289 colour images of 32 x 32 pixels, the digits of house numbers."""

    name: Literal["svhn"] = "svhn"
