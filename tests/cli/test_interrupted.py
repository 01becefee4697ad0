"""A signal to stop, or kill -9, in mid-run, then resume: exactly N trials, none run twice."""

import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from autotune.study.history import History, load
from autotune.trial import State

TRIALS, EPOCHS = 12, 5

FUNCTION = """
import pathlib, time

def run(config, trial):
    with pathlib.Path("begun").open("a") as file:
        file.write(f"{config['x']}\\n")
    for epoch in range(1, 6):
        time.sleep(0.02)
        trial.report(epoch, acc=config["x"] * (1 - 0.5 ** epoch))
"""

SCRIPT = """
import json, sys, time
with open("begun", "a") as file:
    file.write(sys.argv[1] + "\\n")
for epoch in range(1, 6):
    time.sleep(0.02)
    print(json.dumps({"epoch": epoch, "acc": float(sys.argv[1]) * (1 - 0.5 ** epoch)}), flush=True)
"""

STUDY = """
name: cut
objective: {metric: acc, goal: maximize}
trial: {WHAT, epochs: 5}
worker: {max: 1}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 12}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
"""

WHAT = {
    "function": 'function: "mine_cut:run"',
    "command": f'command: "{sys.executable} -I cut_script.py {{x}}"',
}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL]
CELLS = [("function", "inline", number) for number in SIGNALS]
CELLS += [("command", "inline", signal.SIGKILL)]
SLOW = [("command", "inline", number) for number in SIGNALS[:2]]


@pytest.fixture
def cut(tmp_path: Path, spawn: Callable) -> Callable[[str, str, int], tuple[History, int, str]]:
    """Runs the study and sends the driver a signal in the middle of its fifth trial."""
    (tmp_path / "mine_cut.py").write_text(FUNCTION)
    (tmp_path / "cut_script.py").write_text(SCRIPT)

    def run(what: str, engine: str, number: int) -> tuple[History, int, str]:
        (tmp_path / "cut.yaml").write_text(STUDY.replace("WHAT", WHAT[what]))
        process = spawn("run", "cut.yaml", "--engine", engine)
        limit = time.monotonic() + 120
        while time.monotonic() < limit and process.poll() is None:
            begun = tmp_path / "begun"
            if begun.exists() and begun.read_text().count("\n") >= 5:
                break
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=90)
        return load("cut", tmp_path / "runs"), process.returncode, err

    return run


def finished(history: History) -> dict[int, tuple]:
    return {
        run.trial: (dict(run.params), run.value, dict(run.assignments), len(run.reports))
        for run in history.trials
        if run.state.finished
    }


def left_of(folder: Path) -> list[str]:
    """The command lines of the scripts that still run there."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (process / "cmdline").read_bytes().decode(errors="replace")
            if "cut_script.py" in line and (process / "cwd").resolve() == folder.resolve():
                found.append(line)
    return found


@pytest.mark.parametrize(
    ("what", "engine", "number"),
    [*CELLS, *(pytest.param(*cell, marks=pytest.mark.slow) for cell in SLOW)],
)
def test_resume_completes_the_study(
    cut: Callable, spawn: Callable, tmp_path: Path, what: str, engine: str, number: signal.Signals
) -> None:
    before, code, err = cut(what, engine, number)
    assert 3 <= len(finished(before)) < TRIALS
    if number != signal.SIGKILL:
        assert code == 128 + number
        assert err == "interrupted; go on with: autotune resume cut\n"
    out, err = (resumed := spawn("resume", "cut", "--engine", engine)).communicate(timeout=180)
    assert resumed.returncode == 0, err
    after = load("cut", tmp_path / "runs")
    assert [run.trial for run in after.trials] == list(range(TRIALS))
    assert {run.state for run in after.trials} == {State.COMPLETE}
    assert {run.step for run in after.trials} == {EPOCHS}
    assert {n: kept for n, kept in finished(after).items() if n in finished(before)} == finished(
        before
    )
    assert len(after.confirms) == 2 and "best: trial" in out
    assert left_of(tmp_path) == []
