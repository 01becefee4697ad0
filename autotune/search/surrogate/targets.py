"""The modelled quantities of a trial: the loss of each objective, the violation of each
constraint."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from autotune.search.surrogate.fidelities import Extractor, Fidelities, Observed
from autotune.trial import Goal, Trial, ValueAtStep

__all__ = ["feasible", "objectives", "violated"]


def objectives(goals: Sequence[Goal]) -> list[Extractor]:
    """One for each goal, all of the same trials and steps."""
    if len(goals) == 1:
        return [partial(_lowest, goals[0])]
    return [partial(_standing, place, goal) for place, goal in enumerate(goals)]


def violated(trials: Sequence[Trial], fidelities: Fidelities, place: int) -> Observed:
    """How much trials violate constraint `place` at each fidelity they reached; <= 0: satisfied.

    All fidelities share one scale with the bound at 0: almost linear up to the usual distance from
    the bound and logarithmic beyond, because a violation may be a thousand times the bound.
    """
    found = [
        (index, fidelity, stage.violations[place])
        for index, trial in enumerate(trials)
        for fidelity, step in enumerate(fidelities.steps)
        if max(trial.curve, default=0) >= step
        if (stage := _stage(trial, step)) and stage.violations
    ]
    index, level_, by = zip(*found, strict=True) if found else ((), (), ())
    distance = np.array(by, float)
    usual = float(np.median(np.abs(distance))) if found else 1.0
    return Observed(
        np.array(index, int), np.array(level_, int), np.arcsinh(distance / (usual or 1.0))
    )


def feasible(trials: Sequence[Trial], constraints: int) -> NDArray[np.bool_]:
    """Which trials satisfy all `constraints`, by their reports so far."""
    known = [len(t.violations) == constraints and t.violation <= 0 for t in trials]
    return np.array(known, dtype=bool)


def _lowest(goal: Goal, trial: Trial, step: int) -> float:
    return min(goal.loss(value) for at, value in trial.curve.items() if at <= step)


def _standing(place: int, goal: Goal, trial: Trial, step: int) -> float | None:
    stage = _stage(trial, step)
    return goal.loss(stage.values[place]) if stage and stage.values else None


def _stage(trial: Trial, step: int) -> ValueAtStep | None:
    """The fidelity that the trial was in at `step`."""
    if step in trial.values_by_step:
        return trial.values_by_step[step]
    return trial.values_by_step.get(
        max((at for at in trial.values_by_step if at <= step), default=0)
    )
