"""The contract of samplers: checks that every member of the union must pass.

@pytest.mark.parametrize("check", SAMPLER_CHECKS)
@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("config", samplers())
def test_contract(config, space, check): ...
"""

import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from autotune.search import Sampler, SamplerConfig, SamplerSettings
from autotune.space import Categorical, Float, Int, Parameter, Space
from autotune.trial import Goal, Reason, Report, Scalar, State, Trial, ValueAtStep

__all__ = ["SAMPLER_CHECKS", "SPACES", "fits", "proposals", "regret", "samplers", "simulate"]

Loss = Callable[[Mapping[str, Scalar]], float]


def samplers() -> list[SamplerSettings]:
    """Every sampler of the union, with models that start early so that the checks reach them."""
    members = get_args(get_args(SamplerConfig)[0])
    early = {"startup": 2, "population": 4}
    return [
        member(**{key: few for key, few in early.items() if key in member.model_fields})
        for member in members
    ]


_FLAT: Mapping[str, Any] = {
    "a": {"type": "float", "low": -1.0, "high": 2.0},
    "b": {"type": "float", "low": 1e-5, "high": 1.0, "log": True},
    "c": {"type": "int", "low": 1, "high": 1000, "log": True},
}
_CONDITIONAL: Mapping[str, Any] = {
    "optimizer.name": {"type": "categorical", "choices": ["sgd", "momentum", "adam"]},
    "optimizer.momentum": {
        "type": "float",
        "low": 0.5,
        "high": 0.99,
        "when": {"optimizer.name": "momentum"},
    },
    "optimizer.nesterov": {
        "type": "categorical",
        "choices": [True, False],
        "when": {"optimizer.momentum": "> 0.8"},
    },
    "optimizer.lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
    "model.depth": {"type": "int", "low": 1, "high": 4},
    "model.residual": {
        "type": "categorical",
        "choices": [True, False, None],
        "when": {"model.depth": ">= 2"},
    },
}
_MIXED: Mapping[str, Any] = {
    "choice": {"type": "categorical", "choices": [None, True, 0.5, "text", 7]},
    "stepped": {"type": "float", "low": 0.0, "high": 0.6, "step": 0.1},
    "even": {"type": "int", "low": 2, "high": 64, "step": 2},
    "free": {"type": "float", "low": 0.0, "high": 1.0},
    "pointed": {"type": "float", "low": 1e-3, "high": 1.0, "log": True, "points": 3},
}
_SINGLE: Mapping[str, Any] = {"only": {"type": "categorical", "choices": ["one"]}}
_TINY: Mapping[str, Any] = {
    "depth": {"type": "int", "low": 1, "high": 3},
    "skip": {"type": "categorical", "choices": [True, False], "when": {"depth": ">= 2"}},
}
_CHOICES: Mapping[str, Any] = {
    "left": {"type": "categorical", "choices": ["a", "b", "c"]},
    "right": {"type": "categorical", "choices": [None, False, True]},
}

SPACES: Mapping[str, Space] = {
    name: Space.parse(raw)
    for name, raw in {
        "flat": _FLAT,
        "conditional": _CONDITIONAL,
        "mixed": _MIXED,
        "single": _SINGLE,
        "tiny": _TINY,
        "choices": _CHOICES,
        "flat, several": _FLAT,
        "conditional, several": _CONDITIONAL,
        "flat, constrained": _FLAT,
        "conditional, constrained": _CONDITIONAL,
        "mixed, several, constrained": _MIXED,
        "tiny, several": _TINY,
    }.items()
}
"""Spaces, and what is searched for in them beside the least of one loss."""


def fits(config: SamplerSettings, name: str) -> bool:
    """Whether `autotune check` lets `config` search SPACES[name]."""
    able = config.several >= ("several" in name) and config.constrained >= ("constrained" in name)
    return able and not config.check(SPACES[name])


def build(
    config: SamplerSettings, name: str, seed: int = 11, goal: Goal = Goal.MINIMIZE
) -> Sampler:
    if "several" in name:
        return config.build_several(SPACES[name], [goal, Goal.MAXIMIZE], seed)
    return config.build(SPACES[name], goal, seed)


def bowl(params: Mapping[str, Scalar], space: Space) -> float:
    """Squared distance to a point at 30 % of every range; choices cost what their place says."""
    loss = 0.0
    for name, value in params.items():
        parameter = space.parameters[name]
        if isinstance(parameter, Float | Int):
            low, high, at = parameter.low, parameter.high, float(value)  # type: ignore[arg-type]
            if parameter.log:
                low, high, at = math.log(low), math.log(high), math.log(at)
            loss += ((at - low) / (high - low) - 0.3) ** 2
        else:
            loss += 0.1 * parameter.choices.index(value)
    return loss


def ended(trial: Trial, space: Space, name: str = "") -> Trial:
    """`trial` with one of the ends a study sees, by its number: complete, pruned, failed."""
    loss = bowl(trial.params, space)
    values = (loss, (1 - loss) ** 2) if "several" in name else (loss,)
    violations = (loss - 0.4, 0.1 - loss) if "constrained" in name else ()
    curve = {step: loss + 1 / step for step in (1, 2, 3)}
    state = State.COMPLETE
    match trial.number % 6:
        case 3:
            state, curve = State.PRUNED, {1: curve[1]}
        case 4:
            reason = Reason.NAN if trial.number % 4 else Reason.LOST
            return replace(trial, state=State.FAILED, reason=reason)
    best = min(curve.values())
    return replace(
        trial,
        state=state,
        value=best,
        values=(best, *values[1:]),
        violations=violations,
        curve=curve,
        reports=_reports(curve),
        values_by_step={s: ValueAtStep((v, *values[1:]), violations) for s, v in curve.items()},
    )


