"""Pause, promotion and clones in a study: by hand, and for real on the digits."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.engine import simulate
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.state_machine import Study, in_memory, start
from autotune.trial import Assignment, Decision, Report, State

EPOCHS = 9
ONE = {"type": "float", "low": 0.0, "high": 1.0}


def study_spec(schedule: Mapping[str, Any], trials: int = 20, seed: int = 0) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "s",
            "seed": seed,
            "objective": {"metric": "loss", "goal": "minimize"},
            "trial": {"function": "nowhere:run", "epochs": EPOCHS},
            "space": Space.parse({"x": ONE, "y": ONE}),
            "search": {"name": "random"},
            "schedule": dict(schedule),
            "budget": {"trials": trials},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    for step in range(1, EPOCHS + 1):
        yield {"loss": config["x"] + config["y"] / step}, 0.5 + config["y"]


PROMOTION = {"name": "asha", "form": "promotion"}
PBT = {"name": "pbt", "population": 6, "quantile": 0.34, "every": 2}


class Watched:
    """Work that finds out whether two copies of a trial ever run at once."""

    def __init__(self) -> None:
        self.running: set[int] = set()
        self.begun: list[Assignment] = []

    def __call__(self, assignment: Assignment) -> Iterator[Report]:
        assert assignment.trial not in self.running, "a second copy"
        self.running.add(assignment.trial)
        self.begun.append(assignment)
        try:
            yield from simulate.recorded(curve)(assignment)  # type: ignore[misc]
        finally:
            self.running.discard(assignment.trial)


def raced(schedule: Mapping[str, Any], workers: int, **about: int) -> tuple[History, Watched]:
    study, work = in_memory(study_spec(schedule, **about)), Watched()
    simulate.run(study, workers, work)
    study.close()
    return study.history, work


schedules = st.sampled_from(
    [PROMOTION, {**PROMOTION, "eta": 2}, {"name": "hyperband", "form": "promotion"}, PBT]
)


@settings(max_examples=60, deadline=None)
@given(schedules, st.integers(1, 9), st.integers(1, 25), st.integers(0, 9))
def test_every_step_is_trained_once_and_every_trial_ends(schedule, workers, trials, seed):
    history, work = raced(schedule, workers, trials=trials, seed=seed)
    assert all(run.state.finished for run in history.trials)
    assert any(run.state == State.COMPLETE for run in history.trials)
    assert len(history.trials) <= trials
    for run in history.trials:
        assert list(run.reports) == list(range(run.start + 1, run.step + 1))
        assert (run.state == State.COMPLETE) == (run.step == EPOCHS)
    for number, assignment in enumerate(sorted(work.begun, key=lambda a: a.number)):
        assert assignment.number == number


def test_promotion_takes_the_best_third_of_a_rung() -> None:
    history, _ = raced(PROMOTION, 1, trials=27)
    at_rung = [[run for run in history.trials if run.step >= step] for step in (1, 3, EPOCHS)]
    assert [len(runs) for runs in at_rung[:1]] == [27]
    assert 9 <= len(at_rung[1]) <= 13 and 3 <= len(at_rung[2]) <= 5
    best = min(history.trials, key=lambda run: run.reports[1].metrics["loss"])
    assert best in at_rung[1]
    assert history.trials[0].assignments[0]["why"] == "start"
    assert {a["why"] for run in at_rung[2] for a in run.assignments.values()} == {
        "start",
        "promotion",
    }


def test_the_cost_of_an_assignment_is_that_of_its_steps() -> None:
    history, _ = raced(PROMOTION, 3)
    run = max(history.trials, key=lambda run: len(run.assignments))
    step = 0.5 + float(run.params["y"])  # type: ignore[arg-type]
    assert list(run.costs.values()) == pytest.approx([step, 2 * step, 6 * step])
    assert sum(run.costs.values()) == pytest.approx(run.seconds)


def test_a_population_is_the_same_with_any_number_of_workers() -> None:
    told = [
        {
            (tuple(sorted(run.params.items())), run.parent, run.start, run.state, run.value)
            for run in raced(PBT, workers)[0].trials
        }
        for workers in (1, 2, 6, 16)
    ]
    assert told[0] == told[1] == told[2] == told[3]


def test_clones_start_where_their_parents_stood() -> None:
    history, work = raced(PBT, 3, trials=40)
    clones = [run for run in history.trials if run.parent is not None]
    assert len(clones) == 2 * 4 and len(history.trials) == 6 + len(clones)
    assert sum(run.state == State.COMPLETE for run in history.trials) == 6
    for run in clones:
        parent = history.trials[run.parent]
        assert run.start in parent.reports and run.start % 2 == 0
        assert run.params != parent.params
        first = next(a for a in work.begun if a.trial == run.trial)
        assert (first.parent, first.from_step) == (run.parent, run.start)


def test_a_pause_is_seen_by_readers_and_outlives_its_driver(tmp_path: Path) -> None:
    study = start(study_spec(PROMOTION, trials=5), tmp_path)
    first = _one(study, 1)
    assert study.history.snapshots()[0].state == State.PAUSED
    study._workspace.release()  # as for a killed process
    assert load("s", tmp_path).trials[0].state == State.PAUSED
    study = start(study_spec(PROMOTION, trials=5), tmp_path)
    for _ in range(2):
        _one(study, 1)
    again = study.next()
    assert isinstance(again, Assignment) and again.from_step == 1 and again.number == 3
    assert again.trial in (0, 1, 2) and first.trial == 0
    study._workspace.release()  # promoted, and killed before it reported anything
    study = start(study_spec(PROMOTION, trials=5), tmp_path)
    same = study.next()
    assert isinstance(same, Assignment) and (same.trial, same.from_step) == (again.trial, 1)
    study.close()


def _one(study: Study, step: int) -> Assignment:
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    for at in range(1, step + 1):
        decision = study.report(assignment, Report(at, {"loss": float(assignment.config["x"])}))
    assert decision == Decision.PAUSE
    study.finish(assignment)
    return assignment


def test_a_function_that_saves_nothing_is_not_paused_for_ever(tmp_path: Path) -> None:
    """It begins anew after a promotion: what is journaled already changes nothing."""
    study = start(study_spec(PROMOTION, trials=3), tmp_path)
    for _ in range(3):
        _one(study, 1)
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    seen = []
    for at in range(1, EPOCHS + 1):
        seen.append(study.report(assignment, Report(at, {"loss": 0.5})))
        if seen[-1] != Decision.CONTINUE:
            break
    assert seen == [Decision.CONTINUE, Decision.CONTINUE, Decision.PAUSE]
    study.close()


DIGITS = """
name: digits
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 4}
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 1e-1, log: true}
search: {name: random}
budget: {trials: 6}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.mark.parametrize(
    "schedule",
    ["{name: asha, form: promotion, eta: 2}", "{name: pbt, population: 3, every: 2}"],
)
def test_real_trainings_go_on_from_their_checkpoints(tmp_path: Path, schedule: str) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(DIGITS)
    spec = specs.load(path, [f"schedule={schedule}"])
    history, _ = drive(spec, tmp_path / "runs", engine="inline")
    complete = [run for run in history.trials if run.state == State.COMPLETE]
    assert complete and any(len(run.assignments) > 1 for run in complete)
    for run in complete:
        assert list(run.reports) == list(range(run.start + 1, 5))
    whole = next(run for run in complete if run.parent is None)
    alone = specs.load_config(history.config_file(whole))
    losses = [report.metrics["train_loss"] for report in whole.reports.values()]
    assert losses == _trained(alone, tmp_path / "alone")
    if clone := next((run for run in history.trials if run.parent is not None), None):
        parent = history.trials[clone.parent]
        assert clone.params != parent.params
        # It goes on from trained weights.
        first = clone.reports[clone.start + 1].metrics["train_loss"]
        assert first < parent.reports[1].metrics["train_loss"]


def _trained(config: dict[str, Any], folder: Path) -> list[float]:
    from autotune.train.config import TrainConfig, apply
    from autotune.train.loop import train

    complete = apply(config, {})
    assert isinstance(complete, TrainConfig)
    return [report.metrics["train_loss"] for report in train(complete, folder, 0, None)]
