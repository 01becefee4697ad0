"""The labels or numbers that are learnt: checked against the loss, then numbered or scaled."""

from dataclasses import dataclass

import numpy as np

from autotune.errors import InvalidInput, Problem
from autotune.train.data.values import Array, Arrays, Task

__all__ = ["Targets", "check_kind", "targets"]

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Targets:
    """Of train, validation and test: int64 numbers of classes, or standardised float32."""

    parts: tuple[Array, Array, Array]
    labels: tuple[str, ...] = ()
    mean: float = 0.0
    std: float = 1.0


def check_kind(read: Arrays, task: Task) -> None:
    """That the loss fits what there is to learn."""
    for suffix in ("", "_val", "_test"):
        y = getattr(read, f"y{suffix}")
        if y is None:
            continue
        if task == "classification" and y.dtype.kind == "f":
            raise misfit(
                f"`data`: y{suffix} must hold whole numbers, got {y.dtype}: y.astype('int64'), or "
                "set `loss.name` to mse, mae or huber for a regression"
            )
        if task == "regression" and y.dtype.kind not in "iubf":
            raise misfit(
                f"`data`: y{suffix} must hold numbers for a regression, got text: set `loss.name` "
                "to cross_entropy to tell classes apart"
            )
        if y.dtype.kind == "f" and not np.isfinite(y).all():
            raise misfit(f"`data`: y{suffix} must be finite, but holds NaN or infinity")


def targets(read: Arrays, task: Task) -> Targets:
    return numbered(read) if task == "classification" else scaled(read)


def numbered(read: Arrays) -> Targets:
    """The labels as 0, 1, ... in the order of the train labels."""
    classes = np.unique(read.y)
    if len(classes) < 2:
        raise misfit(f"`data`: there must be 2 classes or more, but all labels are {classes[0]!s}")
    parts = []
    for name, y in zip(PARTS, (read.y, read.y_val, read.y_test), strict=True):
        assert y is not None
        strange = np.setdiff1d(y, classes)
        if len(strange):
            shown = ", ".join(map(str, strange[:5]))
            raise misfit(f"`data`: labels of the {name} part that the train part lacks: {shown}")
        parts.append(np.searchsorted(classes, y).astype(np.int64))
    return Targets((parts[0], parts[1], parts[2]), tuple(map(str, classes)))


def scaled(read: Arrays) -> Targets:
    """The numbers with the mean and the standard deviation of the train part taken out."""
    mean, std = float(read.y.mean(dtype=np.float64)), float(read.y.std(dtype=np.float64))
    if std == 0:
        raise misfit(f"`data`: the target must vary, but is {read.y[0]!s} throughout")
    parts = []
    for y in (read.y, read.y_val, read.y_test):
        assert y is not None
        parts.append(((y.astype(np.float64) - mean) / std).astype(np.float32))
    return Targets((parts[0], parts[1], parts[2]), mean=mean, std=std)


def misfit(message: str) -> InvalidInput:
    return InvalidInput([Problem(message, ("data",))])
