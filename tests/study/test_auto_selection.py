"""auto's turns: the rule, and a study that follows it."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from autotune import spec as specs
from autotune.engine import simulate
from autotune.report import tables, views
from autotune.report.live import View
from autotune.search.auto import SamplerSwitch, proposal_seconds
from autotune.spec import StudySpec
from autotune.study.clock import VirtualClock
from autotune.study.history import History, load
from autotune.study.state_machine import Done, Study, in_memory, start
from autotune.tracking.base import SamplerSwitched
from autotune.trial import Assignment, Decision, Report
from tests.study.test_state_machine import Killed, kill_after

TEXT = """
name: s
seed: 3
objective: {metric: loss, goal: minimize}
trial: {function: "tests.nowhere:run", epochs: 9}
space:
  - x: {type: float, low: 0, high: 1}
  - kind: {type: categorical, choices: [a, b]}
  - y: {type: float, low: 0, high: 1, when: {kind: a}}
budget: {trials: 110}
confirm: {top: 0}
tracking: {uri: none}
"""
SECOND = 1 / 1024
"""What a step costs: a number whose sums are exact."""


def study_spec(*overrides: str) -> StudySpec:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "study.yaml"
        path.write_text(TEXT)
        return specs.load(path, overrides)


def simulated(seconds: float, *overrides: str) -> tuple[Study, list[str]]:
    """The study, and why it handed over."""

    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        for step in range(1, 10):
            yield {"loss": (config["x"] - 0.3) ** 2 + 1 / step}, seconds / 9

    told: list[str] = []
    study = in_memory(
        study_spec(*overrides),
        [lambda e: told.append(e.why) if isinstance(e, SamplerSwitched) else None],
    )
    simulate.run(study, 1, simulate.recorded(curve))
    return study, told


def test_decisions_come_at_50_100_200_or_as_soon_as_a_number_is_proposed() -> None:
    def due(after: int) -> list[int]:
        return [n for n in range(1000) if SamplerSwitch(number=after).due(n)][:1]

    found = [due(after) for after in (0, 50, 53, 99, 100, 180, 200)]
    assert found == [[50], [100], [100], [100], [200], [200], [400]]


@given(
    work=st.floats(1e-4, 100),
    workers=st.integers(1, 64),
    costs=st.lists(st.floats(1e-3, 1), min_size=8, max_size=8),
)
def test_proposing_takes_a_tenth_at_most_and_turns_never_become_more(work, workers, costs) -> None:
    costs, turns, spent = sorted(costs), SamplerSwitch(), 0.0
    for times, cost in enumerate(costs):
        number = 50 << times
        spent += (number - turns.number) * work * workers
        before, turns = turns, turns.after(number, spent, workers, cost)
        assert turns.every >= before.every and turns.every % 2
        assert cost / turns.every <= 0.1001 * (max(work, 0.005) + cost / turns.every)


def test_the_edge_is_a_tenth() -> None:
    assert SamplerSwitch().after(50, 50 * 0.27, 1, 0.0299) == SamplerSwitch(50, 13.5)
    later = SamplerSwitch().after(50, 4 * 50 * 0.27, 4, 0.0301)
    assert later.every == 3
    assert later.why == (
        "from trial 50 on mfgp proposes one trial of 3 and evolution the others: a trial takes "
        "270 ms of 4 workers, mfgp needs up to 30 ms and is to take at most 10% of the time"
    )
    assert later.after(100, 1e6, 1, 0.03).every == 3


def test_every_other_model_has_its_turn() -> None:
    asked = [n for n in range(100) if SamplerSwitch(every=3).model_proposes(n)]
    assert {n % 2 for n in asked} == {0, 1} and len(asked) == 34


def test_short_trials_hand_over_and_long_ones_never_do() -> None:
    study, told = simulated(0.001, "schedule.name=none")
    turns = study.history.sampler_switch
    cost = proposal_seconds(100, 3, 1)
    assert turns.number == 100 and 9 * cost / 0.005 <= turns.every < 3 * 9 * cost / 0.005
    assert turns.why == told[-1] and told[-1].startswith("from trial ")
    study, told = simulated(10.0)
    assert (
        study.history.sampler_switch.every == 1
        and study.history.sampler_switch.number == 100
        and told == []
    )


@pytest.mark.parametrize("named", ["search.name=mfgp", "search.name=random"])
def test_who_is_named_proposes_all(named: str) -> None:
    study, told = simulated(0.001, named, "budget.trials=60")
    assert study.history.sampler_switch == SamplerSwitch() and told == []


def test_grid_goes_on_to_its_end() -> None:
    study, told = simulated(0.001, "space=[{x: {type: float, low: 0, high: 1, points: 70}}]")
    assert (
        len(study.history.trials) == 70
        and study.history.sampler_switch == SamplerSwitch()
        and told == []
    )


def picture(history: History) -> list[Any]:
    return [(run.seed, dict(run.params), run.state, run.value) for run in history.runs()]


def test_the_same_seed_gives_the_same_study_twice() -> None:
    first, second = (simulated(0.02)[0].history for _ in range(2))
    assert picture(first) == picture(second) and first.sampler_switch == second.sampler_switch
    assert first.sampler_switch.every > 1
    other = simulated(10.0)[0].history
    assert picture(other)[:50] == picture(first)[:50] and picture(other) != picture(first)


def drive(study: Study, tick: Callable[[], None] = lambda: None) -> None:
    study.clock = clock = VirtualClock()
    while not isinstance(assignment := study.next(), Done):
        assert isinstance(assignment, Assignment)
        for step in range(assignment.from_step + 1, 10):
            clock.seconds += SECOND
            tick()
            loss = (float(assignment.config["x"]) - 0.3) ** 2 + 1 / step
            if study.report(assignment, Report(step, {"loss": loss})) != Decision.CONTINUE:
                break
        study.finish(assignment)


def test_a_study_killed_around_the_switch_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    spec = study_spec("budget.trials=56")
    whole = start(spec, tmp_path / "whole")
    drive(whole)
    whole.close()
    begun = [sum(len(run.reports) for run in whole.history.trials[:n]) for n in (48, 49, 50, 51)]
    assert whole.history.sampler_switch.every > 1
    for reports in begun:
        folder = tmp_path / str(reports)
        study = start(spec, folder)
        with pytest.raises(Killed):
            drive(study, kill_after(reports))
        study._workspace.release()
        told: list[Any] = []
        study = start(spec, folder, [told.append])
        drive(study)
        study.close()
        assert picture(study.history) == picture(whole.history)
        assert (
            study.history.sampler_switch
            == whole.history.sampler_switch
            == load("s", folder).sampler_switch
        )
        assert [e.why for e in told if isinstance(e, SamplerSwitched)] == [
            whole.history.sampler_switch.why
        ]


def test_people_are_told_in_one_line(tmp_path: Path) -> None:
    study = start(study_spec("budget.trials=52"), tmp_path)
    console = Console(width=400, record=True, force_terminal=False)
    with View(study.spec, console) as view:
        study._listeners = [view.record]
        drive(study)
    study.close()
    history = load("s", tmp_path)
    why = history.sampler_switch.why
    assert "evolution" in why and why in console.export_text()
    assert views.study(history)["handed_over"] == why
    console.print(tables.study(history, most=1))
    assert why in console.export_text()
