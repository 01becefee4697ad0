"""What is said of a fault of the machine, and how to go on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from autotune.study.history import load

STUDY = """
name: full
objective: {metric: loss, goal: maximize}
trial: {function: "autotune.testing.trials:learns", epochs: 40}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
budget: {trials: 4}
confirm: {top: 0}
tracking: {uri: none}
"""


def test_one_line_and_the_command_that_goes_on(
    disk: Path, fill: Callable[[], Path], tmp_path: Path, autotune: Callable
) -> None:
    (tmp_path / "full.yaml").write_text(STUDY)
    runs = disk / "runs"
    run = ("run", "full.yaml", "--engine", "inline", "--runs", runs)
    filler = fill()
    said = autotune(*run)
    assert said.code == 1
    assert said.err.startswith("stopped: No space left on device: ")
    assert said.err.endswith("; once fixed, run it again\n")
    assert len(said.err.splitlines()) == 1
    filler.unlink()
    assert autotune(*run, "--set", "budget.trials=2").code == 0
    fill()
    said = autotune(*run)
    assert said.code == 1
    assert said.err.endswith(f"; once fixed, go on with: autotune resume full --runs {runs}\n")
    assert len(said.err.splitlines()) == 1
    filler.unlink()
    said = autotune(*run)
    assert said.code == 0, said.err
    assert [run.step for run in load("full", runs).trials] == [40] * 4


LEAK = """
held = []

def run(config, trial):
    held.extend(open("/dev/null") for _ in range(60))
    trial.save(1, {"x": config["x"]})
    trial.report(1, loss=config["x"])
"""
LIMITED = """
import resource
from autotune.cli import main
resource.setrlimit(resource.RLIMIT_NOFILE, (220, 220))
main()
"""


def test_too_many_open_files_fail_no_trial(tmp_path: Path) -> None:
    (tmp_path / "leak.py").write_text(LEAK)
    study = STUDY.replace("autotune.testing.trials:learns", "leak:run").replace("full", "leak")
    (tmp_path / "leak.yaml").write_text(study)

    def run() -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-c", LIMITED, "run", "leak.yaml", "--engine", "inline"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)

    cut = run()
    assert cut.returncode == 1, cut.stderr
    assert cut.stderr == (
        f"stopped: trial-0003: Too many open files: '/dev/null' ({tmp_path / 'leak.py'}:5); "
        "once fixed, go on with: autotune resume leak\n"
    )
    again = run()
    assert again.returncode == 0, again.stderr
    assert [run.step for run in load("leak", tmp_path / "runs").trials] == [1] * 4
