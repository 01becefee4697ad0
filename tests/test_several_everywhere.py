"""Every sampler with every scheduler, for several objectives and under constraints: a whole study,
simulated, or a refusal of one line."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from autotune import spec as specs
from autotune import study
from autotune.engine import simulate
from autotune.errors import InvalidInput
from autotune.schedule import SchedulerConfig, SchedulerSettings
from autotune.search import SamplerConfig, SamplerSettings
from autotune.testing.schedule import schedulers
from autotune.testing.search import samplers
from autotune.trial import State

TWO = [{"metric": "loss", "goal": "minimize"}, {"metric": "size", "goal": "minimize"}]
AIMS: Mapping[str, Mapping[str, Any]] = {
    "several": {"objective": TWO},
    "constrained": {"objective": TWO[0], "constraints": ["size <= 6"]},
    "several, constrained": {"objective": TWO, "constraints": ["size <= 6"]},
}
DEPTH = {"type": "int", "low": 1, "high": 8}
SPACES: Mapping[str, Mapping[str, Any]] = {
    "flat": {"x": {"type": "float", "low": 0.0, "high": 1.0, "points": 5}, "depth": DEPTH},
    "conditional": {
        "kind": {"type": "categorical", "choices": ["a", "b"]},
        "x": {"type": "float", "low": 0.0, "high": 1.0, "points": 5, "when": {"kind": "a"}},
        "depth": DEPTH,
    },
}


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[Mapping[str, float], float]]:
    """The deeper, the lower the loss and the larger the size."""
    level = 1 / config["depth"] + abs(config.get("x", 0.7) - 0.3)
    for step in range(1, 10):
        yield {"loss": level + 1 / step, "size": float(config["depth"])}, 1.0


def read(folder: Path, aims: str, space: str, search: Any, schedule: Any) -> specs.StudySpec:
    raw = {
        "name": "s",
        "trial": {"function": "tests.nowhere:run", "epochs": 9},
        "space": SPACES[space],
        "search": search.model_dump(mode="json", exclude_none=True),
        "schedule": schedule.model_dump(mode="json", exclude_none=True),
        "budget": {"trials": 9},
        "confirm": {"top": 1, "seeds": 1},
        "tracking": {"uri": "none"},
        **AIMS[aims],
    }
    (folder / "s.yaml").write_text(json.dumps(raw))
    return specs.load(folder / "s.yaml")


def able(config: SamplerSettings | SchedulerSettings, aims: str) -> bool:
    needs = ["constrained"] * ("constrained" in aims) + ["several"] * ("several" in aims)
    return all(getattr(config, need, True) for need in needs)


@pytest.mark.parametrize("schedule", schedulers()[::2], ids=repr)
@pytest.mark.parametrize("search", samplers(), ids=lambda config: config.name)
@pytest.mark.parametrize("aims", AIMS)
def test_a_study_runs_or_is_refused(
    tmp_path: Path, search: SamplerSettings, schedule: SchedulerSettings, aims: str
) -> None:
    space = "flat" if len(repr(schedule)) % 2 else "conditional"
    if not (able(search, aims) and able(schedule, aims)):
        with pytest.raises(InvalidInput) as caught:
            read(tmp_path, aims, space, search, schedule)
        assert len(str(caught.value).splitlines()) <= 2
        assert "; choose " in str(caught.value)
        return
    driven = study.in_memory(read(tmp_path, aims, space, search, schedule))
    simulate.run(driven, workers=2, work=simulate.recorded(curve))
    known = driven.history
    assert driven.complete and all(run.state.finished for run in known.trials)
    for run in known.top(99):
        assert run.state in (State.COMPLETE, State.PRUNED)
        assert math.isclose(run.reports[run.step].metrics["size"], run.params["depth"])
        assert "constrained" not in aims or run.params["depth"] <= 6


def test_every_member_says_what_it_can() -> None:
    for member in get_args(get_args(SamplerConfig)[0]):
        assert {member.several, member.constrained} <= {True, False}
    takes = {m.__name__ for m in get_args(get_args(SchedulerConfig)[0]) if m.several}
    assert takes == {"AutoSchedule", "NoStopping", "Asha", "Hyperband"}
