"""LCBench through YAHPO's surrogate: learning curves of multilayer perceptrons on tabular data.

L. Zimmer et al., "Auto-PyTorch tabular", 2021; F. Pfisterer et al., "YAHPO Gym", AutoML 2022. The
surrogate's files (github.com/slds-lmu/yahpo_data, folder lcbench) are read from the folder named
by AUTOTUNE_BENCH_DATA.
"""

import functools
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from autotune.files import write_atomically
from autotune.space import Space
from autotune.trial import Scalar
from benchmarks.search.task import CACHE, Curve, Reference

__all__ = ["QUICK", "TASKS", "Lcbench"]

TASKS = (
    *("3945", "34539", "126026", "146212", "167149", "167161", "167181", "167185", "167200"),
    *("168329", "168331", "168868", "168910", "189862", "189866", "189905", "189908"),
)
"""For development. The other half of the benchmark's tasks is kept for outside checks."""
QUICK = ("3945", "126026", "167161", "167185", "168329")

_ORDER = (
    *("batch_size", "learning_rate", "momentum", "weight_decay"),
    *("num_layers", "max_units", "max_dropout"),
)
SPACE = Space.parse(
    {
        "batch_size": {"type": "int", "low": 16, "high": 512, "log": True},
        "learning_rate": {"type": "float", "low": 1e-4, "high": 1e-1, "log": True},
        "momentum": {"type": "float", "low": 0.1, "high": 0.99},
        "weight_decay": {"type": "float", "low": 1e-5, "high": 1e-1},
        "num_layers": {"type": "int", "low": 1, "high": 5},
        "max_units": {"type": "int", "low": 64, "high": 1024, "log": True},
        "max_dropout": {"type": "float", "low": 0.0, "high": 1.0},
    }
)
_EPOCHS = np.arange(1, 53, dtype=np.float32)


@functools.cache
def _surrogate(folder: Path) -> tuple[Any, Mapping[str, int]]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", options)
    return session, json.loads((folder / "encoding.json").read_text())["OpenML_task_id"]


class Lcbench:
    """One task of the benchmark; the loss is the validation error in percent.

    The surrogate's epoch 1 is the state before training and says nothing, so its epochs 2 to 52
    are called 1 to 51; the start-up cost in its first epoch goes to the first one here.
    """

    space = SPACE
    epochs = 51

    def __init__(self, task: str, folder: Path) -> None:
        self.name = f"lcbench-{task}"
        self._model = folder / "model.onnx"
        self._session, codes = _surrogate(folder)
        self._code = codes[task]
        self._curves: dict[tuple[Scalar, ...], Curve] = {}

    @functools.cached_property
    def reference(self) -> Reference:
        """Computed once for each file of the surrogate: it takes some ten seconds."""
        digest = hashlib.blake2b(self._model.read_bytes(), digest_size=8).hexdigest()
        known = CACHE / "lcbench" / f"{self.name}-{digest}.json"
        if known.exists():
            return Reference(**json.loads(known.read_text()))
        found = self._reference()
        write_atomically(known, json.dumps(asdict(found)))
        return found

    def _reference(self) -> Reference:
        """From 1,000 random trainings and a local_search from the best of 4,000 more."""
        rng = random.Random(0)
        drawn = [SPACE.sample(rng) for _ in range(5000)]
        curves = self._curves_of(drawn)
        scores = [min(curve.losses) for curve in curves]
        costs = sorted(curve.seconds[-1] for curve in curves[:1000])
        best = self._climb(drawn, scores, rng)
        return Reference(best, float(np.median(scores[:1000])), costs[500])

    def curve(self, params: Mapping[str, Scalar]) -> Curve:
        key = tuple(params.values())
        if key not in self._curves:
            (self._curves[key],) = self._curves_of([params])
        return self._curves[key]

    def _curves_of(self, many: Sequence[Mapping[str, Scalar]]) -> list[Curve]:
        """A few at a time: all at once would take gigabytes, and the same seconds."""
        starts = range(0, len(many), 50)
        return [curve for start in starts for curve in self._few(many[start : start + 50])]

    def _few(self, many: Sequence[Mapping[str, Scalar]]) -> list[Curve]:
        rows = np.array([[params[name] for name in _ORDER] for params in many], np.float32)
        x = np.concatenate(
            [np.tile(_EPOCHS, len(rows))[:, None], np.repeat(rows, len(_EPOCHS), 0)], axis=1
        )
        code = np.full((len(x), 1), self._code, np.int32)
        (y,) = self._session.run(None, {"x_cat": code, "x_cont": x})
        y = y.reshape(len(rows), len(_EPOCHS), -1).astype(float)
        # The surrogate's time dips now and then: what was spent stays spent.
        seconds = np.minimum.accumulate(y[:, ::-1, 0], axis=1)[:, ::-1]
        losses = 100 - y[:, 1:, 1]
        return [
            Curve(tuple(loss), tuple(spent))
            for loss, spent in zip(losses.tolist(), seconds[:, 1:].tolist(), strict=True)
        ]

    def _climb(
        self, drawn: Sequence[Mapping[str, Scalar]], scores: list[float], rng: random.Random
    ) -> float:
        """The lowest loss found by small moves from the 20 best draws."""
        from autotune.search.encode import encode

        order = sorted(range(len(drawn)), key=scores.__getitem__)[:20]
        points = [
            [encode(p, float(drawn[i][n])) for n, p in SPACE.parameters.items()]  # type: ignore[arg-type]
            for i in order
        ]
        values = [scores[i] for i in order]
        for scale in np.geomspace(0.2, 0.005, 15):
            moved = [
                [
                    min(max(u + rng.gauss(0, scale) * (rng.random() < 0.5), 0.0), 1 - 1e-9)
                    for u in point
                ]
                for point in points
                for _ in range(20)
            ]
            curves = self._curves_of([SPACE.decode(point) for point in moved])
            for index, curve in enumerate(curves):
                if (loss := min(curve.losses)) < values[index // 20]:
                    values[index // 20], points[index // 20] = loss, moved[index]
        return min(values)
