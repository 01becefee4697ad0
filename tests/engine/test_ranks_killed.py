"""kill -9 of each rank and of the driver, and Ctrl-C, in one study whose trials of two processes
train data parallel: nothing is lost, nothing is done twice, no process is left.

STRIKES=5 strikes as many times each, at other moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import permutations
from pathlib import Path

import pytest

from autotune.study.history import History, load
from autotune.testing.ranks import all_end
from autotune.trial import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FUNCTION = """
import os, time
import torch
from torch import distributed, nn
from torch.nn.parallel import DistributedDataParallel

def run(config, trial):
    distributed.init_process_group("gloo")
    (trial.folder / f"pid-{trial.rank}").write_text(str(os.getpid()))
    state = trial.load() or {"done": []}
    model = DistributedDataParallel(nn.Linear(3, 1))
    for epoch in range(trial.step + 1, 7):
        time.sleep(0.1)
        model(torch.ones(4, 3)).sum().backward()
        state["done"].append(epoch)
        trial.save(epoch, state)
        trial.report(epoch, loss=1 / epoch, done=len(state["done"]), last=state["done"][-1])
"""
STUDY = """
name: killed
objective: {metric: loss, goal: minimize}
trial: {function: "mine_killed:run", epochs: 6}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 3}
worker: {cpus: 0.5, processes: 2, max: 1, collective_timeout: 30s}
confirm: {top: 0}
tracking: none
"""
COMMAND = (sys.executable, "-c", "from autotune.cli import main; main()")


class Driver:
    """A study in a process of its own, in a session of its own."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder, self.engine = folder, engine
        (folder / "mine_killed.py").write_text(FUNCTION)
        (folder / "killed.yaml").write_text(STUDY)
        self.sessions: list[int] = []
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [*COMMAND, "run", "killed.yaml", "--engine", self.engine],
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.sessions.append(self.process.pid)

    def wait_for_step(self, trial: int, step: int) -> None:
        """Until the trial has written the checkpoint of that step."""
        file = self.folder / f"runs/killed/trials/{trial}/function-{step}.pt"
        limit = time.monotonic() + 300
        while not file.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < limit, f"trial {trial} never reached step {step}"
            time.sleep(0.01)

    def wait_for_others(self, trial: int, ranks: list[int]) -> None:
        """Until every rank of the trial is another process."""
        limit = time.monotonic() + 300
        while {0, *ranks} & set(self.ranks(trial)):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < limit, "the killed trial never went on"
            time.sleep(0.05)

    def ranks(self, trial: int) -> list[int]:
        folder = self.folder / f"runs/killed/trials/{trial}"
        return [int((folder / f"pid-{rank}").read_text() or 0) for rank in range(2)]

    def end(self) -> tuple[int, str]:
        _, err = self.process.communicate(timeout=300)
        return self.process.returncode, err

    def left(self) -> list[str]:
        """Processes of its sessions that are there, in the end."""
        limit = time.monotonic() + 20
        while (found := self._found()) and time.monotonic() < limit:
            time.sleep(0.1)
        return found

    def _found(self) -> list[str]:
        listed = subprocess.run(["ps", "-eo", "sid=,stat=,pid=,args="], capture_output=True)
        lines = [line.split(maxsplit=3) for line in listed.stdout.decode().splitlines()]
        ours = {str(session) for session in self.sessions}
        return [" ".join(rest) for sid, stat, *rest in lines if sid in ours and "Z" not in stat]


@pytest.fixture(params=["inline", "ray"])
def driver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Driver]:
    driver = Driver(tmp_path, request.param)
    yield driver
    driver.process.kill()
    driver.process.communicate()
    assert not driver.left()


def whole(driver: Driver) -> History:
    """Every epoch of every trial was done once, in its order."""
    history = load("killed", driver.folder / "runs")
    assert [run.state for run in history.trials] == [State.COMPLETE] * 3
    for run in history.trials:
        assert sorted(run.reports) == [1, 2, 3, 4, 5, 6]
        counted = [run.reports[step].metrics["done"] for step in range(1, 7)]
        assert counted == [1, 2, 3, 4, 5, 6]
        assert [run.reports[step].metrics["last"] for step in range(1, 7)] == counted
    return history


MOMENTS = random.Random(14).sample(list(permutations(range(1, 5))), 5)
"""The steps of the four strikes."""


@pytest.mark.parametrize("steps", MOMENTS[: int(os.environ.get("STRIKES", "1"))])
def test_each_strike_costs_its_trial_one_attempt(driver: Driver, steps: tuple[int, ...]) -> None:
    first, second, killed, stopped = steps
    for rank, step in ((0, min(first, second)), (1, max(first, second))):
        driver.wait_for_step(0, step)
        ranks = driver.ranks(0)
        os.kill(ranks[rank], signal.SIGKILL)
        driver.wait_for_others(0, ranks)
    for trial, step, sent, expected in ((1, killed, "KILL", -9), (2, stopped, "INT", 130)):
        driver.wait_for_step(trial, step)
        ranks = driver.ranks(trial)
        os.kill(driver.process.pid, signal.Signals[f"SIG{sent}"])
        assert driver.end()[0] == expected
        all_end(ranks)
        driver.start()
    assert driver.end() == (0, "")
    history = whole(driver)
    whys = [[a["why"] for a in run.assignments.values()] for run in history.trials]
    assert whys == [["start", "lost", "lost"], ["start", "resume"], ["start", "resume"]]
