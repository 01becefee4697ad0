"""The data sets a trial can train on. `seed` splits them once, whatever the trial's own seed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue

from autotune.train.base import Config

if TYPE_CHECKING:
    from autotune.train.data.base import Arrays

__all__ = [
    "ArraysData",
    "Cifar10Data",
    "CustomData",
    "DataConfig",
    "DigitsData",
    "FashionMnistData",
    "MnistData",
]

Fraction = Annotated[float, Field(gt=0, lt=1)]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class SplitConfig(Config):
    """The train, validation and test parts: stratified by class, fixed by `seed`."""

    name: str
    seed: int = Field(default=0, ge=0)
    """Draws the split. Not the trial's seed: all trials of a study see the same split."""
    val_fraction: Fraction = 0.2
    """Share of the samples left after the test part that is held out for validation."""


class DigitsData(SplitConfig):
    """1,797 grey images of 8 x 8 pixels in 10 classes, shipped inside scikit-learn."""

    name: Literal["digits"] = "digits"
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test."""

    def build(self) -> "Arrays":
        from autotune.train.data import digits

        return digits.load()


class VisionData(SplitConfig):
    """A data set with an official test part, which is the test split."""

    root: str = "data"
    """Folder of the files, as torchvision lays them out; fetched into it when absent."""


class MnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 handwritten digits."""

    name: Literal["mnist"] = "mnist"

    def build(self) -> "Arrays":
        from autotune.train.data import mnist

        return mnist.load(Path(self.root), "MNIST")


class FashionMnistData(VisionData):
    """70,000 grey images of 28 x 28 pixels, 10 kinds of clothing."""

    name: Literal["fashion_mnist"] = "fashion_mnist"

    def build(self) -> "Arrays":
        from autotune.train.data import mnist

        return mnist.load(Path(self.root), "FashionMNIST")


class Cifar10Data(VisionData):
    """60,000 colour images of 32 x 32 pixels in 10 classes."""

    name: Literal["cifar10"] = "cifar10"

    def build(self) -> "Arrays":
        from autotune.train.data import cifar10

        return cifar10.load(Path(self.root))


class ArraysData(SplitConfig):
    """Your own data in one .npz file: x, y, and, if you split them, x_val, y_val, x_test, y_test.

    x is (N, F), (N, H, W), (N, C, H, W) or (N, H, W, C); y holds N integer class labels.
    """

    name: Literal["arrays"] = "arrays"
    path: str
    """The .npz file, written by numpy.savez."""
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test, when the file has no x_test."""

    def build(self) -> "Arrays":
        from autotune.train.data import arrays

        return arrays.load(Path(self.path))


class CustomData(SplitConfig):
    """Your own function: it answers a mapping of arrays or tensors, keyed as in an .npz file."""

    name: Literal["custom"] = "custom"
    load: Reference
    """The function, as "my.data:load"; the working directory is searched first."""
    args: dict[str, JsonValue] = {}
    """Passed to it by name."""
    test_fraction: Fraction = 0.2
    """Share of all samples kept for the test, when the function gives no x_test."""

    def build(self) -> "Arrays":
        from autotune.train.data import arrays
        from autotune.train.function import resolve

        given = resolve(self.load, at=("data", "load"))(**self.args)
        return arrays.check(given, self.load, at=("data", "load"))


DataConfig = Annotated[
    DigitsData | MnistData | FashionMnistData | Cifar10Data | ArraysData | CustomData,
    Field(discriminator="name"),
]
