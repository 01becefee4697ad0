"""The learning curves that schedulers read, with the comparisons at each step kept sorted."""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator, Mapping

from autotune.pareto import Point, places

__all__ = ["Curves", "Group", "Rung"]

Group = Callable[[int], bool]
"""Whether a trial, by number, belongs to a group that is compared among itself."""


class Rung:
    """The trials that reached a step, each with its loss there: that of its first report at the
    step or later."""

    def __init__(self, step: int, group: Group | None) -> None:
        self.step = step
        self.ranked: list[tuple[float, int]] = []
        """(loss, trial), best first."""
        self.losses: dict[int, float] = {}
        """By trial."""
        self._points: dict[int, Point] = {}
        """By trial: the losses of all objectives."""
        self._places: dict[int, int] = {}
        self._group = group
        self._seen = 0

    def catch_up(self, points: list[tuple[int, int, Point]]) -> None:
        for trial, step, point in points[self._seen :]:
            if step >= self.step and trial not in self.losses:
                if self._group is None or self._group(trial):
                    self.losses[trial], self._points[trial] = point[0], point
                    insort(self.ranked, (point[0], trial))
        self._seen = len(points)

    def place(self, trial: int) -> int:
        """How many trials are better than `trial`; with several objectives, how many precede it by
        `pareto.places`."""
        if len(self._points[trial]) == 1:
            return bisect_left(self.ranked, (self.losses[trial], -1))
        return self._placed()[trial]

    def first(self, waiting: list[tuple[float, int]]) -> tuple[int, int]:
        """(place, trial) of the first of `waiting`, (loss, trial) pairs of trials that reached the
        rung, sorted by loss; of equal ones the lowest number is first."""
        if len(self._points[waiting[0][1]]) == 1:
            return bisect_left(self.ranked, waiting[0]), waiting[0][1]
        placed = self._placed()
        return min((placed[trial], trial) for _, trial in waiting)

    def _placed(self) -> dict[int, int]:
        if len(self._places) < len(self._points):
            found = places(list(self._points.values()))
            self._places = dict(zip(self._points, found, strict=True))
        return self._places


class Curves(Mapping[int, Mapping[int, float]]):
    """trial number -> step -> loss: lower is better whatever the goal, never NaN. With several
    objectives it is the first one's loss; `rung` compares by all.

    Points are only added, those of a trial in order of step. So comparisons at a step are cached
    and updated, at a cost that does not grow with the number of trials; the results depend on the
    points alone.
    """

    def __init__(self, curves: Mapping[int, Mapping[int, float]] | None = None) -> None:
        self._curves: dict[int, dict[int, float]] = {}
        self._points: list[tuple[int, int, Point]] = []
        self._rungs: dict[tuple[int, Group | None], Rung] = {}
        for trial, curve in (curves or {}).items():
            for step in sorted(curve):
                self.add(trial, step, curve[step])

    def add(self, trial: int, step: int, loss: float, *others: float) -> None:
        """`others`: the losses of the objectives after the first."""
        self._curves.setdefault(trial, {})[step] = loss
        self._points.append((trial, step, (loss, *others)))

    def rung(self, step: int, group: Group | None = None) -> Rung:
        """The trials of `group` (all if None) at `step`. The group is identified by the object
        itself."""
        rung = self._rungs.setdefault((step, group), Rung(step, group))
        rung.catch_up(self._points)
        return rung

    def __getitem__(self, trial: int) -> Mapping[int, float]:
        return self._curves[trial]

    def __iter__(self) -> Iterator[int]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)
