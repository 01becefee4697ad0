"""How the trials of a study stand, kept up to date record by record.

What a running study asks at every record is answered here at a cost that does not grow with the
number of trials: how many are finished, what they cost, the best few, and what a sampler sees.
"""

from bisect import insort

from autotune.journal import Run
from autotune.pareto import fronts
from autotune.spec import Aims
from autotune.trial import Goal, State, Trials

__all__ = ["Standings"]


class Standings:
    def __init__(self, aims: Aims, trials: list[Run]) -> None:
        """Of the search's runs in `trials`, which is by number and grows outside."""
        self._aims, self._trials = aims, trials
        self.finished = 0
        self.seconds = 0.0
        """Working time of all trials."""
        self._told = Trials()
        self._stale: set[int] = set()
        """Whose snapshots in `_told` are out of date."""
        self._ranked: dict[State, list[tuple[float, int]]] = {}
        """Finished, feasible trials with a value, the best by the first objective in front:
        (`better` of the value, number)."""
        self._infeasible: dict[State, list[tuple[float, int]]] = {}
        """Those that break a constraint, the least violating first: (violation, number)."""
        self._set: list[Run] = []
        self._counted = 0
        """Trials that were finished when `_set` was found."""

    def begin(self, run: Run) -> None:
        """A trial begins, or is read from the journal."""
        self.changed(run, run.seconds)
        if run.state.finished:
            self.ended(run)

    def changed(self, run: Run, seconds: float = 0.0) -> None:
        """`run` has another state, or a report that cost `seconds`."""
        self.seconds += seconds
        self._stale.add(run.trial)

    def ended(self, run: Run) -> None:
        """The outcome of `run` is known."""
        self._stale.add(run.trial)
        self.finished += 1
        if run.value is None:
            return
        if violation := self._aims.violation(run.reports):
            insort(self._infeasible.setdefault(run.state, []), (violation, run.trial))
        else:
            place = (self.better(run.value), run.trial)
            insort(self._ranked.setdefault(run.state, []), place)

    def better(self, value: float) -> float:
        """A key by which the better of two objective values sorts first."""
        return -value if self._aims.goals[0] == Goal.MAXIMIZE else value

    def snapshots(self) -> Trials:
        """Every trial as it stands now. The list is kept up to date, not made: do not keep it."""
        for number in sorted(self._stale):
            told = self._trials[number].snapshot(self._aims)
            self._told[number : number + 1] = [told]
        self._stale.clear()
        return self._told

    def best(self, also: float | None = None) -> float | None:
        """The best value of the finished trials and of one that ends with `also`."""
        first = [self._trials[ranked[0][1]].value for ranked in self._ranked.values()]
        values = [value for value in (also, *first) if value is not None]
        return min(values, key=self.better) if values else None

    def top(self, k: int) -> list[Run]:
        """The k best feasible complete trials; where none is complete, the best of the pruned. Of
        several objectives: the Pareto set, the picked one first."""
        ranked = self._ranked.get(State.COMPLETE) or self._ranked.get(State.PRUNED, [])
        if len(self._aims.objectives) > 1:
            return self._pareto([self._trials[number] for _, number in ranked])[:k]
        return [self._trials[number] for _, number in ranked[:k]]

    def _pareto(self, runs: list[Run]) -> list[Run]:
        if self._counted != self.finished:
            points = [self._aims.losses(self._aims.values(run.reports)) for run in runs]
            found = [i for i, front in enumerate(fronts(points)) if front == 0]
            order = self._aims.preferred([points[i] for i in found]) if found else []
            self._set = [runs[found[place]] for place in order]
            self._counted = self.finished
        return self._set

    def least_violating(self) -> Run | None:
        """The trial that breaks the constraints least; of the complete ones where there are any."""
        ranked = self._infeasible.get(State.COMPLETE) or self._infeasible.get(State.PRUNED, [])
        return self._trials[ranked[0][1]] if ranked else None
