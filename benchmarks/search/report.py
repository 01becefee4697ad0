"""docs/search-benchmarks.md from the stored runs."""

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from importlib.util import find_spec

import numpy as np

from benchmarks.search.compared import Compared
from benchmarks.search.measure import BUDGETS
from benchmarks.search.methods import METHODS, OURS
from benchmarks.search.score import Array, Row, Table, interval, ranks, reached, table
from benchmarks.search.suites import SUITES

__all__ = ["document", "pictured", "summary"]

Sections = Mapping[tuple[str, int], Sequence[Row]]

RANKED = (10, 20, 50)
"""The budgets at which ranks are shown."""
LAST = max(BUDGETS)

_HEAD = (
    "# Search benchmarks\n\n"
    "The benchmarks run searches on a virtual clock, with asynchronous workers. A regret of 0 "
    "is the best known loss; 100 is the median of random full trainings. A budget of 1 is the "
    "median cost of a full training, shared by the workers. benchmarks/search/results has the "
    "anytime curves; `python -m benchmarks.search report` writes this page from them. "
)
_OVERVIEW = (
    "The table shows our mean rank (1 is best; bold if no other method has a lower or equal "
    "one) and, after the semicolon, the best of the others. The last column names the "
    f"strongest peer at {LAST} and gives the paired difference: our regret minus its regret. "
    "The next paragraph explains intervals, n and the ranked methods."
)
_READING = (
    "**How to read the sections.** Each method is compared with ours on the runs that both "
    "have: n = tasks × seeds. A method's regret is the mean over these runs. Rows with "
    "different n are therefore comparable only through the second table, which has the paired "
    "differences; a negative difference is in our favour. The last column of that table is "
    "the speed-up: the number of full trainings after which ours is as good as the other "
    f"method at {LAST}, median and quartiles. Mean ranks include only methods that have all "
    "runs of ours. Brackets contain bootstrap 95 % intervals of the mean, which draw tasks "
    "first, then runs within each task. A method with fewer than ten shared runs (three seeds "
    "if there is one task) has no interval and no line in the picture. The picture has bands "
    "for ours and for the method that ends nearest to it. The column ms is the processor time "
    "of the proposals for each trial."
)


def document(sections: Sections) -> str:
    """The whole page: an overview, and one section for each (suite, workers), in their order."""
    parts = [_HEAD + _versions(), _overview(sections), _READING]
    for (suite, workers), rows in sections.items():
        parts += _section(suite, workers, rows)
    return "\n\n".join(part.strip() for part in parts) + "\n"


def pictured(suite: str, workers: int, rows: Sequence[Row]) -> tuple[str, Mapping[str, Table]]:
    """The name of a section's picture, and what it shows; nothing where ours has too few runs."""
    found = Compared.of(rows)
    shown = found.sure if found else {}
    return f"search-{suite}-w{workers}.svg", shown if OURS in shown else {}


def summary(rows: Sequence[Row]) -> str:
    """The tables of one suite: regret and ranks, then paired differences and the speed-up."""
    found = Compared.of(rows)
    if found is None:
        return _without_ours(rows)
    among, count = len(found.ranked.rows), found.ranked.count
    ranked = f", and mean rank among the {among} methods that have all {count}" if among > 1 else ""
    parts = [f"Normalized regret in % at full trainings{ranked}", _regrets(found)]
    if found.others:
        parts += [
            f"Paired differences of regret: {_about(OURS)}, minus the other",
            _differences(found),
        ]
    if found.apart:
        parts.append(f"No run in common with ours: {', '.join(map(_about, found.apart))}.")
    return "\n\n".join(parts)


def _overview(sections: Sections) -> str:
    lines = []
    for (suite, workers), rows in sections.items():
        if found := Compared.of(rows):
            cells = [_best_rank(found.ranked, budget) for budget in RANKED]
            lines.append([suite, str(workers), found.ranked.count, *cells, _strongest(found)])
    at = [f"mean rank @{budget}" for budget in RANKED]
    head = ["suite", "workers", "tasks × seeds", *at, f"strongest peer @{LAST}"]
    return f"{_OVERVIEW}\n\n{_lines(head, lines)}"


def _best_rank(ranked: Table, budget: int) -> str:
    means = {name: values.mean() for name, values in ranks(ranked.regrets(budget)).items()}
    ours = means.pop(OURS)
    if not means:
        return "–"
    best = min(means, key=lambda name: means[name])
    figure = f"**{ours:.1f}**" if ours < means[best] else f"{ours:.1f}"
    return f"{figure}; {means[best]:.1f} {METHODS[best].short}"


