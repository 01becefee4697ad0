"""docs/search-benchmarks.md from the stored runs."""

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.search.measure import BUDGETS
from benchmarks.search.methods import METHODS, OURS
from benchmarks.search.score import Table, interval, ranks, reached, table
from benchmarks.search.suites import SUITES

__all__ = ["document", "summary"]

Row = Mapping[str, Any]


def summary(rows: Sequence[Row]) -> str:
    """The tables: regret, paired differences, ranks, speed-up."""
    known = [name for name in METHODS if any(row["method"] == name for row in rows)]
    runs = table(rows, known)
    if not runs.tasks:
        return "No run that all methods share."
    count = f"{len(set(runs.tasks))} tasks, {len(runs.tasks)} runs a method"
    parts = [
        f"Normalized regret in % at full trainings ({count}), and CPU ms a trial in all",
        _regret(runs),
    ]
    if OURS in known and len(known) > 1:
        parts += [
            f"{METHODS[OURS].about} minus the other, paired, with bootstrap 95 % intervals",
            _differences(runs),
            "Mean rank (1 is best) with bootstrap 95 % intervals",
            _ranks(runs),
            f"Full trainings at which {METHODS[OURS].about} reaches what the other has at 50",
            _speed(runs),
        ]
    return "\n\n".join(parts)


def document(sections: Mapping[tuple[str, int], Sequence[Row]]) -> str:
    """One section for each (suite, workers), in their order."""
    head = (
        "# Search benchmarks\n\n"
        "Searches on a virtual clock, with asynchronous workers. Regret 0 is the best loss known, "
        "100 the median of random full trainings; a budget of 1 is the median cost of a full "
        "training, shared by the workers. The anytime curves are in benchmarks/search/results. "
        f"{_versions()}"
    )
    parts = [head]
    for (suite, workers), rows in sections.items():
        parts += _section(suite, workers, rows)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _section(suite: str, workers: int, rows: Sequence[Row]) -> list[str]:
    title = f"## {suite}, {workers} {'worker' if workers == 1 else 'workers'}"
    command = f"python -m benchmarks.search run --suite {suite} --workers {workers}"
    made = f"Made by `{command}`. {_seeds(rows)}"
    counts = Counter(row["method"] for row in rows)
    common = [row for row in rows if 2 * counts[row["method"]] >= counts[OURS]]
    parts = [title, SUITES[suite].about, made, summary(common)]
    if len(common) < len(rows):
        few = "### With those that have fewer runs, on what all share"
        parts += [few, summary(rows)]
    return parts


def _seeds(rows: Sequence[Row]) -> str:
    ours = [row for row in rows if row["method"] == OURS] or rows
    tasks = Counter((row["task"], row["method"]) for row in ours)
    few, many = min(tasks.values()), max(tasks.values())
    return f"Seeds of each task: {few if few == many else f'{few} to {many}'}."


def _versions() -> str:
    there = [each for each in ("optuna", "scipy", "onnxruntime") if find_spec(each)]
    known = ", ".join(f"{name} {version(name)}" for name in there)
    return f"Python {platform.python_version()}, {known}, {os.cpu_count()} cores, no GPU."


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    all_rows = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in all_rows)


_AT = [f"@{budget}" for budget in BUDGETS]


def _regret(runs: Table) -> str:
    lines = []
    for name, rows in runs.rows.items():
        means = [f"{runs.regrets(budget)[name].mean():.1f}" for budget in BUDGETS]
        trials = np.mean([row["trials"] for row in rows])
        lines.append([METHODS[name].about, *means, f"{trials:.0f}", _cost(rows)])
    return _lines(["method", *_AT, "trials", "ms"], lines)


def _cost(rows: Sequence[Row]) -> str:
    """Milliseconds a trial; nothing where they were not told apart from those of training."""
    if any(row["trial_ms"] is None for row in rows):
        return ""
    cost = sum(row["trial_ms"] * row["trials"] for row in rows) / sum(r["trials"] for r in rows)
    return f"{cost:.1f}"


def _differences(runs: Table) -> str:
    lines = []
    for name in runs.rows:
        if name == OURS:
            continue
        cells = []
        for budget in BUDGETS:
            regrets = runs.regrets(budget)
            difference = regrets[OURS] - regrets[name]
            low, high = interval(difference, runs.tasks)
            cells.append(f"{difference.mean():+.1f} ({low:+.1f} to {high:+.1f})")
        lines.append([METHODS[name].about, *cells])
    return _lines(["other", *_AT], lines)


def _ranks(runs: Table) -> str:
    lines: dict[str, list[str]] = {name: [METHODS[name].about] for name in runs.rows}
    for budget in BUDGETS:
        for name, values in ranks(runs.regrets(budget)).items():
            low, high = interval(values, runs.tasks)
            lines[name].append(f"{values.mean():.2f} ({low:.2f} to {high:.2f})")
    return _lines(["method", *_AT], list(lines.values()))


def _speed(runs: Table) -> str:
    lines = []
    most = max(BUDGETS)
    final = runs.regrets(most)
    for name in runs.rows:
        if name == OURS:
            continue
        pairs = zip(runs.rows[OURS], final[name], strict=True)
        times = np.array([reached(row, regret, most) for row, regret in pairs])
        quartiles = np.quantile(times, [0.25, 0.5, 0.75])
        never = f"{(times > most).mean():.0%}"
        cells = [f"> {most}" if q > most else f"{q:.1f}" for q in quartiles]
        lines.append([METHODS[name].about, cells[1], f"{cells[0]} to {cells[2]}", never])
    return _lines(["other", "median", "quartiles", f"not within {most}"], lines)
