"""Figures from anytime curves: regret at budgets, ranks, speed-ups, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "at", "interval", "ranks", "reached", "table"]

Array = NDArray[np.float64]
Row = Mapping[str, Any]


def at(row: Row, budget: float) -> float:
    """Regret in % at `budget` full trainings; 100, a median training's, before any report."""
    place = int(np.searchsorted(row["trainings"], budget, "right"))
    return min(100.0, float(row["regret"][place - 1])) if place else 100.0


def reached(row: Row, regret: float, most: float) -> float:
    """Full trainings until `regret` was reached; twice `most` when it was not within `most`."""
    for budget, value in zip(row["trainings"], row["regret"], strict=True):
        if value <= regret + 1e-9:
            return float(min(budget, 2 * most))
    return 2 * most


class Table:
    """Runs of several methods over the same tasks and seeds: `rows[method][i]` are paired."""

    def __init__(self, rows: Mapping[str, Sequence[Row]]) -> None:
        self.rows = rows
        self.tasks = [row["task"] for row in next(iter(rows.values()))]

    def regrets(self, budget: float) -> dict[str, Array]:
        return {name: np.array([at(r, budget) for r in rows]) for name, rows in self.rows.items()}


def table(rows: Sequence[Row], methods: Sequence[str]) -> Table:
    """The runs that all of `methods` have."""
    found: dict[str, dict[tuple[str, int], Row]] = {name: {} for name in methods}
    for row in rows:
        if row["method"] in found:
            found[row["method"]][row["task"], row["seed"]] = row
    shared = sorted(set.intersection(*(set(known) for known in found.values())))
    return Table({name: [known[key] for key in shared] for name, known in found.items()})


def ranks(regrets: Mapping[str, Array]) -> dict[str, Array]:
    """The rank of each method in each run, 1 the best; equal ones share the mean."""
    values = np.array(list(regrets.values()))
    below = (values[:, None] > values[None, :]).sum(axis=1)
    same = (values[:, None] == values[None, :]).sum(axis=1)
    return dict(zip(regrets, 1 + below + (same - 1) / 2, strict=True))


def interval(values: Array, tasks: Sequence[str], draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean: tasks are drawn, then runs within each."""
    rng = np.random.default_rng(0)
    names = sorted(set(tasks))
    groups = [values[[i for i, task in enumerate(tasks) if task == name]] for name in names]
    means = []
    for _ in range(draws):
        chosen = rng.integers(len(groups), size=len(groups))
        means.append(np.mean([rng.choice(groups[i], size=len(groups[i])).mean() for i in chosen]))
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
