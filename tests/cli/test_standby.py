"""A second driver: refused with the first one's name, or standing by until that ends or dies."""

import re
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.study.history import load
from autotune.trial import State

TRIALS = 8
FUNCTION = """
import pathlib, time

def run(config, trial):
    state = trial.load() or {"total": 0}
    for epoch in range(trial.step + 1, 4):
        while trial.folder.name == "2" and not pathlib.Path("go").exists():
            time.sleep(0.05)
        state["total"] += epoch
        trial.save(epoch, state)
        trial.report(epoch, total=state["total"])
"""
STUDY = """
name: shared
objective: {metric: total, goal: maximize}
trial: {function: "mine_shared:run", epochs: 3}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 8}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.mark.parametrize(
    ("storage", "number"),
    [("", signal.SIGINT), ('storage: "sqlite:///shared.db"', signal.SIGKILL)],
)
def test_it_takes_over(
    tmp_path: Path, autotune: Callable, spawn: Callable, storage: str, number: signal.Signals
) -> None:
    (tmp_path / "mine_shared.py").write_text(FUNCTION)
    (tmp_path / "shared.yaml").write_text(STUDY + storage)
    run = ("run", "shared.yaml", "--engine", "inline", "--runs")
    first = spawn(*run, "runs")
    while "trial    1" not in first.stdout.readline():
        assert first.poll() is None
    elsewhere = "elsewhere" if storage else "runs"  # a database may be shared by other folders
    who = f"study 'shared' is being run by process {first.pid} on {socket.gethostname()}"
    refused = autotune(*run, elsewhere)
    assert refused.code == 2 and refused.err.startswith(f"{who}. Wait for it with --standby")
    second = spawn(*run, elsewhere, "--standby")
    lines = [second.stdout.readline() for _ in range(2)]
    assert lines[1] == f"{who}; standing by until that ends\n"
    assert second.poll() is None
    first.send_signal(number)
    (tmp_path / "go").touch()
    first.communicate(timeout=30)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert "resumed: 2 of 8 trials done" in out
    told = re.findall(r"^trial +(\d)  complete", out, re.M)
    assert told == [str(n) for n in range(2, TRIALS)]
    history = load("shared", Path(elsewhere))
    assert [run.trial for run in history.trials] == list(range(TRIALS))
    assert {run.state for run in history.trials} == {State.COMPLETE}
    assert [run.reports[3].metrics["total"] for run in history.trials] == [6] * TRIALS


def test_who_stands_by_for_a_study_that_ends_finds_it_finished(
    tmp_path: Path, spawn: Callable
) -> None:
    (tmp_path / "mine_shared.py").write_text(FUNCTION)
    (tmp_path / "shared.yaml").write_text(STUDY.replace("trials: 8", "trials: 4"))
    run = ("run", "shared.yaml", "--engine", "inline")
    first = spawn(*run)
    while "trial    1" not in first.stdout.readline():
        assert first.poll() is None
    second = spawn(*run, "--standby")
    while "standing by" not in second.stdout.readline():
        assert second.poll() is None
    (tmp_path / "go").touch()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0 and "finished: all 4 trials were run before" in out, out + err
    first.communicate(timeout=30)
    assert first.returncode == 0
