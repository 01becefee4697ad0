"""Each method against ours, on the runs that both have: methods may have fewer runs than ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.search.measure import BUDGETS
from benchmarks.search.methods import METHODS, OURS
from benchmarks.search.score import Row, Table, covering, table

__all__ = ["Compared"]


@dataclass(frozen=True, slots=True)
class Compared:
    """The runs of one suite and number of workers."""

    ranked: Table
    """Ours, and all methods that have every run of ours."""
    pairs: Mapping[str, Table]
    """Ours alone, then ours with each other method; the strongest at the last budget first, after
    them those of too few runs for an interval."""
    apart: Sequence[str]
    """Methods that share no run with ours."""

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Compared | None":
        """None where ours has no run."""
        ours = table(rows, [OURS])
        if not ours.tasks:
            return None
        there = {row["method"] for row in rows} - {OURS}
        found = {name: table(rows, [OURS, name]) for name in METHODS if name in there}
        pairs = {name: runs for name, runs in found.items() if runs.tasks}
        names = sorted(pairs, key=lambda name: (not _enough(pairs[name], ours), -_gap(pairs[name])))
        return cls(
            table(rows, covering(rows, OURS)),
            {OURS: ours, **{name: pairs[name] for name in names}},
            [name for name in found if name not in pairs],
        )

    @property
    def others(self) -> list[str]:
        return list(self.pairs)[1:]

    @property
    def sure(self) -> dict[str, Table]:
        """Those of `pairs` that have runs enough for an interval."""
        return {name: runs for name, runs in self.pairs.items() if _enough(runs, self.pairs[OURS])}


def _enough(runs: Table, ours: Table) -> bool:
    """Ten runs, or three seeds of a suite's only task: a bootstrap of fewer says nothing."""
    return len(runs.tasks) >= (3 if len(set(ours.tasks)) == 1 else 10)


def _gap(runs: Table) -> float:
    """How much lower the other's regret is than ours, at the last budget."""
    regrets = runs.regrets(max(BUDGETS))
    ours, (other,) = regrets.pop(OURS), regrets.values()
    return float((ours - other).mean())
