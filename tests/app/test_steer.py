"""A study is steered while it runs, on both engines, from outside."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.app.steer import Reply, lift, send
from autotune.engine.base import EngineName
from autotune.errors import AutotuneError, MachineFault, UserError
from autotune.study.history import History, load
from autotune.study.state_machine import Study
from autotune.study.steering.commands import Pause, SetBudget, Stop, Try
from autotune.trial import State

STUDY = """
name: steered
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:naps", epochs: 6, seconds: 0.4}
space: {x: {type: float, low: 0, high: 1}}
search: {name: random}
schedule: {name: none}
budget: {trials: 1}
worker: {max: 1}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    (tmp_path / "steered.yaml").write_text(STUDY)
    return tmp_path / "runs"


def reached(runs: Path, there: Callable[[History], bool]) -> History:
    limit = time.monotonic() + 120
    while time.monotonic() < limit:
        try:
            if there(history := load("steered", runs)):
                return history
        except AutotuneError:  # it is being created
            pass
        time.sleep(0.05)
    raise AssertionError("it never came so far")


def steer(runs: Path, replies: list[Reply]) -> None:
    reached(runs, lambda history: any(run.reports for run in history.trials))
    replies.append(send("steered", runs, Pause()))
    before = reached(runs, lambda history: history.paused)
    time.sleep(1.5)
    replies.append(send("steered", runs, SetBudget(trials="+1")))
    replies.append(send("steered", runs, Try(values={"x": 0.5})))
    after = load("steered", runs)
    assert len(after.trials[0].reports) <= len(before.trials[0].reports) + 1 < 6
    replies.append(send("steered", runs, Stop(trial=0)))
    assert (reply := lift("steered", runs)) and reply.accepted


@pytest.mark.slow
@pytest.mark.usefixtures("one_ray")
@pytest.mark.parametrize("engine", ["inline", "ray"])
def test_a_running_study_is_paused_given_trials_and_goes_on(runs: Path, engine: EngineName) -> None:
    spec, replies = specs.load(runs.parent / "steered.yaml"), list[Reply]()
    person = threading.Thread(target=steer, args=(runs, replies))
    person.start()
    history, _ = drive(spec, runs, engine=engine)
    person.join()
    assert [reply.accepted for reply in replies] == [True] * 4
    assert replies[2].trials == (1,)
    first, second = history.trials
    assert first.state == State.PRUNED and 0 < first.step < 6
    assert second.state == State.COMPLETE and second.params == {"x": 0.5}


def test_a_command_is_kept_for_the_next_driver(runs: Path) -> None:
    spec = specs.load(runs.parent / "steered.yaml", ["trial.seconds=0.01"])
    drive(spec, runs, engine="inline")
    reply = send("steered", runs, SetBudget(trials="+1"))
    assert reply.accepted is None
    assert reply.text.startswith("kept: nobody runs study 'steered'; it is obeyed at the next")
    with pytest.raises(UserError, match="there is nothing to stop"):
        send("steered", runs, Stop())
    history, _ = drive(load("steered", runs).spec, runs, engine="inline")
    assert len(history.trials) == 2 and history.trials[1].state == State.COMPLETE


def test_what_breaks_while_a_command_is_taken_stops_the_study(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Study) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise OSError(28, "No space left on device", "journal.log")

    monkeypatch.setattr(Study, "receive", full)
    with pytest.raises(MachineFault, match="No space left"):
        drive(specs.load(runs.parent / "steered.yaml"), runs, engine="inline")
