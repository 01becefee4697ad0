"""Each parameter's values against the trials' scores, and where the best trials lie."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from autotune.report.findings.trials import TrialFacts, TrialsFacts
from autotune.space import Categorical, Parameter, Space
from autotune.trial import Scalar

__all__ = ["Slice", "of_study"]


@dataclass(frozen=True, slots=True)
class Slice:
    parameter: str
    log: bool
    choices: tuple[Scalar, ...]
    """Of a categorical one; empty for numbers."""
    low: float
    high: float
    """The range that was searched."""
    trials: tuple[int, ...]
    """With a value, and this parameter active."""
    best: tuple[int, ...]
    """The best tenth of the study's trials, so far as they have this parameter."""
    span: tuple[float, float] | None
    """From the lowest to the highest value among `best`; None for choices."""
    inside: int
    """How many of `trials` lie in the span, or have one of `counts`' choices."""
    counts: tuple[tuple[Scalar, int], ...]
    """Of a categorical one: its choices among `best`, the most frequent first."""


def of_study(facts: TrialsFacts, space: Space, names: Sequence[str]) -> list[Slice]:
    return [
        _slice(name, space.parameters[name], facts)
        for name in names
        if any(name in trial.params for trial in facts.with_value)
    ]


def _slice(name: str, parameter: Parameter, facts: TrialsFacts) -> Slice:
    has = [trial for trial in facts.with_value if name in trial.params]
    best = [trial for trial in facts.best_tenth if name in trial.params]
    if isinstance(parameter, Categorical):
        counts = Counter(str(trial.params[name]) for trial in best)
        found = tuple((c, counts[str(c)]) for c in parameter.choices if counts[str(c)])
        found = tuple(sorted(found, key=lambda one: -one[1]))
        inside = sum(str(trial.params[name]) in counts for trial in has)
        numbers = _numbers(has), _numbers(best)
        return Slice(name, False, parameter.choices, 0.0, 0.0, *numbers, None, inside, found)
    values = [float(trial.params[name]) for trial in best]  # type: ignore[arg-type]
    span = (min(values), max(values)) if values else None
    inside = sum(span[0] <= float(t.params[name]) <= span[1] for t in has) if span else 0  # type: ignore[arg-type]
    low, high = float(parameter.low), float(parameter.high)
    numbers = _numbers(has), _numbers(best)
    return Slice(name, parameter.log, (), low, high, *numbers, span, inside, ())


def _numbers(trials: Sequence[TrialFacts]) -> tuple[int, ...]:
    return tuple(trial.number for trial in trials)
