"""Ask and tell: several out at once, crash-safe, one study like any other."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import autotune
from autotune.errors import StudyBusy, UserError
from autotune.study.history import load

SPACE = {"x": autotune.Float(0, 1)}
PLAIN: dict[str, Any] = {
    "search": {"name": "random"},
    "schedule": {"name": "none"},
    "confirm": {"top": 1, "seeds": 2},
    "tracking": {"name": "none"},
}


def made(**changes: Any) -> autotune.AskedStudy:
    given = {"name": "asked", "trials": 5, **PLAIN, **changes}
    return autotune.create(SPACE, "loss", **given)


def test_a_loop_of_ones_own(folder: Path) -> None:
    with made(trial={"epochs": 3}) as study:
        while not study.done:
            trial = study.ask()
            assert trial is not None
            for epoch in range(1, 4):
                assert trial.report(epoch, loss=trial.params["x"] / epoch) == "continue"
            study.tell(trial)
        assert study.ask() is None
    assert study.state == "finished" and set(study.trials["state"]) == {"complete"}
    assert study.best.mean is not None, "the retrainings were asked for as well"


def test_several_are_out_and_some_fail(folder: Path) -> None:
    with made(confirm={"top": 0}) as study:
        out = [trial for _ in range(5) if (trial := study.ask())]
        assert [trial.number for trial in out] == [0, 1, 2, 3, 4]
        assert study.ask() is None and not study.done
        for trial in reversed(out[1:]):
            study.tell(trial, loss=trial.params["x"])
        study.tell(out[0], error="no GPU left")
        assert study.done
        with pytest.raises(UserError, match="was told before"):
            study.tell(out[0])
    assert study.trials["state"].tolist() == ["failed"] + ["complete"] * 4


def test_a_poor_trial_is_stopped(folder: Path) -> None:
    schedule = {"name": "asha", "grace": 1, "eta": 2}
    with made(trials=8, trial={"epochs": 4}, schedule=schedule, confirm={"top": 0}) as study:
        while trial := study.ask():
            for epoch in range(1, 5):
                if trial.report(epoch, loss=trial.params["x"]) == "stop":
                    break
            study.tell(trial)
    assert {"pruned", "complete"} == set(study.trials["state"])


def test_mistakes_are_the_callers(folder: Path) -> None:
    with made(trial={"epochs": 2}) as study:
        trial = study.ask()
        assert trial is not None
        for call, words in MISTAKES:
            with pytest.raises((ValueError, TypeError), match=words):
                call(trial)
        with pytest.raises(StudyBusy):
            made(trial={"epochs": 2})
    assert made(trial={"epochs": 2}).ask().number == 0, "what was out is asked for again"


MISTAKES: list[tuple[Callable[[Any], Any], str]] = [
    (lambda trial: trial.report(0, loss=1.0), "steps count from 1"),
    (lambda trial: trial.report(3, loss=1.0), "no step may be beyond 2"),
    (lambda trial: trial.report(1, loss="low"), "metric 'loss' must be a number"),
    (lambda trial: trial.report(1), "needs a metric"),
]

KILLED = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, whoever starts this
import autotune
study = autotune.create(
    {"x": autotune.Float(0, 1)}, "loss", name="asked", trials=5, trial={"epochs": 3},
    search={"name": "random"}, schedule={"name": "none"}, confirm={"top": 0},
    tracking={"name": "none"},
)
while not study.done:
    trial = study.ask()
    for epoch in range(1, 4):
        trial.report(epoch, loss=trial.params["x"] / epoch)
        if trial.number == 2 and epoch == 2 and len(sys.argv) > 1:
            os.kill(os.getpid(), int(sys.argv[1]))
    study.tell(trial)
"""


@pytest.mark.parametrize("number", [2, 9, 15])
def test_a_process_that_dies_is_followed_by_another(folder: Path, number: int) -> None:
    (folder / "loop.py").write_text(KILLED)
    first = subprocess.run([sys.executable, "loop.py", str(number)], capture_output=True)
    assert first.returncode != 0
    before = load("asked", folder / "runs")
    assert len(before.trials) == 3 and len(before.trials[2].reports) == 2
    second = subprocess.run([sys.executable, "loop.py"], capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    after = load("asked", folder / "runs")
    assert [run.trial for run in after.trials] == [0, 1, 2, 3, 4]
    assert all(len(run.reports) == 3 for run in after.trials)
    assert [r.params for r in after.trials[:3]] == [r.params for r in before.trials]
