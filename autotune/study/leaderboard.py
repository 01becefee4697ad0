"""The leaderboard of a study's trials, updated record by record.

It answers what a running study needs at every record, at a cost that does not grow with the number
of trials: how many are finished, their cost, the best few, and the view of a sampler.
"""

from bisect import bisect_left, insort
from itertools import islice

from autotune.pareto import front
from autotune.spec import Scoring
from autotune.study.journal.journal import Run
from autotune.trial import State, Trials

__all__ = ["Leaderboard"]

_Place = tuple[bool, float, bool, int]
"""Sort key, the better trial first: see `Leaderboard._place`."""


class Leaderboard:
    """Every trial that has reported counts: a running, paused or stopped one by its value so far,
    which can only improve if `objective.at` is best. If trials are judged by `seconds`, complete
    ones go first. Failed ones have no value."""

    def __init__(self, scoring: Scoring, trials: list[Run]) -> None:
        """For the search's runs in `trials`, a list by number that grows outside."""
        self._aims, self._trials = scoring, trials
        self.finished = 0
        self.seconds = 0.0
        """Working time of all trials."""
        self._told = Trials()
        self._stale: set[int] = set()
        """Trials whose snapshots in `_told` are outdated."""
        self._mark_dirty: set[int] = set()
        """Trials whose ranks are outdated."""
        self._places: dict[int, tuple[list[_Place], _Place]] = {}
        """trial number -> the list it is in, and its rank there."""
        self._feasible: list[_Place] = []
        """Best by the first objective first."""
        self._infeasible: list[_Place] = []
        """Infeasible ones, the least violating first."""
        self._best: float | None = None
        """Best value among the finished ones."""
        self._front: list[Run] | None = None
        """The Pareto set; None if it must be recomputed."""

    def begin(self, run: Run) -> None:
        """Adds a trial that begins, or is read from the journal."""
        self.changed(run, run.seconds)
        if run.state.finished:
            self.ended(run)

    def changed(self, run: Run, seconds: float = 0.0) -> None:
        """`run` has another state, or a report that cost `seconds`."""
        self.seconds += seconds
        self._stale.add(run.trial)
        self._mark_dirty.add(run.trial)

    def ended(self, run: Run) -> None:
        """The outcome of `run` is known."""
        self.changed(run)
        self.finished += 1
        if run.value is not None and not self._aims.violation(run.reports):
            self._best = self.best(run.value)

    def better(self, value: float) -> float:
        """A sort key: the better of two objective values comes first."""
        return self._aims.goals[0].loss(value)

    def snapshots(self) -> Trials:
        """Returns a live list of every trial; copy it to keep it."""
        for number in sorted(self._stale):
            told = self._trials[number].snapshot(self._aims)
            self._told[number : number + 1] = [told]
        self._stale.clear()
        return self._told

    def best(self, also: float | None = None) -> float | None:
        """The best value of the finished trials and of one that ended with `also`."""
        values = [value for value in (also, self._best) if value is not None]
        return min(values, key=self.better) if values else None

    def value(self, run: Run) -> float | None:
        """A trial's value so far; None if it failed or has not reported."""
        if run.state.finished:
            return run.value
        return next(iter(self._aims.values(run.reports)), None)

    def top(self, k: int) -> list[Run]:
        """The k best feasible trials. With several objectives: the Pareto set, the picked one
        first, then the Pareto set of the rest, and so on."""
        self._update()
        if len(self._aims.objectives) == 1:
            return self._runs(self._feasible[:k])
        found = self.pareto()[:k]
        while len(found) < min(k, len(self._feasible)):
            taken = {run.trial for run in found}
            found += self._next_front([p for p in self._feasible if p[-1] not in taken])
        return found[:k]

    def first(self, k: int, *states: State) -> list[Run]:
        """The k best feasible trials in one of `states`, by the first objective."""
        self._update()
        ranked = (self._trials[place[-1]] for place in self._feasible)
        return list(islice((run for run in ranked if run.state in states), k))

    def pareto(self) -> list[Run]:
        """The feasible trials that no other dominates, the picked one first."""
        self._update()
        if self._front is None:
            self._front = self._next_front(self._feasible)
        return self._front

    def least_violating(self) -> Run | None:
        """The least violating trial."""
        self._update()
        return next(iter(self._runs(self._infeasible[:1])), None)

    def _update(self) -> None:
        for number in self._mark_dirty:
            if number in self._places:
                places, place = self._places.pop(number)
                del places[bisect_left(places, place)]
            run = self._trials[number]
            if (value := self.value(run)) is not None:
                violation = self._aims.violation(run.reports)
                places = self._infeasible if violation else self._feasible
                place = self._place(run, violation or self.better(value))
                insort(places, place)
                self._places[number] = places, place
        if self._mark_dirty:
            self._front = None
        self._mark_dirty.clear()

    def _place(self, run: Run, loss: float) -> _Place:
        """Of equal ones the complete one goes first, because its value is final."""
        unfinished = run.state != State.COMPLETE
        return unfinished and self._aims.partial, loss, unfinished, run.trial

    def _runs(self, places: list[_Place]) -> list[Run]:
        return [self._trials[place[-1]] for place in places]

    def _next_front(self, places: list[_Place]) -> list[Run]:
        """Of all `places`, or of the complete ones if those go first (see `_place`)."""
        return self.preferred(self._runs([p for p in places if p[0] == places[0][0]]))

    def preferred(self, runs: list[Run]) -> list[Run]:
        """The Pareto set of `runs`, the picked one first."""
        points = [self._aims.losses(self._aims.values(run.reports)) for run in runs]
        found = front(points)
        order = self._aims.preferred([points[i] for i in found]) if found else []
        return [runs[found[place]] for place in order]
