"""The curves that schedulers look at, with the comparisons at a step kept in order."""

from bisect import insort
from collections.abc import Callable, Iterator, Mapping

__all__ = ["Curves", "Group", "Rung"]

Group = Callable[[int], bool]
"""Whether a trial, by number, belongs to those that are compared with one another."""


class Rung:
    """The trials that reached a step, each with its loss there: that of its first report at the
    step or after it."""

    def __init__(self, step: int, group: Group | None) -> None:
        self.step = step
        self.ranked: list[tuple[float, int]] = []
        """(loss, trial), the best first."""
        self.losses: dict[int, float] = {}
        """By trial."""
        self._group = group
        self._seen = 0

    def catch_up(self, points: list[tuple[int, int, float]]) -> None:
        for trial, step, loss in points[self._seen :]:
            if step >= self.step and trial not in self.losses:
                if self._group is None or self._group(trial):
                    self.losses[trial] = loss
                    insort(self.ranked, (loss, trial))
        self._seen = len(points)


class Curves(Mapping[int, Mapping[int, float]]):
    """trial number -> step -> loss: lower is better whatever the objective's goal, never NaN.

    Points are only ever added, those of a trial in order of step. So a comparison at a step is
    kept and brought up to date, at a cost that does not grow with the number of trials; what it
    answers depends on the points alone.
    """

    def __init__(self, curves: Mapping[int, Mapping[int, float]] | None = None) -> None:
        self._curves: dict[int, dict[int, float]] = {}
        self._points: list[tuple[int, int, float]] = []
        self._rungs: dict[tuple[int, Group | None], Rung] = {}
        for trial, curve in (curves or {}).items():
            for step in sorted(curve):
                self.add(trial, step, curve[step])

    def add(self, trial: int, step: int, loss: float) -> None:
        self._curves.setdefault(trial, {})[step] = loss
        self._points.append((trial, step, loss))

    def rung(self, step: int, group: Group | None = None) -> Rung:
        """Where the trials of `group` (all of them where None) stand at `step`.

        The group is known by identity: ask with the same object again.
        """
        rung = self._rungs.setdefault((step, group), Rung(step, group))
        rung.catch_up(self._points)
        return rung

    def __getitem__(self, trial: int) -> Mapping[int, float]:
        return self._curves[trial]

    def __iter__(self) -> Iterator[int]:
        return iter(self._curves)

    def __len__(self) -> int:
        return len(self._curves)
