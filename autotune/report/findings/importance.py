"""Which parameters mattered, by PED-ANOVA, beside what luck alone would give.

Stopped trials, and those that failed by their parameters, have a score on one scale with the
complete ones, as for the sampler's own model.
"""

import random
from dataclasses import dataclass

import numpy as np

from autotune.pareto import fronts
from autotune.report.findings.ped_anova import PedAnova
from autotune.search.base import derive
from autotune.search.surrogate.fidelities import Fidelities, observe
from autotune.search.surrogate.targets import objectives
from autotune.study.history import History
from autotune.trial import State

__all__ = ["SHUFFLES", "Importance", "ImportanceFacts", "of_study", "scores"]

_FEWEST = 15
"""Trials with a score; below it luck is all there is to see."""
SHUFFLES = 400
_EXCEED = 4
"""The floor is what so many of the shuffles exceed: 1 in 100."""
_BEST = 20
"""So many of the trials are called the best, where they are a tenth to a third of all."""


@dataclass(frozen=True, slots=True)
class Importance:
    parameter: str
    value: float
    """PED-ANOVA's, as a share of all parameters'."""
    floor: float
    """What luck exceeds 1 time in 100, on the same scale; it must be more."""
    trials: int
    """Of those with a score, in which it is active."""

    @property
    def matters(self) -> bool:
        return self.value > self.floor


@dataclass(frozen=True, slots=True)
class ImportanceFacts:
    parameters: tuple[Importance, ...]
    """The greatest first; empty where there are too few trials."""
    scored: int
    """Trials that have a score."""
    stopped: int
    """Of these, the ones that are not complete."""
    quantile: float
    """The best share of trials that is compared with all."""
    fewest: int = _FEWEST

    @property
    def order(self) -> list[str]:
        """Those that matter, the most important first."""
        return [one.parameter for one in self.parameters if one.matters]


def of_study(history: History) -> ImportanceFacts:
    trials = history.snapshots()
    found = scores(history)
    stopped = sum(1 for number in found if trials[number].state != State.COMPLETE)
    quantile = min(max(0.1, _BEST / max(len(found), 1)), 1 / 3)
    names = [
        name
        for name in history.spec.space.parameters
        if len({str(trials[number].params.get(name)) for number in found}) > 1
    ]
    if len(found) < _FEWEST or not names or len(set(found.values())) < 2:
        return ImportanceFacts((), len(found), stopped, quantile)
    parameters = {name: history.spec.space.parameters[name] for name in names}
    evaluate = PedAnova(parameters, [trials[number].params for number in found], quantile)
    values = evaluate(np.array(list(found.values())))
    floors = _floors(evaluate, list(found.values()), history.spec.seed)
    total = sum(values.values()) or 1.0
    shares = [
        Importance(
            name,
            values[name] / total,
            floors[name] / total,
            sum(name in trials[number].params for number in found),
        )
        for name in names
    ]
    ordered = sorted(shares, key=lambda one: (not one.matters, -one.value))
    return ImportanceFacts(tuple(ordered), len(found), stopped, quantile)


def scores(history: History) -> dict[int, float]:
    """A score of each trial, lower being better, by its number: of its highest fidelity, on a scale
    common to all fidelities; of several objectives, the number of its Pareto front."""
    trials = history.snapshots()
    if len(history.spec.objectives) > 1:
        losses = history.spec.scoring.losses
        known = [trial for trial in trials if trial.values]
        return dict(
            zip(
                (trial.number for trial in known),
                map(float, fronts([losses(trial.values) for trial in known])),
                strict=True,
            )
        )
    (extract,) = objectives(history.spec.scoring.goals)
    seen = observe(trials, Fidelities.of(trials), extract)
    # Fidelities come in ascending order, so that the last one stays.
    return dict(zip(seen.trial.tolist(), seen.score.tolist(), strict=True))


def _floors(evaluate: PedAnova, losses: list[float], seed: int) -> dict[str, float]:
    """What 1 in 100 times a parameter's importance exceeds if losses are shuffled among the
    trials."""
    rng = random.Random(derive(seed, len(losses), 17))
    found = []
    for _ in range(SHUFFLES):
        rng.shuffle(losses)
        found.append(evaluate(np.array(losses)))
    return {name: sorted(one[name] for one in found)[-1 - _EXCEED] for name in found[0]}
