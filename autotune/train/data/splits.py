"""The train, validation and test parts: drawn once, by `data.seed`, alike in make-up."""

from dataclasses import replace
from typing import Any

import numpy as np

from autotune.errors import InvalidInput, Problem
from autotune.train.data.config import SplitConfig
from autotune.train.data.values import Array, Arrays, Indices, Task

__all__ = ["fold_of", "split", "stratified"]

FEW = 256  # samples that stand in for a part that is not held out
BINS = 10  # of equal counts, that a regression's target is stratified by


def split(config: SplitConfig, read: Arrays, task: Task) -> Arrays:
    """`read` with a validation and a test part, drawn where they are absent."""
    if read.x_val is not None and config.folds is not None:
        message = "`data.folds` has no effect: the data brings a validation part of its own"
        raise InvalidInput([Problem(message, ("data", "folds"))])
    part_not_empty("train", read.y)
    if config.use_all:
        return together(read)
    drawn = read.x_val is None or read.x_test is None
    strata = strata_of(read.y, task)
    if read.x_test is None:
        fraction = getattr(config, "test_fraction", 0.0)
        kept, held = stratified(strata, fraction, config.seed)
        read, strata = with_part(read, "test", kept, held), strata[kept]
    if read.x_val is None:
        # Another seed than the test's: otherwise the same ranks of each class would be taken.
        if config.folds is None:
            kept, held = stratified(strata, config.val_fraction, config.seed + 1)
        else:
            kept, held = fold_of(strata, config.folds, config.fold, config.seed + 1)
        read = with_part(read, "val", kept, held)
    for name, part in (("train", read.y), ("validation", read.y_val), ("test", read.y_test)):
        part_not_empty(name, part)
    if drawn and task == "classification":
        no_lonely_class(read)
    return read


def together(read: Arrays) -> Arrays:
    """All that there is to learn from; the other parts are some of it, and say nothing."""
    pairs = ((read.x, read.y), (read.x_val, read.y_val), (read.x_test, read.y_test))
    x = np.concatenate([x for x, _ in pairs if x is not None])
    y = np.concatenate([y for _, y in pairs if y is not None])
    some = slice(None, None, max(1, len(y) // FEW))
    few: dict[str, Any] = {"x_val": x[some], "y_val": y[some], "x_test": x[some], "y_test": y[some]}
    return replace(read, x=x, y=y, **few)


def with_part(read: Arrays, part: str, kept: Indices, held: Indices) -> Arrays:
    drawn: dict[str, Any] = {f"x_{part}": read.x[held], f"y_{part}": read.y[held]}
    return replace(read, x=read.x[kept], y=read.y[kept], **drawn)


def strata_of(y: Array, task: Task) -> Array:
    """What every part should hold alike: the classes, or the tenths of the target."""
    if task == "classification":
        return y
    edges = np.quantile(y.astype(np.float64), np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, y)


def stratified(y: Array, fraction: float, seed: int) -> tuple[Indices, Indices]:
    """Two sorted index arrays: what is kept, and `fraction` of every class that is held out."""
    draw = np.random.Generator(np.random.PCG64(seed))
    held = []
    for label in np.unique(y):
        members = draw.permutation(np.flatnonzero(y == label))
        held.append(members[: round(len(members) * fraction)])
    out = np.sort(np.concatenate(held))
    return np.setdiff1d(np.arange(len(y)), out), out


def fold_of(y: Array, folds: int, fold: int, seed: int) -> tuple[Indices, Indices]:
    """As `stratified`, but the held-out parts of all folds are disjoint and make up the whole."""
    draw = np.random.Generator(np.random.PCG64(seed))
    members = [draw.permutation(np.flatnonzero(y == label)) for label in np.unique(y)]
    dealt = np.concatenate(members)  # class after class, dealt out like cards
    return np.sort(dealt[np.arange(len(y)) % folds != fold]), np.sort(dealt[fold::folds])


def part_not_empty(name: str, part: Array | None) -> None:
    if part is None or len(part) == 0:
        message = f"`data`: the {name} part would be empty: there are too few samples"
        raise InvalidInput([Problem(message, ("data",))])


def no_lonely_class(read: Arrays) -> None:
    """A class of one sample can be learnt or judged, but not both."""
    labels = np.concatenate([y for y in (read.y, read.y_val, read.y_test) if y is not None])
    classes, counts = np.unique(labels, return_counts=True)
    if 1 in counts:
        shown = ", ".join(map(str, classes[counts == 1][:5]))
        cure = "add samples, join classes or remove them"
        message = f"`data`: a class must have 2 samples or more, but has 1: {shown}: {cure}"
        raise InvalidInput([Problem(message, ("data",))])
