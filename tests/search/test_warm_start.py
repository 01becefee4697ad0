"""What a warm start is worth: whole studies in memory, paired by seed."""

import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.engine import simulate
from autotune.search.surrogate.features import Features
from autotune.search.surrogate.targets import objectives
from autotune.search.surrogate.transfer_data import transfer_data
from autotune.spec import StudySpec
from autotune.study.history import History
from autotune.study.state_machine import in_memory
from autotune.trial import Goal

TEXT = """
name: new
objective: {metric: loss, goal: minimize}
trial: {function: "tests.nowhere:run", epochs: 1}
space:
  lr: {type: float, low: 1e-5, high: 1, log: true}
  width: {type: int, low: 8, high: 512, log: true}
  dropout: {type: float, low: 0, high: 0.8}
  kind: {type: categorical, choices: [a, b, c]}
  momentum: {type: float, low: 0.5, high: 0.99, when: {kind: [a, b]}}
search: {name: tpe}
schedule: {name: none}
budget: {trials: 10}
confirm: {top: 0}
tracking: {uri: none}
"""
SEEDS = range(20)


@cache
def base() -> StudySpec:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "study.yaml"
        path.write_text(TEXT)
        return specs.load(path)


def bowl(at: float, kind: str, scale: float = 1.0) -> simulate.Curve:
    """Least where every number stands at `at` of its range, with `kind`; `scale` changes what
    scores look like and nothing else."""

    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        loss = 0.1 * (config["kind"] != kind)
        for name, parameter in base().space.parameters.items():
            if name in config and name != "kind":
                low, high, value = parameter.low, parameter.high, config[name]  # type: ignore[union-attr]
                if parameter.log:  # type: ignore[union-attr]
                    low, high, value = math.log(low), math.log(high), math.log(value)
                loss += ((value - low) / (high - low) - at) ** 2
        yield {"loss": scale * loss + scale}, 1.0

    return curve


def study(
    curve: simulate.Curve, trials: int, seed: int, old: History | None = None, sampler: str = "tpe"
) -> History:
    search = {"name": sampler, **({"warm_start": ["old"]} if old else {})}
    changes = {"seed": seed, "search": search, "budget": {"trials": trials}}
    known = {key: value for key, value in dict(base()).items() if key != "objectives"}
    spec = StudySpec.model_validate({**known, "objective": base().objective, **changes})
    made = in_memory(spec, find=lambda name: old or History(spec, Path(), ""))
    simulate.run(made, 1, simulate.recorded(curve))
    return made.history


@cache
def old(at: float, kind: str) -> History:
    return study(bowl(at, kind, scale=5.0), 30, 1000)


def bests(history: History) -> list[float]:
    values = [run.value for run in history.trials if run.value is not None]
    return [min(values[: count + 1]) for count in range(len(values))]


NEW: simulate.Curve = bowl(0.3, "a")


@cache
def cold() -> list[list[float]]:
    return [bests(study(NEW, 20, seed)) for seed in SEEDS]


def trials_to(reached: list[float], target: float) -> int:
    """How many trials it takes to be as good as `target`; one more than all if it never is."""
    return next((n for n, best in enumerate(reached, 1) if best <= target), len(reached) + 1)


def test_a_related_study_saves_trials() -> None:
    """Its best lies near, at 35 % of every range for 30 %, on another scale of scores."""
    warm = [bests(study(NEW, 10, seed, old(0.35, "a"))) for seed in SEEDS]
    pairs = list(zip(warm, cold(), strict=True))
    assert sum(ours[9] < theirs[9] for ours, theirs in pairs) >= 16
    assert statistics.median(trials_to(theirs, ours[9]) for ours, theirs in pairs) >= 15
    assert statistics.median(trials_to(ours, theirs[9]) for ours, theirs in pairs) <= 5


def test_an_unrelated_study_costs_little() -> None:
    """Its best lies at the other end of every range, with another choice."""
    misled = [bests(study(NEW, 20, seed, old(0.9, "c"))) for seed in SEEDS]
    pairs = list(zip(misled, cold(), strict=True))
    late = statistics.median(trials_to(ours, theirs[9]) for ours, theirs in pairs)
    assert late <= 16


def test_mfgp_is_near_at_once_after_a_related_study() -> None:
    pairs = [
        [bests(study(NEW, 4, seed, before, "mfgp"))[-1] for before in (old(0.35, "a"), None)]
        for seed in range(6)
    ]
    assert sum(warm < cold for warm, cold in pairs) >= 5


def test_mfgp_keeps_a_bounded_share_of_earlier_studies_each_on_its_own_scale() -> None:
    space, (loss,) = base().space, objectives([Goal.MINIMIZE])
    trials = old(0.35, "a").snapshots()
    stretched = [replace(t, curve={1: 9 * t.curve[1] + 5}) for t in trials]
    known = transfer_data([trials, stretched], Features(space), loss)
    assert known.data.study.tolist() == [1] * 30 + [2] * 30
    assert known.data.score[:30] == pytest.approx(known.data.score[30:])
    assert (known.data.place == 1).all()
    assert len(transfer_data([trials] * 20, Features(space), loss).units) <= 150
