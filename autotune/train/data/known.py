"""Data sets that everyone has: inside a package, or fetched by torchvision."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from autotune.train.data.parts import Fraction, SplitConfig

if TYPE_CHECKING:
    from autotune.train.data.values import Arrays

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
    """Share of all samples kept for the test."""

    def build(self) -> "Arrays":
        from autotune.train.data import scikit

        return scikit.digits()


class DiabetesData(SplitConfig):
    """442 patients: ten measurements, and how far the disease went in a year (a regression: needs
    `loss` mse, mae or huber). Shipped inside scikit-learn."""

    name: Literal["diabetes"] = "diabetes"
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test."""

    def build(self) -> "Arrays":
        from autotune.train.data import scikit

        return scikit.diabetes()


class VisionData(SplitConfig):
    """A data set with an official test part, which is the test split."""

    root: str = "data"
    """Folder of the files, as torchvision lays them out; fetched into it when absent."""


class MnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 handwritten digits."""

    name: Literal["mnist"] = "mnist"

    def files(self) -> "list[Path]":
        from autotune.train.data import mnist

        return mnist.files(Path(self.root), "MNIST")

    def build(self) -> "Arrays":
        from autotune.train.data import mnist

        return mnist.load(Path(self.root), "MNIST")


class FashionMnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 kinds of clothing."""

    name: Literal["fashion_mnist"] = "fashion_mnist"

    def files(self) -> "list[Path]":
        from autotune.train.data import mnist

        return mnist.files(Path(self.root), "FashionMNIST")

    def build(self) -> "Arrays":
        from autotune.train.data import mnist

        return mnist.load(Path(self.root), "FashionMNIST")


class Cifar10Data(VisionData):
    """60,000 colour images of 32 x 32 pixels in 10 classes."""

    name: Literal["cifar10"] = "cifar10"

    def files(self) -> "list[Path]":
        from autotune.train.data import cifar

        return cifar.files(Path(self.root), "CIFAR10")

    def build(self) -> "Arrays":
        from autotune.train.data import cifar

        return cifar.load(Path(self.root), "CIFAR10")


class Cifar100Data(VisionData):
    """60,000 colour images of 32 x 32 pixels in 100 classes."""

    name: Literal["cifar100"] = "cifar100"

    def files(self) -> "list[Path]":
        from autotune.train.data import cifar

        return cifar.files(Path(self.root), "CIFAR100")

    def build(self) -> "Arrays":
        from autotune.train.data import cifar

        return cifar.load(Path(self.root), "CIFAR100")


class SvhnData(VisionData):
    """99,289 colour images of 32 x 32 pixels, the digits of house numbers."""

    name: Literal["svhn"] = "svhn"

    def files(self) -> "list[Path]":
        from autotune.train.data import svhn

        return svhn.files(Path(self.root))

    def build(self) -> "Arrays":
        from autotune.train.data import svhn

        return svhn.load(Path(self.root))