def _strongest(found: Compared) -> str:
    others = [name for name in found.sure if name != OURS]
    if not others:
        return "–"
    runs = found.sure[others[0]]
    gap = _mean(_gaps(runs, others[0], LAST), runs, True, "+.1f")
    return f"{METHODS[others[0]].short}: {gap}, n = {runs.count}"


def _section(suite: str, workers: int, rows: Sequence[Row]) -> list[str]:
    title = f"{suite}, {workers} {'worker' if workers == 1 else 'workers'}"
    command = f"python -m benchmarks.search run --suite {suite} --workers {workers}"
    name, shown = pictured(suite, workers, rows)
    picture = [f"![Mean regret: {title}](images/{name})"] if shown else []
    about = f"{SUITES[suite].about} Made by `{command}`."
    return [f"## {title}", about, *picture, summary(rows)]


def _versions() -> str:
    there = [each for each in ("optuna", "scipy", "onnxruntime") if find_spec(each)]
    known = ", ".join(f"{name} {version(name)}" for name in there)
    return f"Python {platform.python_version()}, {known}, {os.cpu_count()} cores, no GPU."


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    all_rows = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in all_rows)


def _about(name: str) -> str:
    return METHODS[name].about


_AT = [f"@{budget}" for budget in BUDGETS]
_REGRETS = ["method", "n", *_AT, "trials", "ms"]


def _regrets(found: Compared) -> str:
    ranked = {budget: ranks(found.ranked.regrets(budget)) for budget in RANKED}
    alone, sure = len(found.ranked.rows) == 1, OURS in found.sure
    lines = []
    for name, runs in found.pairs.items():
        places = (
            []
            if alone
            else [
                _mean(ranked[budget][name], found.ranked, sure) if name in ranked[budget] else ""
                for budget in RANKED
            ]
        )
        lines.append([*_figures(name, runs), *places])
    heads = [] if alone else [f"rank @{budget}" for budget in RANKED]
    return _lines([*_REGRETS, *heads], lines)


def _without_ours(rows: Sequence[Row]) -> str:
    known = [name for name in METHODS if any(row["method"] == name for row in rows)]
    lines = [_figures(name, table(rows, [name])) for name in known]
    return _lines(_REGRETS, lines) if lines else "No run."


def _figures(name: str, runs: Table) -> list[str]:
    means = [f"{runs.regrets(budget)[name].mean():.1f}" for budget in BUDGETS]
    trials = np.mean([row["trials"] for row in runs.rows[name]])
    return [_about(name), runs.count, *means, f"{trials:.0f}", _cost(runs.rows[name])]


def _cost(rows: Sequence[Row]) -> str:
    """Milliseconds a trial; nothing where they were not told apart from those of training."""
    if any(row["trial_ms"] is None for row in rows):
        return ""
    cost = sum(row["trial_ms"] * row["trials"] for row in rows) / sum(r["trials"] for r in rows)
    return f"{cost:.1f}"


def _differences(found: Compared) -> str:
    lines = []
    for name in found.others:
        runs, sure = found.pairs[name], name in found.sure
        cells = [_mean(_gaps(runs, name, budget), runs, sure, "+.1f") for budget in BUDGETS]
        lines.append([_about(name), runs.count, *cells, _speed(runs, name, sure)])
    return _lines(["other", "n", *_AT, f"as good as it @{LAST} after"], lines)


def _gaps(runs: Table, name: str, budget: int) -> Array:
    regrets = runs.regrets(budget)
    return regrets[OURS] - regrets[name]


def _mean(values: Array, runs: Table, sure: bool, form: str = ".1f") -> str:
    if not sure:
        return f"{values.mean():{form}}"
    low, high = interval(values, runs.tasks)
    return f"{values.mean():{form}} ({low:{form}} to {high:{form}})"


def _speed(runs: Table, name: str, sure: bool) -> str:
    pairs = zip(runs.rows[OURS], runs.regrets(LAST)[name], strict=True)
    times = np.array([reached(row, regret, LAST) for row, regret in pairs])
    low, median, high = (
        f"> {LAST}" if q > LAST else f"{q:.1f}" for q in np.quantile(times, [0.25, 0.5, 0.75])
    )
    return f"{median} ({low} to {high})" if sure else median
