"""Real trainings on a mixed, conditional space: a perceptron on digits or on letters.

digits: scikit-learn's, in digits.yaml. letter: P. Frey and D. Slate, "Letter recognition using
Holland-style adaptive classifiers", 1991, in letter.yaml; the table is read from the folder named
by AUTOTUNE_BENCH_DATA.

What was trained once is kept in a folder on disk, so that methods that meet share it; a training
goes only as far as somebody asked. Its loss is `val_loss`; costs are the processor's seconds as
measured, and what fails has the loss of a guess, the logarithm of the number of classes, to its
end.
"""

import functools
import hashlib
import json
import math
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import overload

from autotune.files import write_atomically
from autotune.spec import StudySpec, load
from autotune.trial import Scalar
from benchmarks.search.task import Curve, Reference

__all__ = ["Real"]


class Real:
    """The study `<name>.yaml` beside this file; `table` is where its data is, if not in a
    package."""

    def __init__(self, name: str, classes: int, cache: Path, table: Path | None = None) -> None:
        self.name, self.cache = name, cache
        self.guess = math.log(classes)
        where = [f"trial.data.path={table}"] if table else []
        self.spec: StudySpec = load(Path(__file__).with_name(f"{name}.yaml"), where)
        self.space = self.spec.space
        self.epochs = int(self.spec.trial["epochs"])
        cache.mkdir(parents=True, exist_ok=True)

    @functools.cached_property
    def reference(self) -> Reference:
        """From 40 random full trainings; the best is 0, since the best reachable is unknown."""
        rng = random.Random(0)
        curves = [self.curve(self.space.sample(rng)) for _ in range(40)]
        scores = sorted(min(curve.losses[i] for i in range(self.epochs)) for curve in curves)
        costs = sorted(curve.seconds[self.epochs - 1] for curve in curves)
        return Reference(0.0, scores[20], costs[20])

    def curve(self, params: Mapping[str, Scalar]) -> Curve:
        text = json.dumps([self.spec.trial, dict(params)], sort_keys=True)
        name = hashlib.blake2b(text.encode(), digest_size=10).hexdigest()
        known = _Recorded(self, dict(params), self.cache / f"{name}.json")
        return Curve(_Column(known, 0), _Column(known, 1))

    @functools.cache  # noqa: B019
    def warm_up(self) -> None:
        """Imports libraries and reads the data, once: no training of this process pays for it."""
        import torch

        torch.set_num_threads(1)
        next(self.train({}))

    def train(self, params: Mapping[str, Scalar]) -> Iterator[float]:
        """The loss of each epoch. Raises NotFinite."""
        from autotune.train.config import apply
        from autotune.train.loop import train

        config = apply(self.spec.trial, params)
        with tempfile.TemporaryDirectory() as folder:
            for report in train(config, Path(folder)):  # type: ignore[arg-type]
                yield report.metrics["val_loss"]


class _Recorded:
    """The epochs of one training that are known, and how to know more."""

    def __init__(self, task: Real, params: dict[str, Scalar], path: Path) -> None:
        self.task, self.params, self.path = task, params, path
        self.rows: list[tuple[float, float]] = []
        if path.exists():
            self.rows = [(loss, spent) for loss, spent in json.loads(path.read_text())]
        self.more: Iterator[tuple[float, float]] | None = None

    def upto(self, epoch: int) -> list[tuple[float, float]]:
        while len(self.rows) < epoch:
            if self.more is None:
                self.more = _train(self.task, self.params)
                self.rows = []  # from the start: no state was kept
            self.rows.append(next(self.more))
            if len(self.rows) in (1, 3, 9, self.task.epochs):
                self._keep()
        return self.rows

    def _keep(self) -> None:
        """Another process may be reading it."""
        write_atomically(self.path, json.dumps(self.rows))


def _train(task: Real, params: Mapping[str, Scalar]) -> Iterator[tuple[float, float]]:
    """Not a method: in a cycle of references its folder would outlive a training broken off."""
    from autotune.train.loop import NotFinite

    task.warm_up()
    before = time.process_time()
    spent = epoch = 0.0
    try:
        for loss in task.train(params):
            epoch = time.process_time() - before
            spent += epoch
            yield loss, spent
            before = time.process_time()
    except NotFinite:
        while True:
            spent += epoch or 0.02
            yield task.guess, spent


class _Column(Sequence[float]):
    """Losses (0) or seconds (1), trained for when they are looked at."""

    def __init__(self, known: _Recorded, which: int) -> None:
        self.known, self.which = known, which

    def __len__(self) -> int:
        return self.known.task.epochs

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[float]: ...
    def __getitem__(self, index: int | slice) -> float | Sequence[float]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self.known.upto(index + 1)[index][self.which]
