"""A study without any value may be corrected and run again under its name; nothing is lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from autotune.app.runner import drive
from autotune.errors import StudyChanged, StudyFailed
from autotune.spec import StudySpec
from autotune.study.history import load
from autotune.study.state_machine import Study, delete, start
from autotune.tracking.base import Noted
from autotune.trial import Assignment, Failure, Reason, Report, State

CHANGE = "space.x.high=2.0"


def notes(spec: StudySpec, runs: Path) -> list[str]:
    """What starting the study tells."""
    told: list[str] = []
    start(spec, runs, [lambda e: told.append(e.text) if isinstance(e, Noted) else None]).close()
    return told


def fail(study: Study, count: int = 100) -> None:
    for _ in range(count):
        assignment = study.next()
        if not isinstance(assignment, Assignment):
            break
        study.finish(assignment, Failure(Reason.EXCEPTION, "no such file: x.csv"))
    study.close()


@pytest.fixture(params=["file", "database"])
def make(
    request: pytest.FixtureRequest, spec: Callable, tmp_path: Path
) -> Callable[..., StudySpec]:
    """The spec, whose journal is a file or a database."""
    url = f"sqlite:///{tmp_path}/studies.db"
    more = [f"storage={url}"] if request.param == "database" else []
    return lambda *changes: spec(*more, *changes)


@pytest.mark.parametrize("count", [1, 5])
def test_after_failures_alone_a_corrected_spec_begins_anew(
    make: Callable[..., StudySpec], tmp_path: Path, count: int
) -> None:
    runs = tmp_path / "runs"
    first = start(make(), runs)
    fail(first, count)
    kept = runs / "s" / "earlier" / "1"
    told = notes(make(CHANGE), runs)
    trials = "one trial is" if count == 1 else "5 trials are"
    assert told == [f"no trial had a value: the study starts anew; its {trials} kept in {kept}"]
    again = load("s", runs)
    assert again.trials == [] and again.uid != first.history.uid
    assert again.spec.space.parameters["x"].high == 2.0  # type: ignore[union-attr]
    assert notes(make(CHANGE), runs) == []


def test_the_former_records_stay_readable(spec: Callable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fail(start(spec(), runs))
    for number, change in enumerate(("space.x.high=2.0", "space.x.high=3.0"), 1):
        study = start(spec(change), runs)
        fail(study)
        old = load(str(number), runs / "s" / "earlier")
        assert [run.state for run in old.trials] == [State.FAILED] * 5
        assert (runs / "s" / "earlier" / str(number) / "trials" / "4.yaml").exists()


def test_a_database_keeps_them_too_and_delete_removes_all(spec: Callable, tmp_path: Path) -> None:
    url, runs = f"sqlite:///{tmp_path}/studies.db", tmp_path / "runs"
    fail(start(spec(f"storage={url}"), runs))
    fail(start(spec(f"storage={url}", "name=other"), runs))
    fail(start(spec(f"storage={url}", CHANGE), runs))
    names = optuna.get_all_study_names(url)
    assert sorted(names) == ["other", "other:confirm", "s", "s:confirm", "s:earlier-1"]
    kept = optuna.load_study(study_name="s:earlier-1", storage=url)
    assert len(kept.trials) == 5 and "no such file" in str(kept.trials[4].user_attrs["outcome"])
    delete("s", runs)
    assert sorted(optuna.get_all_study_names(url)) == ["other", "other:confirm"]


def test_a_study_that_failed_in_another_folder_begins_anew(
    spec: Callable, run_to_its_end: Callable, tmp_path: Path
) -> None:
    """The database is shared, and this folder has no study.yaml to compare with."""
    url = f"storage=sqlite:///{tmp_path}/studies.db"
    fail(start(spec(url), tmp_path / "there"))
    assert "its 5 trials are kept" in notes(spec(url, CHANGE), tmp_path / "here")[0]
    run_to_its_end(spec(url, CHANGE), tmp_path / "here")
    with pytest.raises(StudyChanged, match=r"space.x.high was 2.0, now is 3.0"):
        start(spec(url, "space.x.high=3.0"), tmp_path / "elsewhere")


def test_an_unchanged_spec_begins_anew_where_the_study_had_stopped_itself(
    spec: Callable, run_to_its_end: Callable, tmp_path: Path
) -> None:
    """The data file is there now, say."""
    runs = tmp_path / "runs"
    study = start(spec(), runs)
    fail(study)
    with pytest.raises(StudyFailed, match="run the study again"):
        study.raise_error()
    again = run_to_its_end(spec(), runs)
    assert len(again.history.trials) == 8 and again.complete
    assert (runs / "s" / "earlier" / "1" / "journal.log").exists()


def test_an_unchanged_spec_begins_anew_where_all_trials_failed(
    spec: Callable, tmp_path: Path
) -> None:
    runs, one = tmp_path / "runs", "budget.trials=1"
    fail(start(spec(one), runs))
    assert "starts anew; its one trial is kept" in notes(spec(one), runs)[0]


def test_an_interrupted_study_goes_on_after_a_failure(spec: Callable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fail(start(spec(), runs), 1)
    assert notes(spec(), runs) == []
    assert len(load("s", runs).trials) == 1


def test_a_larger_budget_is_no_correction(spec: Callable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    fail(start(spec(), runs), 2)
    assert notes(spec("budget.trials=9"), runs) == []
    assert len(load("s", runs).trials) == 2


@pytest.mark.parametrize("ended", [True, False])
def test_a_value_or_a_report_of_a_trial_that_may_go_on_holds_the_spec(
    spec: Callable, tmp_path: Path, ended: bool
) -> None:
    runs = tmp_path / "runs"
    study = start(spec(), runs)
    first = study.next()
    assert isinstance(first, Assignment)
    study.report(first, Report(1, {"acc": 0.5}))
    if ended:
        study.finish(first)
    study.close()
    with pytest.raises(StudyChanged, match=r"space.x.high was 1.0, now is 2.0"):
        start(spec(CHANGE), runs)


def test_trials_that_reported_nothing_yet_are_begun_anew(spec: Callable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    study = start(spec(), runs)
    study.next()
    study.close()
    assert "its one trial is kept" in notes(spec(CHANGE), runs)[0]


def test_a_study_that_has_not_begun_may_change_even_its_goal(
    make: Callable[..., StudySpec], run_to_its_end: Callable, tmp_path: Path
) -> None:
    runs, goal = tmp_path / "runs", "objective.goal=minimize"
    start(make(), runs).close()
    assert notes(make(goal), runs) == []
    study = run_to_its_end(make(goal), runs)
    best = study.history.best()
    assert best and best.value == min(run.value for run in study.history.trials if run.value)


@pytest.mark.parametrize("step", range(3))
def test_a_kill_between_any_two_steps_of_setting_aside_loses_nothing(
    spec: Callable,
    run_to_its_end: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
) -> None:
    runs = tmp_path / "runs"
    fail(start(spec(), runs))
    rename, left = Path.rename, iter(range(step))

    def killed(path: Path, target: Path) -> Any:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return rename(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            start(spec(CHANGE), runs)
    assert len(load("s", runs).trials) == 5
    study = run_to_its_end(spec(CHANGE), runs)
    assert len(study.history.trials) == 8
    assert len(list(runs.glob("s/earlier/*/journal.log"))) == 1
    assert len(list(runs.glob("s/earlier/*/trials/*.yaml"))) == 5


def test_a_run_that_failed_is_corrected_and_run(spec: Callable, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(StudyFailed, match="these trials are set aside"):
        drive(spec("confirm.top=0"), runs, engine="inline")
    mended = ("trial.function=autotune.testing.trials:learns", "objective.metric=loss")
    history, _ = drive(spec("confirm.top=0", *mended), runs, engine="inline")
    assert history.has_value and len(history.trials) == 8
    assert load("1", runs / "s" / "earlier").spec.trial["function"] == "tests.nowhere:run"
