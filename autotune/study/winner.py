"""The winner of a study, and the origin of its score."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.study.intervals import expected_best, std_bias, t_interval
from autotune.study.journal.journal import Run
from autotune.trial import State

__all__ = ["Best", "Confirmed", "Plan", "selection_bias"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The plan for confirming the winner."""

    top: int
    """Number of trials that are retrained."""
    seeds: int
    """Seeds of each."""
    verify: int
    """Seeds of the winner's verification. 0: its retrainings do not choose it, or it was not
    requested."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One configuration retrained on fresh seeds."""

    trial: int
    runs: tuple[Run, ...]
    """Ended retrainings, failed ones included."""

    @property
    def whole(self) -> list[Run]:
        """Those that trained to their end."""
        return [r for r in self.runs if r.state == State.COMPLETE and r.value is not None]

    @property
    def values(self) -> list[float]:
        return [run.value for run in self.whole if run.value is not None]

    @property
    def failed(self) -> int:
        return sum(run.state == State.FAILED for run in self.runs)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(run.seed for run in self.whole)

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values)

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for a single seed."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % t-interval of the mean over seeds; None for one seed, or equal values."""
        return t_interval(self.values)

    def told(self, mean: str, std: str) -> str:
        """Mean ± standard deviation in these formats."""
        spread = "" if self.std is None else f" ± {self.std:{std}}"
        return f"{self.mean:{mean}}{spread}"

    @property
    def failures(self) -> str:
        """ ", 1 more failed", or nothing."""
        return f", {self.failed} more failed" if self.failed else ""


@dataclass(frozen=True, slots=True)
class Best:
    """The winner: confirmed where the study confirms, else the incumbent of the search."""

    trial: int
    value: float
    """The search's own score of the trial, so far if it has not ended: the best of many noisy
    ones."""
    progress: str
    """How far the trial came in the search, as in "epoch 15 of 27, still running"; "" if
    complete."""
    chosen: Confirmed | None
    """The retrainings that chose it; None if nothing was retrained."""
    among: int
    """Among how many configurations it had the best mean. 1: its retrainings did not choose it."""
    verified: Confirmed | None
    """Its retrainings on seeds that did not choose it."""
    bias: float | None
    """The most by which the mean that chose it is too good on average: see `selection_bias`. None
    if another mean is shown, or there was no choice."""
    test: float | None
    """Mean of the objective's metric on the test split over the scoring seeds."""
    test_std: float | None
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    """The complete training config of `source`."""
    broken: tuple[str, ...]
    """Constraints that the trial violates, if no trial satisfies them all; then it is the least
    violating one and is not retrained."""
    source: Run
    """The run whose weights are exported: the best scoring run, or else the trial."""
    asked: bool = False
    """A trial that was requested by number instead of the winner."""

    @property
    def scored(self) -> Confirmed | None:
        """The retrainings of its score: those that did not choose it, if there are any. None if not
        retrained."""
        return self.verified or self.chosen

    @property
    def selected(self) -> bool:
        """Its score is of the seeds that chose it, so it is too good."""
        return self.verified is None and self.among > 1

    @property
    def mean(self) -> float | None:
        return self.scored.mean if self.scored else None

    @property
    def std(self) -> float | None:
        return self.scored.std if self.scored else None

    @property
    def seeds(self) -> tuple[int, ...]:
        return self.scored.seeds if self.scored else ()

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % t-interval of the mean; None if the seeds chose it, because it would not
        hold."""
        return None if self.selected or not self.scored else self.scored.interval


def selection_bias(groups: Sequence[Confirmed]) -> float | None:
    """How much the best mean of `groups` is too good on average if they are all equal, which is the
    worst case: the expected maximum of so many standard normal variables, times the standard
    deviation within groups (without the bias of a root), over the root of the number of seeds. None
    if no group has two seeds."""
    degrees = sum(len(group.values) - 1 for group in groups)
    if len(groups) < 2 or degrees < 1:
        return None
    squares = sum((value - group.mean) ** 2 for group in groups for value in group.values)
    seeds = (degrees + len(groups)) / len(groups)
    std = math.sqrt(squares / degrees) / std_bias(degrees)
    return expected_best(len(groups)) * std / math.sqrt(seeds)
