"""Honest winners: what is left to retrain on fresh seeds, and to read from the test split.

The best of N noisy scores is too good, so the top k trials are retrained with seeds the search
never used; the best mean wins, and the test split is read once, for the winner.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.history import History
from autotune.journal import Run
from autotune.search.base import derive
from autotune.trial import Purpose, Scalar

__all__ = ["Todo", "is_over", "outstanding"]


@dataclass(frozen=True, slots=True)
class Todo:
    """A run to begin."""

    label: str
    purpose: Purpose
    trial: int
    seed: int
    params: Mapping[str, Scalar]

    def about(self) -> dict[str, Any]:
        return {
            "label": self.label,
            "purpose": self.purpose,
            "trial": self.trial,
            "seed": self.seed,
        }


def outstanding(history: History) -> Todo | None:
    """The next retraining or test reading to begin, given that the search has ended.

    None when there is none, or none before the runs under way have finished.
    """
    begun = {run.label for run in history.confirms}
    for trial in history.candidates():
        for nth in range(1, history.spec.confirm.seeds + 1):
            label = f"confirm-{trial.trial:04d}-s{nth}"
            if label not in begun:
                seed = derive(history.spec.seed, trial.trial, nth)
                return Todo(label, Purpose.CONFIRM, trial.trial, seed, trial.params)
    if all(run.state.finished for run in history.confirms):
        return _next_reading(history)
    return None


def is_over(history: History, elapsed: float) -> bool:
    """Nothing is left to do within the budget, `elapsed` seconds into the study."""
    retrained = all(run.state.finished for run in [*history.confirms, *history.tests])
    idle = history.searched and retrained
    return idle and not history.searching(elapsed) and outstanding(history) is None


def _next_reading(history: History) -> Todo | None:
    best = history.best()
    if best is None or best.broken or "function" in history.spec.trial:
        return None
    read = {run.label for run in history.tests}
    for run in _sources(history, best.trial):
        if run.label not in read and history.run_folder(run).is_dir():
            return Todo(run.label, Purpose.TEST, run.trial, run.seed, run.params)
    return None


def _sources(history: History, winner: int) -> list[Run]:
    """The winner's retrainings, or the trial itself where nothing was confirmed."""
    runs = [r for r in history.confirms if r.trial == winner and r.value is not None]
    return runs or [history.trials[winner]]
