"""How the trials of a study stand, kept up to date record by record.

What a running study asks at every record is answered here at a cost that does not grow with the
number of trials: how many are finished, what they cost, the best few, and what a sampler sees.
"""

from bisect import insort

from autotune.journal import Run
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
        """Finished trials with a value, the best first: (`better` of the value, number)."""

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
        if run.value is not None:
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
        """The k best complete trials; where none is complete, the best of the pruned."""
        ranked = self._ranked.get(State.COMPLETE) or self._ranked.get(State.PRUNED, [])
        return [self._trials[number] for _, number in ranked[:k]]
