"""input.json of an export: the network's input, and the meaning of its output."""

import platform
from collections.abc import Sequence
from importlib import metadata
from typing import Annotated, Any, Self

from pydantic import Field
from torch import Tensor

from autotune.train.base import Config
from autotune.train.data.raw import Column, Pixels
from autotune.train.data.values import Dataset, Task

__all__ = ["FORMAT", "DataFacts", "Input", "Target", "Transform", "Versions", "made_by"]

FORMAT = 1
"""Increased after any change that an older version would misread."""
Texts = Annotated[tuple[str, ...], Field(strict=False)]
Numbers = Annotated[tuple[float, ...], Field(strict=False)]
Sizes = Annotated[tuple[int, ...], Field(strict=False)]


class Versions(Config):
    """The versions that wrote the export."""

    autotune: str
    torch: str
    python: str


class Target(Config):
    """For a regression: prediction = mean + std * network output."""

    mean: float
    std: float


class Transform(Config):
    """The transform that model.pt2 and model.onnx apply first: (x - mean) / std, by channel of an
    image or by feature, after filling in medians and indicators of missing numbers."""

    mean: Numbers
    std: Numbers


class DataFacts(Config):
    """The training data."""

    name: str
    """As `data.name` in best.yaml."""
    files: Texts = ()
    """Its location: one file, or the first few of many."""
    sha256: str = ""
    hashed: str = ""
    """What the hash covers."""
    samples: Sizes = ()
    """Of the training, validation and test split."""
    test_sha256: str = ""
    """Identifies the test split: two scores on the same split can be compared."""


class Input(Config):
    format: int = FORMAT
    made_by: Versions
    study: str
    trial: int
    task: Task
    classes: Texts = ()
    """Class names, by the index of their score."""
    target: Target | None = None
    sample: Sizes
    """The shape of one raw sample: the columns, or (C, H, W)."""
    columns: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    missing: Texts = ()
    """Texts of a CSV cell that is empty."""
    pixels: Pixels | None = None
    transform: Transform
    data: DataFacts

    @classmethod
    def of(cls, data: Dataset, study: str, trial: int, facts: DataFacts) -> Self:
        columns = data.raw.columns
        return cls(
            made_by=made_by(),
            study=study,
            trial=trial,
            task="classification" if data.classes else "regression",
            classes=data.labels,
            target=None if data.classes else Target(mean=data.y_mean, std=data.y_std),
            sample=(len(columns),) if columns else data.shape,
            columns=columns,
            missing=_missing_texts(columns) if columns else (),
            pixels=data.raw.pixels,
            transform=Transform(mean=_flat(data.mean), std=_flat(data.std)),
            data=facts,
        )

    @property
    def network_shape(self) -> tuple[int, ...]:
        """The shape of one sample after the transform, with indicators of missing numbers."""
        if not self.columns:
            return self.sample
        return (len(self.columns) + sum(column.marked for column in self.columns),)

    @property
    def categories(self) -> tuple[int, ...]:
        """How many codes each column of categories has: see Dataset."""
        return tuple(len(c.values) + 1 for c in self.columns if c.kind == "category")

    @property
    def outputs(self) -> int:
        return len(self.classes) or 1

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation, to be broadcast over the network's input."""
        import torch

        shape = (1, -1, *[1] * (len(self.network_shape) - 1))
        mean, std = torch.tensor(self.transform.mean), torch.tensor(self.transform.std)
        return mean.reshape(shape), std.reshape(shape)


def made_by() -> Versions:
    return Versions(
        autotune=metadata.version("autotune"),
        torch=metadata.version("torch"),
        python=platform.python_version(),
    )


def _flat(statistic: Tensor) -> tuple[float, ...]:
    return tuple(statistic.flatten().tolist())


def _missing_texts(columns: Sequence[Column]) -> tuple[str, ...]:
    """What pandas takes for an empty cell when it reads a CSV file; but not what a Parquet file
    has taught as a category."""
    from pandas._libs.parsers import STR_NA_VALUES

    texts: Any = STR_NA_VALUES
    return tuple(sorted({*texts} - {value for column in columns for value in column.values}))
