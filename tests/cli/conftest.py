import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.cli import main

COMMAND = (sys.executable, "-c", "from autotune.cli import main; main()")

SMALL = """
name: small
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: mlp}
  epochs: 2
space:
  - model.width: {type: int, low: 8, high: 32}
  - optimizer.lr: {type: float, low: 1e-3, high: 1e-1, log: true}
search: {name: random}
budget: {trials: 3}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
"""


@pytest.fixture(autouse=True)
def signals_of_a_terminal() -> Iterator[None]:
    """The commands under test get them as in a terminal, even where pytest runs under nohup."""
    found = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    asked = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGHUP, found)
    signal.signal(signal.SIGINT, asked)


@dataclass(frozen=True)
class Said:
    code: int
    out: str
    err: str


@pytest.fixture
def autotune(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """Runs a command line in this process, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> Said:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return Said(int(left.value.code or 0), said.out, said.err)

    return call


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runs folder with one finished study. For reading only."""
    folder = tmp_path_factory.mktemp("finished")
    path = folder / "small.yaml"
    path.write_text(SMALL)
    drive(specs.load(path), folder / "runs", engine="inline")
    return folder / "runs"


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Starts a command line in a process of its own, ended with the test."""
    started = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env={k: v for k, v in os.environ.items() if k != "AUTOTUNE_RUNS"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()
