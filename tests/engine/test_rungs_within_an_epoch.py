"""Two epochs of four reports each: asha stops, pauses and promotes within the first one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.cli import app
from autotune.engine import inline
from autotune.errors import AutotuneError, InvalidInput
from autotune.study import history
from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.study.state_machine import start
from autotune.train import loop
from autotune.train.config import TrainConfig
from autotune.trial import Assignment, Purpose, State

STUDY = """
name: rungs
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: mlp, width: 16, dropout: 0.1}
  epochs: 2
  reports_per_epoch: 4
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 3e-2, log: true}
search: {name: random}
schedule: {name: asha, grace: 1}
budget: {trials: 8}
confirm: {top: 1, seeds: 1}
tracking: {uri: none}
"""

Load = Callable[..., specs.StudySpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    path = tmp_path / "rungs.yaml"
    path.write_text(STUDY)
    return lambda *overrides: specs.load(path, overrides)


def told(run: Run) -> list[tuple[int, dict[str, float]]]:
    return [(step, dict(run.reports[step].metrics)) for step in sorted(run.reports)]


def alone(known: History, run: Run, folder: Path) -> list[tuple[int, dict[str, float]]]:
    """The whole training of the run, without a study and without a stop."""
    config = TrainConfig.model_validate_json(json.dumps(known.config(run)))
    return [(report.step, dict(report.metrics)) for report in loop.train(config, folder)]


def test_asha_stops_within_the_first_epoch(load: Load, tmp_path: Path) -> None:
    drive(load(), tmp_path / "runs", engine="inline")
    known = history.load("rungs", tmp_path / "runs")
    ends = {run.trial: run.step for run in known.trials}
    assert len(ends) == 8 and set(ends.values()) <= {1, 3, 8}
    pruned = [run for run in known.trials if run.state == State.PRUNED]
    complete = [run for run in known.trials if run.state == State.COMPLETE]
    assert pruned and complete and len(pruned) + len(complete) == 8
    assert all(run.step in (1, 3) for run in pruned), "both within the first epoch"
    assert all(sorted(run.reports) == list(range(1, 9)) for run in complete)
    for run in known.trials:
        whole = alone(known, run, tmp_path / "alone" / str(run.trial))
        assert told(run) == whole[: run.step]
    best = known.best()
    assert best is not None and best.test is not None
    assert [run.step for run in known.confirms] == [8] == [run.step for run in known.tests]
    assert "reports_per_epoch: 4" in known.config_text(known.trials[0])


def test_promotion_goes_on_in_the_middle_of_an_epoch(load: Load, tmp_path: Path) -> None:
    spec = load("schedule.form=promotion")
    running = start(spec, tmp_path / "runs")
    given: list[Assignment] = []
    ask = running.next

    def asked() -> object:
        answer = ask()
        if isinstance(answer, Assignment) and answer.purpose == Purpose.SEARCH:
            given.append(answer)
        return answer

    running.next = asked  # type: ignore[method-assign,assignment]
    inline.run(running)
    running.close()
    stretches = {(one.from_step, one.to_step) for one in given}
    assert {(0, 1), (1, 3), (3, 8)} == stretches
    known = history.load("rungs", tmp_path / "runs")
    promoted = [run for run in known.trials if run.state == State.COMPLETE]
    assert promoted and all(len(run.assignments) == 3 for run in promoted)
    for run in promoted:
        assert told(run) == alone(known, run, tmp_path / "alone" / str(run.trial))
        assert run.value == max(metrics["val_accuracy"] for _, metrics in told(run))


def test_show_and_best_tell_steps(
    load: Load, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    drive(load("confirm.top=0"), runs, engine="inline")
    known = history.load("rungs", runs)

    def ask(*words: str) -> str:
        answer = CliRunner().invoke(app, [*words, "--runs", str(runs)], catch_exceptions=False)
        assert answer.exit_code == 0
        return answer.stdout

    rows = json.loads(ask("show", "rungs", "--json"))["trials"]
    assert [row["steps"] for row in rows] == [len(run.reports) for run in known.trials]
    winner = json.loads(ask("best", "rungs", "--json"))
    best = known.best()
    assert best is not None and winner["trial"] == best.trial
    curve = {step: m["val_accuracy"] for step, m in told(known.trials[best.trial])}
    assert best.value == max(curve.values())
    shown = json.loads(ask("show", "rungs", str(best.trial), "--json"))
    assert list(shown["reports"]) == [str(step) for step in curve]


@pytest.mark.parametrize(
    "schedule",
    [
        "{name: hyperband, form: promotion}",
        "{name: median, startup: 1}",
        "{name: patience, steps: 1, margin: 0.2}",
        "{name: threshold, value: 0.99, by: 2}",
        "{name: pbt, population: 3, every: 2, quantile: 0.4}",
    ],
)
def test_every_scheduler_counts_steps(load: Load, tmp_path: Path, schedule: str) -> None:
    spec = load(f"schedule={schedule}", "trial.epochs=1", "budget.trials=5", "confirm.top=0")
    drive(spec, tmp_path / "runs", engine="inline")
    known = history.load("rungs", tmp_path / "runs")
    assert any(run.step < 4 for run in known.trials), "stopped within the only epoch"
    assert all(run.state in (State.COMPLETE, State.PRUNED) for run in known.trials)
    assert all(run.step == 4 for run in known.trials if run.state == State.COMPLETE)


def test_auto_counts_steps(load: Load) -> None:
    auto = ("schedule={name: auto}", "trial.epochs=1")
    assert load(*auto).chosen_schedule().name == "asha"
    assert load(*auto, "trial.reports_per_epoch=3").chosen_schedule().name == "none"
    assert load(*auto, "trial.reports_per_epoch=1").chosen_schedule().name == "none"


def test_a_rung_beyond_the_steps_is_refused_by_their_number(load: Load) -> None:
    assert load("schedule.grace=7").context.max_step == 8
    with pytest.raises(InvalidInput) as caught:
        load("schedule.grace=8")
    rule = "`schedule.grace` must be below the trial's 8 steps (4 an epoch), but got 8"
    assert rule in str(caught.value)


def test_an_epoch_of_too_few_batches_ends_the_study_in_a_line(load: Load, tmp_path: Path) -> None:
    spec = load("trial.reports_per_epoch=400")
    specs.check(spec)
    with pytest.raises(AutotuneError) as caught:
        drive(spec, tmp_path / "runs", engine="inline")
    said = str(caught.value)
    assert "`reports_per_epoch` must be at most 18, the batches of an epoch, but got 400" in said
    assert "make it or `batch_size` smaller" in said


def test_gd_is_found_by_the_check(load: Load) -> None:
    search = "space.optimizer.name={type: categorical, choices: [gd, adamw]}"
    with pytest.raises(InvalidInput, match=r"`trial.reports_per_epoch` must be 1 with gd"):
        specs.check(load(search))


def test_it_cannot_be_searched(load: Load) -> None:
    with pytest.raises(InvalidInput, match="cannot be searched: trials are compared at the same"):
        load("space.reports_per_epoch={type: int, low: 1, high: 4}")