def _reports(curve: Mapping[int, float]) -> dict[int, Report]:
    return {step: Report(step, {"loss": loss}) for step, loss in curve.items()}


def simulate(
    sampler: Sampler, space: Space, count: int, workers: int = 2, name: str = ""
) -> list[Trial]:
    """The trials of a study with `workers` that always run: the oldest one ends first.

    Shorter than `count` where the space is exhausted. The last `workers` trials still run.
    """
    trials: list[Trial] = []
    for number in range(count):
        if number >= workers:
            oldest = number - workers
            trials[oldest] = ended(trials[oldest], space, name)
        params = sampler.propose(tuple(trials), number)
        if params is None:
            break
        trials.append(Trial(number, params, State.RUNNING))
    return trials


@functools.cache
def _lived(config: SamplerSettings, name: str) -> tuple[Sampler, tuple[Trial, ...]]:
    """A sampler after its first trials in SPACES[name], and those trials."""
    sampler = build(config, name)
    return sampler, tuple(simulate(sampler, SPACES[name], 8, name=name))


def proposals(config: SamplerSettings, name: str) -> list[dict[str, Any]]:
    """The first proposals in SPACES[name], as plain values: equal in every process."""
    return [dict(trial.params) for trial in _lived(config, name)[1]]


def proposals_are_valid(config: SamplerSettings, space_name: str) -> None:
    space = SPACES[space_name]
    for params in proposals(config, space_name):
        assert space.contains(params) == []
        assert list(params) == list(space.active(params))
        for name, value in params.items():
            assert type(value) in _types(space.parameters[name], value)


def _types(parameter: Parameter, value: Scalar) -> list[type]:
    if isinstance(parameter, Categorical):
        return [type(choice) for choice in parameter.choices if choice == value]
    return [float if isinstance(parameter, Float) else int]


def seeds_differ(config: SamplerSettings, name: str) -> None:
    """Except where the answer is no matter of chance: a grid, or a space of one point."""
    first, second = (
        simulate(build(config, name, seed), SPACES[name], 4, name=name) for seed in (1, 2)
    )
    if config.name != "grid" and name not in ("single", "tiny", "tiny, several"):  # type: ignore[attr-defined]
        assert [t.params for t in first] != [t.params for t in second]


def earlier_calls_do_not_matter(config: SamplerSettings, name: str) -> None:
    """A new sampler, shown a history, proposes what the one that lived through it proposes."""
    old, trials = _lived(config, name)
    for past in (trials, trials[:5]):
        new = build(config, name)
        assert new.propose(past, len(past)) == old.propose(past, len(past))


def the_order_of_ends_does_not_matter(config: SamplerSettings, name: str) -> None:
    """Trials that were seen to end in another order are the same history."""
    old, trials = _lived(config, name)
    seen = [replace(t, state=State.RUNNING, value=None, curve={}) for t in trials]
    sampler = build(config, name)
    for call, index in enumerate(random.Random(0).sample(range(len(trials)), len(trials))):
        seen[index] = trials[index]
        if call == len(trials) // 2:
            sampler.propose(tuple(seen), len(trials))
    assert sampler.propose(tuple(seen), len(trials)) == old.propose(trials, len(trials))


def workers_get_different_trials(config: SamplerSettings, name: str) -> None:
    """As long as the space holds anything else, nothing is proposed twice."""
    count = min(9, SPACES[name].count() or 9)
    sampler = build(config, name)
    trials = simulate(sampler, SPACES[name], count, 4, name)
    assert len({frozenset(trial.params.items()) for trial in trials}) == count


def histories_without_a_success_are_survived(config: SamplerSettings, name: str) -> None:
    sampler = build(config, name, 3, Goal.MAXIMIZE)
    ends: Sequence[dict[str, Any]] = [
        {"state": State.FAILED, "reason": Reason.NAN},
        {"state": State.FAILED, "reason": Reason.EXCEPTION},
        {"state": State.PRUNED},
        {"state": State.PRUNED, "curve": {1: 0.5}},
        {"state": State.WAITING},
        {"state": State.PAUSED, "curve": {1: 0.5}},
    ]
    trials: list[Trial] = []
    for number in range(12):
        params = sampler.propose(tuple(trials), number)
        if params is None:
            return
        assert SPACES[name].contains(params) == []
        trials.append(Trial(number, params, **ends[number % len(ends)]))


SAMPLER_CHECKS: Sequence[Callable[[SamplerSettings, str], None]] = (
    proposals_are_valid,
    seeds_differ,
    earlier_calls_do_not_matter,
    the_order_of_ends_does_not_matter,
    workers_get_different_trials,
    histories_without_a_success_are_survived,
)


def regret(config: SamplerSettings, space: Space, count: int, seed: int) -> float:
    """The lowest loss among `count` whole trials of one worker on the bowl, whose minimum is 0."""
    sampler = config.build(space, Goal.MAXIMIZE, seed)
    trials: list[Trial] = []
    for number in range(count):
        params = sampler.propose(tuple(trials), number)
        assert params is not None
        score = -bowl(params, space)
        trials.append(Trial(number, params, State.COMPLETE, value=score, curve={1: score}))
    return min(-trial.value for trial in trials if trial.value is not None)
