"""Figures from anytime curves: regret at budgets, ranks, speed-ups, with bootstrap intervals."""

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Array",
    "Row",
    "Table",
    "at",
    "band",
    "covering",
    "interval",
    "ranks",
    "reached",
    "table",
]

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
        first = next(iter(rows.values()))
        self.tasks = [row["task"] for row in first]
        self.count = _count(self.tasks)

    def regrets(self, budget: float) -> dict[str, Array]:
        return {name: np.array([at(r, budget) for r in rows]) for name, rows in self.rows.items()}


def _count(tasks: Sequence[str]) -> str:
    """Tasks × seeds: "17 × 10", or "17 × 5 to 6" where some tasks have more."""
    seeds = Counter(tasks).values()
    if not seeds:
        return "0"
    few, many = min(seeds), max(seeds)
    return f"{len(seeds)} × {few if few == many else f'{few} to {many}'}"


def table(rows: Sequence[Row], methods: Sequence[str]) -> Table:
    """The runs that all of `methods` have."""
    found = _by_method(rows)
    shared = sorted(set.intersection(*(set(found.get(name, {})) for name in methods)))
    return Table({name: [found[name][key] for key in shared] for name in methods})


def covering(rows: Sequence[Row], ours: str) -> list[str]:
    """The methods that have every run of `ours`, itself first."""
    found = _by_method(rows)
    needed = set(found.get(ours, {}))
    others = [name for name, known in found.items() if name != ours and needed <= set(known)]
    return [ours, *others] if needed else []


def _by_method(rows: Sequence[Row]) -> dict[str, dict[tuple[str, int], Row]]:
    found: dict[str, dict[tuple[str, int], Row]] = {}
    for row in rows:
        found.setdefault(row["method"], {})[row["task"], row["seed"]] = row
    return found


def ranks(regrets: Mapping[str, Array]) -> dict[str, Array]:
    """The rank of each method in each run, 1 the best; equal ones share the mean."""
    values = np.array(list(regrets.values()))
    below = (values[:, None] > values[None, :]).sum(axis=1)
    same = (values[:, None] == values[None, :]).sum(axis=1)
    return dict(zip(regrets, 1 + below + (same - 1) / 2, strict=True))


def interval(values: Array, tasks: Sequence[str], draws: int = 2000) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean: tasks are drawn, then runs within each."""
    low, high = band(values[:, None], tasks, draws)
    return float(low[0]), float(high[0])


def band(values: Array, tasks: Sequence[str], draws: int = 2000) -> tuple[Array, Array]:
    """`interval` of each column; `values[i]` is of a run of `tasks[i]`."""
    means = _weights(tuple(tasks), draws) @ values
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return low, high


@functools.lru_cache(maxsize=8)
def _weights(tasks: tuple[str, ...], draws: int) -> Array:
    """What each run counts in the mean of each draw."""
    rng = np.random.default_rng(0)
    names = sorted(set(tasks))
    chosen = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    weights = np.zeros((draws, len(tasks)))
    for times, name in zip(chosen.T, names, strict=True):
        of = [i for i, task in enumerate(tasks) if task == name]
        counts = rng.multinomial(times * len(of), np.full(len(of), 1 / len(of)))
        weights[:, of] = counts / (len(of) * len(names))
    return weights
