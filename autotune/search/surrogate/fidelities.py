"""Scores of a study's trials at each fidelity of training, on one common scale."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from autotune.trial import Reason, State, Trial

__all__ = ["Extractor", "Fidelities", "Observed", "broken", "observe"]

Array = NDArray[np.float64]
_STOPPED = (State.PRUNED, State.PAUSED)
Extractor = Callable[[Trial, int], float | None]
"""The loss of a trial up to a step that it reached; None if not reported."""


@dataclass(frozen=True, slots=True)
class Fidelities:
    """Steps, ascending, at which trials are observed; the last one is a full training."""

    steps: tuple[int, ...]

    @classmethod
    def of(cls, trials: Sequence[Trial]) -> "Fidelities":
        """From the first step at which a trial was stopped, each three times the one before.

        Without early stopping only full trainings count: intermediate scores say little once the
        final one is known.
        """
        last = max((max(t.curve) for t in trials if t.curve), default=1)
        stops = sorted({max(t.curve) for t in trials if t.state in _STOPPED and t.curve})
        steps: list[int] = []
        step = float(stops[0] if stops else last)
        while step < last / 1.5:
            steps.append(round(step))
            step *= 3
        return cls((*steps, last))

    def places(self) -> Array:
        """Each fidelity on a logarithmic scale from 0 (one step) to 1 (a full training)."""
        last = math.log(self.steps[-1])
        return np.log(self.steps) / last if last else np.ones(1)


@dataclass(frozen=True, slots=True)
class Observed:
    """Scores by observation, lower is better: of trial `trial[i]` at fidelity `fidelity[i]`."""

    trial: NDArray[np.int64]
    fidelity: NDArray[np.int64]
    score: Array

    def at(self, index: NDArray[np.int64]) -> "Observed":
        return Observed(self.trial[index], self.fidelity[index], self.score[index])


def observe(trials: Sequence[Trial], fidelities: Fidelities, extract: Extractor) -> Observed:
    """One score for each trial at each fidelity that it reached. `trial` holds indices into
    `trials`.

    Losses of the first fidelity become normal scores. Losses of each higher fidelity are shifted
    and scaled to the mean and spread of the fidelity below over their common trials, which keeps
    distances that ranks would lose. With one fidelity only, its better half keeps its distances. A
    failed trial (nan, oom) gets the worst score of the fidelity that it was approaching.
    """
    columns = [
        _losses(trials, fidelities, fidelity, extract) for fidelity in range(len(fidelities.steps))
    ]
    scores: Mapping[int, float] = {}
    parts: list[tuple[int, int, float]] = []
    for fidelity, losses in enumerate(columns):
        if scores:
            scores = _matched(losses, scores)
        else:
            scores = _normal(losses) if len(columns) > 1 else _spaced(losses)
        parts += [(trial, fidelity, score) for trial, score in scores.items()]
    trial, level_, score = zip(*parts, strict=True) if parts else ((), (), ())
    return Observed(np.array(trial, int), np.array(level_, int), np.array(score, float))


def _losses(
    trials: Sequence[Trial], fidelities: Fidelities, fidelity: int, extract: Extractor
) -> dict[int, float]:
    """Loss by index in `trials`."""
    step = fidelities.steps[fidelity]
    before = fidelities.steps[fidelity - 1] if fidelity else 0
    found: dict[int, float] = {}
    failed: list[int] = []
    for place, trial in enumerate(trials):
        reached = max(trial.curve, default=0)
        if reached >= step:
            if (loss := extract(trial, step)) is not None:
                found[place] = loss
        elif broken(trial) and reached >= before:
            failed.append(place)
    worst = max(found.values(), default=0.0)
    return {**found, **dict.fromkeys(failed, worst)}


def broken(trial: Trial) -> bool:
    """Whether its parameters caused the failure."""
    return trial.state == State.FAILED and trial.reason in (Reason.NAN, Reason.OOM)


def _normal(losses: Mapping[int, float]) -> dict[int, float]:
    """Normal quantiles by rank; equal losses share the mean of their ranks."""
    values = np.array(list(losses.values()))
    ordered = np.sort(values)
    rank = (np.searchsorted(ordered, values) + np.searchsorted(ordered, values, "right")) / 2
    return dict(zip(losses, ndtri(rank / max(len(values), 1)).tolist(), strict=True))


def _spaced(losses: Mapping[int, float]) -> dict[int, float]:
    """Normal scores, but with the losses' distances below the median. Distances far above it say
    nothing about the best and would dominate."""
    scores = _normal(losses)
    values = np.array(list(losses.values()))
    middle = float(np.median(values)) if len(values) else 0.0
    better = [place for place, loss in losses.items() if loss < middle]
    if not better:
        return scores
    slope = sum(scores[p] for p in better) / sum(losses[p] - middle for p in better)
    return scores | {place: slope * (losses[place] - middle) for place in better}


def _matched(losses: Mapping[int, float], below: Mapping[int, float]) -> dict[int, float]:
    shared = [place for place in losses if place in below]
    here = np.array([losses[place] for place in shared])
    there = np.array([below[place] for place in shared])
    if not shared:
        return _normal(losses)
    spread = float(here.std())
    slope = max(float(there.std()), 0.1) / spread if spread > 0 else 1.0
    middle, target = float(here.mean()), float(there.mean())
    return {place: target + slope * (loss - middle) for place, loss in losses.items()}
