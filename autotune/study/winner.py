"""The winner of a study, and how its score came about."""

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
    """How the winner is confirmed."""

    top: int
    """Trials that are retrained."""
    seeds: int
    """How often each."""
    verify: int
    """How often the winner again. 0: its retrainings do not choose it, or it is not asked for."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """One configuration retrained on fresh seeds."""

    trial: int
    runs: tuple[Run, ...]
    """Ended retrainings, failed ones included."""

    @property
    def whole(self) -> list[Run]:
        """Those that were trained to their end."""
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
        """The 95 % t-interval of the mean over seeds; None for one, or where all are the same."""
        return t_interval(self.values)

    def told(self, mean: str, std: str) -> str:
        """Mean ± standard deviation by these formats."""
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
    """The search's own score of the trial, so far where it has not ended: the best of many noisy
    ones."""
    progress: str
    """How far the trial came in the search, as in "epoch 15 of 27, still running"; "": it is
    complete."""
    chosen: Confirmed | None
    """The retrainings by which it was chosen; None: nothing was retrained."""
    among: int
    """Of so many configurations it had the best mean. 1: its own retrainings did not choose it."""
    verified: Confirmed | None
    """Its retrainings on seeds that did not choose it."""
    bias: float | None
    """How much the mean that chose it is too good at most, on average: see `selection_bias`. None:
    another mean is told, or there was no choice."""
    test: float | None
    """Mean of the objective's metric on the test split over the seeds that score it."""
    test_std: float | None
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    """The complete training config of `source`."""
    broken: tuple[str, ...]
    """The constraints that the trial breaks, where no trial keeps them all; then it is the one
    that breaks them least, and is not retrained."""
    source: Run
    """The run whose weights are exported: the best one of those that score it, else the trial."""
    asked: bool = False
    """It is not the winner: somebody has named this trial."""

    @property
    def scored(self) -> Confirmed | None:
        """The retrainings that its score is of: those that did not choose it where there are any.
        None: it was not retrained."""
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
        """The 95 % t-interval of the mean; None where the seeds chose it, and it would not hold."""
        return None if self.selected or not self.scored else self.scored.interval


def selection_bias(groups: Sequence[Confirmed]) -> float | None:
    """How much the best mean of `groups` is too good on average if they are all alike, which is
    the worst case: the expected maximum of so many standard normal variables, times the standard
    deviation within the groups (without the bias that a root has), over the root of the number of
    seeds. None where no group has two seeds."""
    degrees = sum(len(group.values) - 1 for group in groups)
    if len(groups) < 2 or degrees < 1:
        return None
    squares = sum((value - group.mean) ** 2 for group in groups for value in group.values)
    seeds = (degrees + len(groups)) / len(groups)
    std = math.sqrt(squares / degrees) / std_bias(degrees)
    return expected_best(len(groups)) * std / math.sqrt(seeds)
