"""Commands to a study: journaled with their answers, then obeyed, after a kill too."""

import json
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest

from autotune import spec as specs
from autotune.errors import UserError
from autotune.report import views
from autotune.study.clock import WallClock
from autotune.study.history import History, load
from autotune.study.state_machine import Done, Study, Wait, start
from autotune.study.steering import inbox
from autotune.study.steering.answer import answer
from autotune.study.steering.commands import AnyCommand, Clone, GoOn, Pause, SetBudget, Stop, Try
from autotune.tracking.base import Event, Steered
from autotune.trial import Assignment, Decision, Failure, Reason, Report, State

TEXT = """
name: s
seed: 3
objective: {metric: acc, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 4}
space:
  - x: {type: float, low: 0, high: 1}
  - kind: {type: categorical, choices: [a, b]}
  - y: {type: float, low: 0, high: 1, when: {kind: a}}
search: {name: random}
schedule: {name: none}
budget: {trials: 3}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., Study]:
    """Opens the study, as a driver does after whatever became of the one before."""
    path, told = tmp_path / "s.yaml", list[Event]()

    def opened(*overrides: str) -> Study:
        stored = tmp_path / "runs" / "s" / "study.yaml"
        path.write_text(TEXT)
        spec = specs.load(stored if stored.exists() and not overrides else path, overrides)
        study = start(spec, tmp_path / "runs", [told.append])
        study.slots = 2
        return study

    return opened


def tell(study: Study, command: AnyCommand) -> str:
    id = inbox.send(study.history.folder, command)
    study.receive()
    return str(study.history.commands[id]["answer"])


def assigned(study: Study) -> Assignment:
    found = study.next()
    assert isinstance(found, Assignment)
    return found


def complete(study: Study, given: Assignment) -> None:
    for step in range(given.from_step + 1, 5):
        study.report(given, Report(step, {"acc": step / 10}, 0.1))
    study.finish(given)


def killed(study: Study) -> None:
    study._workspace.release()


def test_values_of_a_person_are_the_next_trial(begin: Callable[..., Study]) -> None:
    study = begin()
    complete(study, assigned(study))
    best = study.history.trials[0].params
    said = tell(study, Try(values={"x": 0.25, "kind": "b"}))
    assert said == "accepted as trial 1: trial 0's values with x 0.25, kind b"
    assert study.history.trials[1].state == State.WAITING
    given = assigned(study)
    assert given.trial == 1 and given.config["x"] == 0.25 and given.config["kind"] == "b"
    complete(study, given)
    drawn = tell(study, Try(values={"kind": "a"}, like=1))
    assert drawn.startswith("accepted as trial 2: trial 1's values with kind a; drawn: y 0.")
    assert "trial 0 has the same values" in tell(study, Try(values={}, like=0))
    assert dict(study.history.trials[3].params) == dict(best)
    study.close()


def test_it_takes_no_place_of_the_fixed_ones(begin: Callable[..., Study]) -> None:
    study = begin("search.fixed=[{x: 0.125, kind: b}, {x: 0.375, kind: b}]")
    tell(study, Try(values={"x": 0.5}))
    xs = []
    for _ in range(3):
        given = assigned(study)
        xs.append(given.config["x"])
        complete(study, given)
    assert xs == [0.5, 0.125, 0.375]
    study.close()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (Try(values={"xx": 1}), "--set xx: xx is not searched; did you mean 'x'?"),
        (Try(values={"x": 2}), "--set x: x must be a number from 0 to 1"),
        (
            Try(values={"y": 0.5, "kind": "b"}),
            "--set y: y is inactive: it exists only with `kind: a`",
        ),
        (Try(values={}, like=7), "study 's' has no trial 7: it has trials 0 to 1"),
        (Clone(trial=0), "trial 0 is at its end: nothing is left to train"),
        (Clone(trial=1), "trial 1 has no checkpoint to go on from"),
        (Stop(trial=0), "trial 0 has ended: it is complete"),
        (SetBudget(), "give one of --trials, --time and --gpu-hours"),
        (SetBudget(trials="many"), "--trials must be such as +40 or 100, but got 'many'"),
        (SetBudget(trials="0"), "--trials: Input should be greater than or equal to 1, got 0"),
        (SetBudget(time="+1h"), "the study has no budget.time to add to"),
        (GoOn(retry_failed=True), "no trial has failed that was not run again already"),
    ],
)
def test_what_cannot_be_obeyed_is_refused_with_the_cure(
    begin: Callable[..., Study], command: AnyCommand, words: str
) -> None:
    study = begin()
    complete(study, assigned(study))
    assigned(study)
    with pytest.raises(UserError) as refused:
        answer(command, study.history)
    assert words in str(refused.value)
    assert tell(study, command).startswith(f"refused: {words[:30]}")
    study.close()


def test_a_stop_is_obeyed_at_the_next_report(begin: Callable[..., Study]) -> None:
    study = begin()
    given = assigned(study)
    study.report(given, Report(1, {"acc": 0.5}))
    assert tell(study, Stop(trial=0)) == "accepted: trial 0 ends at its next report"
    assert study.report(given, Report(2, {"acc": 0.6})) is Decision.STOP
    study.finish(given)
    run = study.history.trials[0]
    assert (run.state, run.value, study.history.progress(run)) == (
        State.PRUNED,
        0.6,
        "stopped at epoch 2 of 4 by hand",
    )
    tell(study, Stop())
    assert isinstance(study.next(), Done) and not study.complete
    study.close()


def test_a_stop_outlives_the_driver_and_one_for_a_dead_driver_is_void(
    begin: Callable[..., Study],
) -> None:
    study = begin()
    study.report(assigned(study), Report(1, {"acc": 0.5}))
    tell(study, Stop(trial=0))
    killed(study)
    inbox.send(study.history.folder, Stop())
    study = begin()
    assert study.history.trials[0].state == State.PRUNED
    assert [r["accepted"] for r in study.history.commands.values()] == [True, False]
    assert isinstance(study.next(), Assignment)
    study.close()


def test_a_pause_holds_the_study_and_its_time(
    begin: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("autotune.study.clock.time.monotonic", lambda: now[0])
    study = begin()
    study.clock = WallClock()
    given = assigned(study)
    tell(study, Pause())
    assert study.report(given, Report(1, {"acc": 0.5})) is Decision.PAUSE
    study.finish(given)
    assert isinstance(study.next(), Wait) and study.history.trials[0].state == State.RUNNING
    now[0] += 500
    assert isinstance(study.next(), Wait) and study.elapsed() == 0
    killed(study)
    study = begin()
    assert isinstance(study.next(), Wait), "a driver that takes over finds it paused"
    tell(study, GoOn())
    again = assigned(study)
    assert (again.trial, again.from_step) == (0, 1)
    now[0] += 3
    assert study.elapsed() == 3
    study.close()


def test_a_clone_goes_on_from_the_checkpoint(begin: Callable[..., Study]) -> None:
    study = begin()
    given = assigned(study)
    study.report(given, Report(1, {"acc": 0.5}))
    Path(given.folder).mkdir(parents=True)
    (Path(given.folder) / "weights").write_text("of step 1")
    said = tell(study, Clone(trial=0, values={"x": 0.5}))
    assert said == "accepted as trial 1: trial 0 from step 1 with x 0.5"
    clone = assigned(study)
    assert (clone.trial, clone.parent, clone.from_step) == (1, 0, 1)
    assert (Path(clone.folder) / "weights").read_text() == "of step 1"
    study.close()


def test_a_finished_study_gets_a_new_budget(begin: Callable[..., Study]) -> None:
    study = begin()
    for _ in range(3):
        complete(study, assigned(study))
    assert isinstance(study.next(), Done)
    assert tell(study, SetBudget(trials="+2")) == "accepted: budget.trials is now 5 (was 3)"
    assert not study.complete and isinstance(study.next(), Assignment)
    study.close()
    assert load("s", study.history.folder.parent).spec.budget.trials == 5


def test_failed_trials_run_again_as_new_ones(begin: Callable[..., Study]) -> None:
    study = begin()
    study.finish(assigned(study), Failure(Reason.EXCEPTION, "boom"))
    complete(study, assigned(study))
    assert tell(study, GoOn(retry_failed=True)) == "accepted as trial 2: again trial 0"
    again = study.history.trials[2]
    assert again.params == study.history.trials[0].params and again.origin == {"again": 0}
    assert again.seed != study.history.trials[0].seed
    study.close()


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["begin_by_hand", "set_budget"])
def test_what_was_promised_is_done_after_a_kill(
    begin: Callable[..., Study], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def kill(*_: object) -> None:
        raise Killed

    study = begin()
    command = Try(values={"x": 0.5}) if moment == "begin_by_hand" else SetBudget(trials="7")
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(study, moment, kill)
        tell(study, command)
    killed(study)
    study = begin()
    assert not inbox.waiting(study.history.folder) and len(study.history.commands) == 1
    if moment == "begin_by_hand":
        assert assigned(study).config["x"] == 0.5
    else:
        assert study.spec.budget.trials == 7
    study.close()


def test_what_is_no_command_is_refused_and_gone(begin: Callable[..., Study]) -> None:
    study = begin()
    folder = study.history.folder / "inbox"
    folder.mkdir()
    (folder / "0.json").write_text('{"command": "explode"}')
    (folder / "notes.txt").write_text("not ours")
    assert study.receive()
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]
    assert study.history.commands["0"]["answer"].startswith("refused: this is no command")
    study.close()


def test_people_are_told_and_plain_optuna_reads_the_journal(
    begin: Callable[..., Study],
) -> None:
    study, told = begin(), list[Event]()
    study._listeners = [told.append]
    tell(study, Try(values={"x": 0.5, "kind": "b"}))
    assert told == [
        Steered("try --set x=0.5 --set kind=b", "accepted as trial 0: x 0.5, kind b", True, 3, None)
    ]
    complete(study, assigned(study))
    study.close()
    history = load("s", study.history.folder.parent)
    assert seen(history) == ["try --set x=0.5 --set kind=b"]
    assert views.trial(history, 0)["asked"] == "try --set x=0.5 --set kind=b"
    backend = optuna.storages.journal.JournalFileBackend(str(history.folder / "journal.log"))
    plain = optuna.load_study(study_name="s", storage=optuna.storages.JournalStorage(backend))
    assert [trial.params for trial in plain.trials] == [{"x": 0.5, "kind": "b"}]
    assert json.dumps(views.study(history)["commands"])


def seen(history: History) -> list[str]:
    return [row["command"] for row in views.commands(history)]
