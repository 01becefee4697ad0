"""The state machine, driven by hand: a stand-in for training computes reports from the config."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from autotune import spec as specs
from autotune.app.runner import Untracked, sync
from autotune.errors import StudyBusy, StudyChanged, StudyFailed, StudyNotFound, UserError
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.state_machine import Done, Study, Wait, start
from autotune.tracking.base import StudyFinished
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report, State

TEXT = """
name: s
seed: 3
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 9}
space:
  - x: {type: float, low: 0, high: 1}
  - kind: {type: categorical, choices: [a, b]}
  - y: {type: float, low: 0, high: 1, when: {kind: a}}
search: {name: tpe}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 15}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""


class Killed(Exception):
    """Stands for kill -9: raised in the middle of a drive, nothing is closed."""


def study_spec(tmp_path: Path, text: str = TEXT, *overrides: str) -> StudySpec:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    return specs.load(path, overrides)


def accuracy(assignment: Assignment, step: int) -> float:
    x = float(assignment.config["x"])
    noise = (assignment.seed % 97) / 10_000
    return (1 - (x - 0.3) ** 2) * (1 - 0.5**step) + noise


def reports(assignment: Assignment) -> Iterator[Report]:
    for step in range(assignment.from_step + 1, (assignment.to_step or 9) + 1):
        yield Report(step, {"acc": accuracy(assignment, step)}, 0.5)


def drive(study: Study, on_report: Callable[[], None] = lambda: None) -> None:
    """Runs the study to its end, one assignment at a time."""
    while not isinstance(assignment := study.next(), Done):
        assert isinstance(assignment, Assignment)
        for report in reports(assignment):
            on_report()
            if study.report(assignment, report) != Decision.CONTINUE:
                break
        study.finish(assignment)


def kill_after(count: int) -> Callable[[], None]:
    left = iter(range(count))

    def tick() -> None:
        if next(left, None) is None:
            raise Killed

    return tick


def abandon(study: Study) -> None:
    """As the kernel does for a killed process: the lock is free, nothing else happens."""
    study._workspace.release()


def picture(history: History) -> list[tuple[Any, ...]]:
    return [
        (run.label, run.seed, dict(run.params), run.state, run.value, dict(run.reports))
        for run in history.runs()
    ]


