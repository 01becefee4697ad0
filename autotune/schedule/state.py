"""What a scheduler sees of a study, and the actions that it may choose."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autotune.schedule.curves import Curves, Group

__all__ = ["Action", "Clone", "NewTrial", "Paused", "Resume", "SchedulerState", "WaitForRunning"]


@dataclass(frozen=True, slots=True)
class Resume:
    """A paused trial continues from its checkpoint."""

    trial: int


@dataclass(frozen=True, slots=True)
class Clone:
    """A new trial continues from the checkpoint of the paused trial `parent`, with slightly
    different parameters; the paused trial `replaces`, if any, is stopped for it."""

    parent: int
    replaces: int | None


@dataclass(frozen=True, slots=True)
class NewTrial:
    """No paused trial continues; the sampler may propose a new one."""


@dataclass(frozen=True, slots=True)
class WaitForRunning:
    """Nothing starts before a running trial has progressed. If none runs, the search has ended."""


Action = Resume | Clone | NewTrial | WaitForRunning


class Paused(Mapping[int, int]):
    """trial number -> the step at which it is paused, with the trials of each step in order."""

    def __init__(self) -> None:
        self._steps: dict[int, int] = {}
        self._losses: dict[int, float] = {}
        self._ranked: dict[int, dict[Group | None, list[tuple[float, int]]]] = {}
        """step -> (loss, trial) of all, under None, and of the groups that were requested."""

    def add(self, trial: int, step: int, loss: float) -> None:
        self._steps[trial], self._losses[trial] = step, loss
        for group, ranked in self._ranked.setdefault(step, {None: []}).items():
            if group is None or group(trial):
                insort(ranked, (loss, trial))

    def remove(self, trial: int) -> None:
        step, place = self._steps.pop(trial), (self._losses.pop(trial), trial)
        for group, ranked in self._ranked[step].items():
            if group is None or group(trial):
                del ranked[bisect_left(ranked, place)]
        if not self._ranked[step][None]:
            del self._ranked[step]

    @property
    def steps(self) -> list[int]:
        """The steps at which trials are paused, in order."""
        return sorted(self._ranked)

    def at(self, step: int, group: Group | None = None) -> list[tuple[float, int]]:
        """(loss, trial) of those of `group` (all if None) paused at `step`, best first."""
        if step not in self._ranked:
            return []
        known = self._ranked[step]
        if group is not None and group not in known:
            known[group] = [place for place in known[None] if group(place[1])]
        return known[group]

    def __getitem__(self, trial: int) -> int:
        return self._steps[trial]

    def __iter__(self) -> Iterator[int]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """The progress of all trials of a study."""

    curves: Curves
    paused: Paused
    running: Mapping[int, int]
    """trial -> its step; includes trials that wait to be handed out again."""
    begun: int
    """Trials begun so far; the next one has this number."""
    closing: bool
    """No new trial may start."""
