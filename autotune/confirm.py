"""Honest winners: what is left to retrain on fresh seeds, and to read from the test split.

The best of N noisy scores is too good, so the top k trials are retrained with seeds the search
never used, and the best mean wins. That mean is the best of k, so it is too good again: the winner
is retrained once more, on seeds that did not choose it, and is scored by those alone. The test
split is read once, for these last trainings.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autotune.history import FIRST_RULES, History
from autotune.journal import Run
from autotune.search.base import derive
from autotune.trial import Purpose, Scalar, State

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
    if todo := _choose(history):
        return todo
    if not all(run.state.finished for run in history.confirms):
        return None
    if todo := _verify(history):
        return todo
    if not all(run.state.finished for run in history.verifies):
        return None
    return _read(history)


def is_over(history: History, elapsed: float) -> bool:
    """Nothing is left to do within the budget, `elapsed` seconds into the study."""
    idle = all(run.state.finished for run in history.runs())
    return idle and not history.searching(elapsed) and outstanding(history) is None


def _choose(history: History) -> Todo | None:
    """Seed by seed, so that all candidates have as many, should time run out; under the first rules
    candidate by candidate."""
    begun = {run.label for run in history.confirms}
    seeds = range(1, history.spec.confirm.seeds + 1)
    pairs = [(nth, trial) for nth in seeds for trial in history.candidates()]
    if history.rules == FIRST_RULES:
        pairs = [(nth, trial) for trial in history.candidates() for nth in seeds]
    for nth, trial in pairs:
        label = f"confirm-{trial.trial:04d}-s{nth}"
        if label not in begun:
            seed = derive(history.spec.seed, trial.trial, nth)
            return Todo(label, Purpose.CONFIRM, trial.trial, seed, trial.params)
    return None


def _verify(history: History) -> Todo | None:
    """The winner once more, where it was chosen by its retrainings."""
    if history.among() < 2:
        return None
    winner = history.trials[history.confirmed()[0].trial]
    begun = {run.label for run in history.verifies}
    for nth in range(1, verifications(history) + 1):
        label = f"verify-{winner.trial:04d}-s{nth}"
        if label not in begun:
            seed = derive(history.spec.seed, winner.trial, nth, 1)
            return Todo(label, Purpose.VERIFY, winner.trial, seed, winner.params)
    return None


def verifications(history: History) -> int:
    """How often the winner is to be trained on seeds that did not choose it."""
    asked = history.spec.confirm.verify
    if asked is not None:
        return asked
    return 0 if history.rules == FIRST_RULES else history.spec.confirm.seeds


def _read(history: History) -> Todo | None:
    best = history.best()
    if best is None or best.broken or "function" in history.spec.trial:
        return None
    read = {run.label for run in history.tests}
    runs = best.scored.whole if best.scored else [best.source]
    for run in runs:
        if run.label not in read and _has_weights(history, run):
            return Todo(run.label, Purpose.TEST, run.trial, run.seed, run.params)
    return None


def _has_weights(history: History, run: Run) -> bool:
    """Those of a trial that was stopped early may be older than its best epoch."""
    return run.state == State.COMPLETE and history.run_folder(run).is_dir()