def test_a_study_spends_its_budget_and_confirms_its_best(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    drive(study)
    study.close()
    history = load("s", tmp_path / "runs")
    assert [run.trial for run in history.trials] == list(range(15))
    assert {run.state for run in history.trials} == {State.COMPLETE, State.PRUNED}
    assert all(len(run.reports) == 9 for run in history.trials if run.state == State.COMPLETE)
    assert [run.label[-2:] for run in history.confirms] == ["s1", "s1", "s2", "s2"]
    assert [run.label[-2:] for run in history.verifies] == ["s1", "s2"]
    assert len({run.seed for run in history.runs()}) == 21
    best = history.best()
    assert best and best.chosen and best.mean is not None and len(best.seeds) == 2
    assert best.chosen.mean == max(group.mean for group in history.confirmed())
    assert study.complete


SCHEDULES = (
    "{name: asha, grace: 1, eta: 3}",
    "{name: asha, form: promotion}",
    "{name: hyperband, form: promotion}",
    "{name: pbt, population: 4, every: 2, quantile: 0.3}",
)


@pytest.mark.parametrize("count", [0, 1, 7, 20, 41])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_interrupted_study_equals_the_uninterrupted_one(
    tmp_path: Path, schedule: str, count: int
) -> None:
    spec = study_spec(tmp_path, TEXT, f"schedule={schedule}")
    whole = start(spec, tmp_path / "whole")
    drive(whole)
    whole.close()
    for _ in range(100):
        study = start(spec, tmp_path / "cut")
        try:
            drive(study, kill_after(count + 9))
            break
        except Killed:
            abandon(study)
    study.close()
    assert picture(load("s", tmp_path / "cut")) == picture(load("s", tmp_path / "whole"))


@pytest.mark.parametrize("schedule", [SCHEDULES[0], SCHEDULES[1]])
def test_a_journal_cut_anywhere_in_its_last_two_records_resumes(
    tmp_path: Path, schedule: str
) -> None:
    changes = ("budget.trials=3", "confirm.top=1", "confirm.seeds=1", f"schedule={schedule}")
    spec = study_spec(tmp_path, TEXT, *changes)
    whole = start(spec, tmp_path / "whole")
    drive(whole)
    whole.close()
    expected = picture(whole.history)
    content = (tmp_path / "whole/s/journal.log").read_bytes()
    lines = content.splitlines(keepends=True)
    middle = len(lines) * 2 // 3
    coarse = 17 if schedule == SCHEDULES[0] else 61
    for last, stride in ((middle, coarse), (middle + 1, coarse), (len(lines) - 1, coarse // 9)):
        end = sum(map(len, lines[: last + 1]))
        for cut in range(end - len(lines[last]) - len(lines[last - 1]), end + 1, stride):
            folder = tmp_path / "cut" / "s"
            shutil.copytree(tmp_path / "whole/s", folder)
            (folder / "journal.log").write_bytes(content[:cut])
            study = start(spec, tmp_path / "cut")
            drive(study)
            study.close()
            assert picture(study.history) == expected, (last, cut)
            shutil.rmtree(folder)


def test_reports_journaled_already_are_dropped(tmp_path: Path) -> None:
    spec = study_spec(tmp_path, TEXT, "schedule={name: none}", "budget.trials=1", "confirm.top=0")
    study = start(spec, tmp_path / "runs")
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    for step in (1, 2, 3):
        study.report(assignment, Report(step, {"acc": 0.5}))
    abandon(study)
    events: list[Any] = []
    study = start(spec, tmp_path / "runs", [events.append])
    again = study.next()
    assert isinstance(again, Assignment) and again.from_step == 3 and again.number == 1
    told = len(events)
    for step in (2, 3):  # the newest checkpoint was of step 1
        assert study.report(again, Report(step, {"acc": 0.9})) == Decision.CONTINUE
    assert len(events) == told
    assert study.history.trials[0].reports[3].metrics == {"acc": 0.5}
    study.close()


def test_slots_bound_what_is_out_and_waiting_is_not_done(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    study.slots = 3
    out = [study.next() for _ in range(3)]
    assert all(isinstance(a, Assignment) for a in out)
    assert isinstance(study.next(), Wait)
    study.stop()
    assert isinstance(study.next(), Wait)
    for assignment in out:
        assert isinstance(assignment, Assignment)
        study.finish(assignment, Failure(Reason.EXCEPTION, "boom"))
    assert isinstance(study.next(), Done)
    assert not study.complete
    study.close()


def test_a_second_driver_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    spec = study_spec(tmp_path)
    study = start(spec, tmp_path / "runs")
    study.next()
    with pytest.raises(StudyBusy, match=r"process \d+"):
        start(spec, tmp_path / "runs")
    assert load("s", tmp_path / "runs").trials[0].state == State.RUNNING
    study.close()
    assert load("s", tmp_path / "runs").trials[0].state == State.WAITING


def test_a_changed_spec_is_refused_and_a_larger_budget_is_not(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path, TEXT, "budget.trials=2"), tmp_path / "runs")
    drive(study)
    study.close()
    with pytest.raises(StudyChanged, match="seed") as caught:
        start(study_spec(tmp_path, TEXT, "seed=4"), tmp_path / "runs")
    assert "autotune delete s" in str(caught.value)
    study = start(study_spec(tmp_path, TEXT, "budget.trials=3"), tmp_path / "runs")
    drive(study)
    study.close()
    assert [run.trial for run in study.history.trials] == [0, 1, 2]


def test_a_lost_worker_is_replaced_twice(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    for attempt in range(3):
        assignment = study.next()
        assert isinstance(assignment, Assignment)
        assert (assignment.trial, assignment.number) == (0, attempt)
        study.finish(assignment, Failure(Reason.LOST, "killed"))
    run = study.history.trials[0]
    assert (run.state, run.outcome["reason"], run.value) == (State.FAILED, "lost", None)
    study.close()


def test_a_time_out_is_final_and_the_limit_may_change(tmp_path: Path) -> None:
    """What a trial has worked before counts, and retrainings are limited as well."""
    text = TEXT.replace("epochs: 9}", "epochs: 9, timeout: 10m}")
    spec = study_spec(tmp_path, text, "budget.trials=2", "worker.silence=1m", "schedule.name=none")
    study = start(spec, tmp_path / "runs")
    first, *_ = hung = [study.next()]
    assert isinstance(first, Assignment)
    assert (first.timeout, first.spent, first.silence) == (600, 0, 60)
    study.report(first, Report(1, {"acc": 0.5}, 7.5))
    study.close()

    study = start(
        study_spec(tmp_path, text.replace("10m", "8s"), "budget.trials=2", "schedule.name=none"),
        tmp_path / "runs",
    )
    again = study.next()
    assert isinstance(again, Assignment)
    assert (again.trial, again.timeout, again.spent, again.silence) == (0, 8, 7.5, None)
    study.finish(again, Failure(Reason.TIMEOUT, "worked for longer than 8s"))
    run = study.history.trials[0]
    assert (run.state, run.outcome["reason"], len(run.assignments)) == (State.FAILED, "timeout", 2)
    while not isinstance(assignment := study.next(), Done):
        assert isinstance(assignment, Assignment)
        assert (assignment.timeout, assignment.spent) == (8, 0)
        hung.append(assignment)
        for report in reports(assignment):
            study.report(assignment, report)
        study.finish(assignment)
    assert {a.purpose for a in hung if isinstance(a, Assignment)} == {
        Purpose.SEARCH,
        Purpose.CONFIRM,
    }
    study.close()


def test_failed_trials_have_no_value_and_the_search_goes_on(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path, TEXT, "budget.trials=6"), tmp_path / "runs")
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    study.report(assignment, Report(1, {"acc": 0.5}))
    study.finish(assignment, Failure(Reason.NAN, "loss is nan at step 2"))
    drive(study)
    study.close()
    history = load("s", tmp_path / "runs")
    first = history.snapshots()[0]
    assert (first.state, first.reason, first.value) == (State.FAILED, Reason.NAN, None)
    assert first.curve == {1: 0.5} and len(history.trials) == 6


def test_an_objective_that_is_not_finite_fails_the_trial(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    assert study.report(assignment, Report(1, {"acc": float("nan")})) == Decision.STOP
    study.finish(assignment)
    assert study.history.trials[0].outcome["reason"] == "nan"
    assert "NaN" not in (tmp_path / "runs/s/journal.log").read_text()
    study.close()


def test_first_trials_all_failing_alike_end_the_study(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    while isinstance(assignment := study.next(), Assignment):
        study.finish(assignment, Failure(Reason.EXCEPTION, "no module named nowhere"))
    assert len(study.history.trials) == 5
    with pytest.raises(StudyFailed, match="no module named nowhere"):
        study.raise_error()
    study.close()


def test_a_metric_that_is_not_reported_ends_the_study_at_once(tmp_path: Path) -> None:
    events: list[Any] = []
    study = start(study_spec(tmp_path), tmp_path / "runs", [events.append])
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    assert study.report(assignment, Report(1, {"accu": 0.5})) == Decision.STOP
    study.finish(assignment)
    assert isinstance(study.next(), Done)
    with pytest.raises(UserError, match="did you mean 'accu'"):
        study.raise_error()
    study.close()
    assert isinstance(events[-1], StudyFinished)
    assert not events[-1].complete and "did you mean 'accu'" in events[-1].failure


def test_a_reader_creates_nothing(tmp_path: Path) -> None:
    start(study_spec(tmp_path), tmp_path / "runs").close()
    journal = tmp_path / "runs/s/journal.log"
    (tmp_path / "runs/s/uid").unlink()  # written once the journal is there
    lines = journal.read_bytes().splitlines(keepends=True)
    for begun in range(3):  # both Optuna studies, then the uid
        journal.write_bytes(b"".join(lines[:begun]))
        with pytest.raises(StudyNotFound):
            load("s", tmp_path / "runs")
        assert journal.read_bytes() == b"".join(lines[:begun])


def test_a_study_that_runs_is_not_told_again_by_another(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path), tmp_path / "runs")
    with pytest.raises(StudyBusy):
        sync("s", tmp_path / "runs")
    study.close()
    with pytest.raises(Untracked):
        sync("s", tmp_path / "runs")


def test_a_trial_that_ends_by_itself_is_complete(tmp_path: Path) -> None:
    study = start(study_spec(tmp_path, TEXT, "schedule={name: none}"), tmp_path / "runs")
    assignment = study.next()
    assert isinstance(assignment, Assignment)
    study.report(assignment, Report(1, {"acc": 0.7}))
    study.finish(assignment)
    assert study.history.trials[0].state == State.COMPLETE
    silent = study.next()
    assert isinstance(silent, Assignment)
    study.finish(silent)
    assert "without a report" in study.history.trials[1].outcome["message"]
    study.close()


def test_the_value_is_the_best_step_or_the_last(tmp_path: Path) -> None:
    for at, value in (("best", 0.9), ("last", 0.4)):
        spec = study_spec(tmp_path, TEXT, f"objective.at={at}", "schedule={name: none}")
        study = start(spec, tmp_path / at)
        assignment = study.next()
        assert isinstance(assignment, Assignment)
        for step, accuracy in ((1, 0.2), (2, 0.9), (3, 0.4)):
            study.report(assignment, Report(step, {"acc": accuracy}))
        study.finish(assignment)
        assert study.history.trials[0].value == value
        study.close()


def test_grid_ends_when_exhausted_and_stays_so(tmp_path: Path) -> None:
    text = TEXT.replace("float, low: 0, high: 1", "int, low: 0, high: 1")
    spec = study_spec(tmp_path, text, "search.name=grid", "budget.trials=100", "confirm.top=0")
    for _ in range(2):
        study = start(spec, tmp_path / "runs")
        drive(study)
        study.close()
        assert len(study.history.trials) == 6 and study.complete


def test_confirmations_follow_only_when_the_search_has_ended(tmp_path: Path) -> None:
    spec = study_spec(tmp_path, TEXT, "budget.trials=2", "schedule={name: none}")
    study = start(spec, tmp_path / "runs")
    study.slots = 3
    first, second = study.next(), study.next()
    assert isinstance(first, Assignment) and isinstance(second, Assignment)
    assert isinstance(study.next(), Wait)
    for assignment in (first, second):
        for report in reports(assignment):
            study.report(assignment, report)
        study.finish(assignment)
    third = study.next()
    assert isinstance(third, Assignment) and third.purpose == Purpose.CONFIRM
    study.close()
