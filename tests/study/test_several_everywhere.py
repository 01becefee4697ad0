"""Every sampler with every scheduler on flat and conditional spaces, for one objective and several,
with constraints and without: a whole study, simulated, or a refusal of one line."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import pytest

from autotune import spec as specs
from autotune.engine import simulate
from autotune.errors import InvalidInput
from autotune.schedule import SchedulerConfig, SchedulerSettings
from autotune.search import SamplerConfig, SamplerSettings
from autotune.study import state_machine
from autotune.testing.schedule import schedulers
from autotune.testing.search import samplers
from autotune.trial import State

EPOCHS, TRIALS = 9, 11
ONE = {"metric": "loss", "goal": "minimize"}
TWO = [ONE, {"metric": "size", "goal": "minimize"}]
SMALL = {"constraints": ["size <= 6"]}
DEPTH = {"type": "int", "low": 1, "high": 8}
FLAT = {"x": {"type": "float", "low": 0.0, "high": 1.0, "points": 5}, "depth": DEPTH}
CONDITIONAL = {
    "kind": {"type": "categorical", "choices": ["a", "b"]},
    "x": {"type": "float", "low": 0.0, "high": 1.0, "points": 5, "when": {"kind": "a"}},
    "depth": DEPTH,
}


@dataclass(frozen=True)
class Kind:
    space: Mapping[str, Any]
    several: bool = False
    constrained: bool = False

    def able(self, config: SamplerSettings | SchedulerSettings) -> bool:
        needs = ["several"] * self.several + ["constrained"] * self.constrained
        return all(getattr(config, need, True) for need in needs)


KINDS = {
    "flat": Kind(FLAT),
    "conditional": Kind(CONDITIONAL),
    "several": Kind(FLAT, several=True),
    "constrained": Kind(CONDITIONAL, constrained=True),
    "several, constrained": Kind(CONDITIONAL, several=True, constrained=True),
}


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[Mapping[str, float], float]]:
    """The deeper, the lower the loss and the larger the size; some begin below 0.5."""
    level = 0.3 * (1 / config["depth"] + abs(config.get("x", 0.7) - 0.3))
    for step in range(1, EPOCHS + 1):
        yield {"loss": level + 0.1 / step, "size": float(config["depth"])}, 1.0


def read(folder: Path, kind: Kind, search: Any, schedule: Any) -> specs.StudySpec:
    raw = {
        "name": "s",
        "objective": TWO if kind.several else ONE,
        "trial": {"function": "tests.nowhere:run", "epochs": EPOCHS},
        "space": kind.space,
        "search": search.model_dump(mode="json", exclude_none=True),
        "schedule": schedule.model_dump(mode="json", exclude_none=True),
        "budget": {"trials": TRIALS},
        "confirm": {"top": 1, "seeds": 1},
        "tracking": {"uri": "none"},
        **(SMALL if kind.constrained else {}),
    }
    (folder / "s.yaml").write_text(json.dumps(raw))
    return specs.load(folder / "s.yaml")


def quick(config: SamplerSettings) -> SamplerSettings:
    """gp's model of several objectives takes seconds a proposal: the last ones only."""
    return config.model_copy(update={"startup": TRIALS - 3}) if config.name == "gp" else config  # type: ignore[attr-defined]


FORMS = [config for config in schedulers() if getattr(config, "grace", 1) == 1]
"""Every scheduler in each of its forms."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", FORMS, ids=repr)
@pytest.mark.parametrize(
    "search", [quick(each) for each in samplers()], ids=lambda config: config.name
)
def test_a_study_runs_or_is_refused(
    tmp_path: Path, search: SamplerSettings, schedule: SchedulerSettings, kind: str
) -> None:
    of = KINDS[kind]
    if not (of.able(search) and of.able(schedule)):
        with pytest.raises(InvalidInput) as caught:
            read(tmp_path, of, search, schedule)
        assert len(str(caught.value).splitlines()) <= 2
        assert "; choose " in str(caught.value)
        return
    driven = state_machine.in_memory(read(tmp_path, of, search, schedule))
    simulate.run(driven, workers=2, work=simulate.recorded(curve))
    known = driven.history
    assert driven.complete and all(run.state.finished for run in known.trials)
    assert any(run.state == State.COMPLETE for run in known.trials)
    for run in known.top(99):
        assert run.state in (State.COMPLETE, State.PRUNED)
        assert math.isclose(run.reports[run.step].metrics["size"], run.params["depth"])
        assert not of.constrained or run.params["depth"] <= 6


def test_every_member_says_what_it_can() -> None:
    for member in get_args(get_args(SamplerConfig)[0]):
        assert {member.several, member.constrained} <= {True, False}
    takes = {m.__name__ for m in get_args(get_args(SchedulerConfig)[0]) if m.several}
    assert takes == {"AutoSchedule", "NoStopping", "Asha", "Hyperband"}
