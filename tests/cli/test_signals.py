"""SIGTERM and SIGHUP stop a command as Ctrl-C does: exit code 128 + n, no traceback, no orphan."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from autotune.study.history import load

FUNCTION = """
import pathlib, time

def run(config, trial):
    pathlib.Path(__file__).with_name("begun").touch()
    for epoch in range(1, 6):
        time.sleep(0.05)
        trial.report(epoch, acc=config.get("x", 1.0) * epoch)
"""
STUDY = """
name: told
objective: {metric: acc, goal: maximize}
trial: {function: "mine_told:run", epochs: 5}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 8}
confirm: {top: 1, seeds: 1}
tracking: {uri: none}
"""
CONFIG = """
function: "mine_told:run"
epochs: 1000000
seed: 0
"""
CALL = "from autotune.cli import main; main()"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine_told.py").write_text(FUNCTION)
    (tmp_path / "told.yaml").write_text(STUDY)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < limit, f"{path} never came"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_training_alone_is_stopped(folder: Path, spawn: Callable, number: signal.Signals) -> None:
    process = spawn("train", "config.yaml")
    wait_for(folder / "begun")
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (128 + number, "")


def test_a_terminal_that_closes_stops_a_study(folder: Path) -> None:
    """What is written to it afterwards is lost, and nothing else."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(
            sys.executable, [sys.executable, "-c", CALL, "run", "told.yaml", "--engine=inline"]
        )
    wait_for(folder / "begun")
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGHUP
    history = load("told", folder / "runs")
    assert 0 < len(history.trials) < 8


def test_nohup_is_respected(folder: Path) -> None:
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {CALL}"
    process = subprocess.Popen(
        [sys.executable, "-c", ignoring, "run", "told.yaml", "--engine", "inline"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(folder / "begun")
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert len(load("told", folder / "runs").trials) == 8


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_ui_ends_with_its_server(folder: Path, spawn: Callable, number: signal.Signals) -> None:
    process = spawn("ui")
    address = process.stdout.readline().strip()
    assert address.startswith("http://127.0.0.1:")
    servers = children(process.pid)
    assert servers
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert err.splitlines() == ["starting the MLflow UI ...", "Ctrl-C stops it"]
    assert not [pid for pid in servers if Path(f"/proc/{pid}").exists()]


def children(pid: int) -> list[int]:
    """All descendants."""
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True).stdout.split()
    return [each for child in map(int, found) for each in (child, *children(child))]
