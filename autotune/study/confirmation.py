"""Honest winners: which retrainings on fresh seeds, and which readings of the test split, come
next.

The best of N noisy scores is too good, so the top k trials are retrained with seeds the search
never used, and the best mean wins. That mean is the best of k, so it is too good again: the winner
is retrained once more, on seeds that did not choose it, and is scored by those alone. The test
split is read once, for these last trainings.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from autotune.search.base import derive
from autotune.study.history import FIRST_RULES, SPENT, History
from autotune.study.journal.journal import Run
from autotune.study.winner import Plan
from autotune.train.config import is_own
from autotune.trial import Purpose, Scalar, State

__all__ = ["Todo", "left", "outstanding"]


@dataclass(frozen=True, slots=True)
class Todo:
    """A run that should start."""

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
    """The next retraining or test reading, once the search has ended.

    None if there is none, or none before the running ones have finished. If the budget is spent,
    only the test split is still read.
    """
    spent = history.noted(SPENT) is not None
    if not spent and (todo := _choose(history)):
        return todo
    if not all(run.state.finished for run in history.confirms):
        return None
    if not spent and (todo := _verify(history)):
        return todo
    if not all(run.state.finished for run in history.verifies):
        return None
    return _read(history)


def left(history: History, plan: Plan) -> tuple[int, int]:
    """How many retrainings of `plan` are missing: to choose the winner, and of the winner."""
    trials = history.leaderboard.top(plan.top)
    done = Counter(run.trial for run in history.confirms if run.state.finished and not run.cut)
    choose = sum(max(plan.seeds - done[trial.trial], 0) for trial in trials)
    winner = next(iter(history.confirmed()), None)
    if choose or not winner:
        return choose, plan.verify
    again = sum(r.trial == winner.trial and not r.cut for r in history.verifies)
    return 0, max(plan.verify - again, 0)


def _choose(history: History) -> Todo | None:
    """Seed by seed, so that all candidates have equally many if time runs out; under the first
    rules, candidate by candidate."""
    candidates, seeds = history.candidates(), range(history.plan.seeds)
    pairs = [(trial, nth) for nth in seeds for trial in candidates]
    if history.rules == FIRST_RULES:
        pairs = [(trial, nth) for trial in candidates for nth in seeds]
    # Runs that the budget ended do not count: if the budget grows, other seeds take their place.
    begun = Counter(run.trial for run in history.confirms if not run.cut)
    trial = next((trial for trial, nth in pairs if begun[trial.trial] <= nth), None)
    return _again(history, trial, Purpose.CONFIRM) if trial else None


def _verify(history: History) -> Todo | None:
    """The winner once more, if its retrainings chose it."""
    if history.among() < 2:
        return None
    winner = history.trials[history.confirmed()[0].trial]
    begun = sum(run.trial == winner.trial and not run.cut for run in history.verifies)
    return _again(history, winner, Purpose.VERIFY) if begun < history.plan.verify else None


def _again(history: History, trial: Run, purpose: Purpose) -> Todo:
    """The trial on the first seed for `purpose` that it was not trained on (a repair may have lost
    any)."""
    runs = history.confirms if purpose == Purpose.CONFIRM else history.verifies
    taken = {run.label for run in runs}
    labels = (f"{purpose}-{trial.trial:04d}-s{nth}" for nth in count(1))
    nth, label = next((n, label) for n, label in enumerate(labels, 1) if label not in taken)
    parts = (trial.trial, nth) if purpose == Purpose.CONFIRM else (trial.trial, nth, 1)
    return Todo(label, purpose, trial.trial, derive(history.spec.seed, *parts), trial.params)


def _read(history: History) -> Todo | None:
    best = history.best()
    if best is None or best.broken or is_own(history.spec.trial):
        return None
    read = {run.label for run in history.tests}
    runs = best.scored.whole if best.scored else [best.source]
    for run in runs:
        if run.label not in read and _has_weights(history, run):
            return Todo(run.label, Purpose.TEST, run.trial, run.seed, run.params)
    return None


def _has_weights(history: History, run: Run) -> bool:
    """The weights of a stopped trial may be older than its best epoch."""
    return run.state == State.COMPLETE and history.run_folder(run).is_dir()
