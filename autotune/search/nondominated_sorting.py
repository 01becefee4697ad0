"""The best trials of a study, updated incrementally: fidelity by fidelity, by non-dominated order.

A proposal costs the same after 10,000 trials as after 100, except for one comparison a trial.
"""

import math
from bisect import insort
from collections.abc import Sequence
from itertools import compress, count, repeat
from operator import is_not

from autotune.pareto import Point, dominates
from autotune.trial import Goal, State, Trial

__all__ = ["Fronts", "NondominatedRanking"]

_NOTHING = Trial(-1, {}, State.WAITING)


class NondominatedRanking:
    """Ranks trials at each fidelity (step 1, 3, 9, 27, ...) by what they had reported by then, and
    complete trials by their values. A trial is ranked at every fidelity that it reached.

    Within a fidelity, feasible trials come first, by Pareto front (for one objective: by loss).
    Infeasible trials follow, by their violation. Failed trials are not ranked.
    """

    MIN_RUNG_SIZE = 2
    """A fidelity counts once it holds this many times the requested trials: the first ones to reach
    it had no competition."""

    def __init__(self, goals: Sequence[Goal], most: int) -> None:
        """`most`: how many trials `best` returns."""
        self.most = most
        self._goals = goals
        self._seen: list[Trial] = []
        self._fidelities: dict[float, Fronts] = {}

    def __len__(self) -> int:
        """The number of trials at the fidelity that most trials reached."""
        return max(map(len, self._fidelities.values()), default=0)

    def follow(self, trials: Sequence[Trial]) -> None:
        """Takes over the current state of the trials."""
        for place in range(len(trials), len(self._seen)):
            self._replace(place, _NOTHING)
        del self._seen[len(trials) :]
        self._seen += repeat(_NOTHING, len(trials) - len(self._seen))
        for place in list(compress(count(), map(is_not, trials, self._seen))):
            self._replace(place, trials[place])

    def best(self) -> list[int]:
        """Positions of the `most` best trials at the farthest fidelity that counts, or a few more:
        a front is divided only among equals, of which the newest are taken."""
        held = [(fidelity, fronts) for fidelity, fronts in self._fidelities.items() if len(fronts)]
        ripe = [
            (fidelity, fronts)
            for fidelity, fronts in held
            if len(fronts) >= self.MIN_RUNG_SIZE * self.most
        ]
        if not held:
            return []
        _, fronts = max(ripe) if ripe else min(held)
        found: list[int] = []
        for front in fronts.kept():
            if len(found) < self.most:
                found += [place for places in front.values() for place in places[-self.most :]]
        return found

    def _replace(self, place: int, trial: Trial) -> None:
        old, new = self._points(self._seen[place]), self._points(trial)
        self._seen[place] = trial
        for fidelity in [fidelity for fidelity in old if old[fidelity] != new.get(fidelity)]:
            self._fidelities[fidelity].remove(place)
        for fidelity in [fidelity for fidelity in new if new[fidelity] != old.get(fidelity)]:
            self._fidelities.setdefault(fidelity, Fronts(self.most)).add(new[fidelity], place)

    def _points(self, trial: Trial) -> dict[float, Point]:
        """The trial's rank key by fidelity: its violation, then its losses."""
        if trial.state == State.FAILED:
            return {}
        told, steps = dict[float, Point | None](), sorted(trial.curve)
        fidelity = 1
        while steps and fidelity <= steps[-1]:
            if reached := [step for step in steps if step <= fidelity]:
                told[fidelity] = self._told(trial, reached)
            fidelity *= 3
        if trial.state == State.COMPLETE and trial.value is not None:
            told[math.inf] = self._point(trial.values or (trial.value,), trial.violation)
        return {fidelity: point for fidelity, point in told.items() if point}

    def _told(self, trial: Trial, steps: Sequence[int]) -> Point | None:
        """By what it reported up to `steps`."""
        if stage := trial.values_by_step.get(steps[-1]):
            violation = sum(by for by in stage.violations if by > 0)
            return self._point(stage.values, violation)
        best = self._goals[0].best(trial.curve[step] for step in steps)
        return self._point((best,), 0.0)

    def _point(self, values: Sequence[float], violation: float) -> Point | None:
        """None if an objective was not reported."""
        if len(values) != len(self._goals):
            return None
        if violation:
            return (violation, *(math.inf for _ in values))
        return (0.0, *(goal.loss(value) for goal, value in zip(self._goals, values, strict=True)))


class Fronts:
    """The first `most` fronts of a set of points; a point is dominated only by points of earlier
    fronts.

    A new point moves to its front and pushes down what it dominates. K. Li et al., "Efficient
    nondomination level update method for steady-state evolutionary multiobjective optimization",
    2017. Points below the last front return only if a point of a front is removed: then the fronts
    are recomputed when needed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._points: dict[int, Point] = {}
        self._fronts: list[dict[Point, list[int]]] | None = []

    def __len__(self) -> int:
        return len(self._points)

    def kept(self) -> list[dict[Point, list[int]]]:
        """For each front: point -> its members, ascending."""
        if self._fronts is None:
            self._fronts = []
            for who, point in sorted(self._points.items(), key=lambda item: item[1]):
                self._sink(self._fronts, point, who)
        return self._fronts

    def add(self, point: Point, who: int) -> None:
        self._points[who] = point
        if self._fronts is not None:
            self._sink(self._fronts, point, who)

    def remove(self, who: int) -> None:
        point = self._points.pop(who)
        if self._fronts and any(who in front.get(point, ()) for front in self._fronts):
            self._fronts = None

    def _sink(self, fronts: list[dict[Point, list[int]]], point: Point, who: int) -> None:
        for place, front in enumerate(fronts):
            if point in front:
                insort(front[point], who)
                return
            if not any(dominates(other, point) for other in front):
                self._push(fronts, place, {point: [who]})
                return
        if len(fronts) < self._most:
            fronts.append({point: [who]})

    def _push(
        self, fronts: list[dict[Point, list[int]]], place: int, moving: dict[Point, list[int]]
    ) -> None:
        """`moving`, which front `place` does not dominate, joins it; what it dominates moves on."""
        for front in fronts[place:]:
            beaten = [other for other in front if any(dominates(new, other) for new in moving)]
            pushed = {other: front.pop(other) for other in beaten}
            front |= moving
            if not pushed:
                return
            moving = pushed
        if len(fronts) < self._most:
            fronts.append(moving)
