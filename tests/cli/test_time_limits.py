"""A function that hangs for good, run in this process: the run ends, and resume goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.study.history import load

FUNCTION = """
import time

def run(config, trial):
    trial.report(1, acc=config["x"])
    if config["x"] == 2:
        time.sleep(1e6)
    trial.report(2, acc=config["x"])
"""

STUDY = """
name: hangs
objective: {metric: acc, goal: maximize}
trial: {function: "mine_hangs:run", epochs: 2, timeout: 2s}
space:
  - x: {type: categorical, choices: [1, 2, 3]}
search: {name: grid}
schedule: {name: none}
budget: {trials: 3}
confirm: {top: 0}
tracking: {uri: none}
"""


@pytest.mark.slow
def test_a_function_that_cannot_be_interrupted(tmp_path: Path, spawn: Callable) -> None:
    (tmp_path / "mine_hangs.py").write_text(FUNCTION)
    (tmp_path / "hangs.yaml").write_text(STUDY)
    _, err = (process := spawn("run", "hangs.yaml", "--engine", "inline")).communicate(timeout=90)
    assert process.returncode == 1
    assert err == (
        "stopped: trial-0001 (mine_hangs:run) hangs where it cannot be interrupted;"
        " go on with: autotune resume hangs\n"
    )
    _, err = (process := spawn("resume", "hangs", "--engine", "inline")).communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    trials = load("hangs", tmp_path / "runs").trials
    assert [(run.state, run.step) for run in trials] == [
        ("complete", 2),
        ("failed", 1),
        ("complete", 2),
    ]
    said = "worked for longer than 2s, stopped after step 1 (trial.timeout)"
    assert (trials[1].outcome["reason"], trials[1].outcome["message"]) == ("timeout", said)


def test_a_config_trained_alone_has_its_limit(autotune: Callable, tmp_path: Path) -> None:
    (tmp_path / "mine_slow.py").write_text(
        "def run(config, trial):\n    trial.report(1, acc=1)\n    while True: pass\n"
    )
    (tmp_path / "c.yaml").write_text("function: mine_slow:run\ntimeout: 1s\n")
    said = autotune("train", "c.yaml")
    assert said.code == 1 and said.out.startswith("epoch 1  acc 1\n")
    assert said.err.startswith("the training failed (timeout): worked for longer than 1s")
