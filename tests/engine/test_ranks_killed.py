"""kill -9 of a rank and of the driver, and Ctrl-C, while a trial of two processes trains data
parallel: nothing is lost, nothing is done twice, no process is left.

STRIKES=5 strikes as many times each, at other moments.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
budget: {trials: 2}
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

    def ranks(self, trial: int) -> list[int]:
        folder = self.folder / f"runs/killed/trials/{trial}"
        return [int((folder / f"pid-{rank}").read_text()) for rank in range(2)]

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
    assert [run.state for run in history.trials] == [State.COMPLETE] * 2
    for run in history.trials:
        assert sorted(run.reports) == [1, 2, 3, 4, 5, 6]
        counted = [run.reports[step].metrics["done"] for step in range(1, 7)]
        assert counted == [1, 2, 3, 4, 5, 6]
        assert [run.reports[step].metrics["last"] for step in range(1, 7)] == counted
    return history


MOMENTS = random.Random(14).sample([(t, s) for t in range(2) for s in range(1, 6)], 5)
STRIKES = MOMENTS[: int(os.environ.get("STRIKES", "1"))]


@pytest.mark.parametrize(("trial", "step"), STRIKES)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_rank_costs_one_attempt(driver: Driver, rank: int, trial: int, step: int) -> None:
    driver.wait_for_step(trial, step)
    os.kill(driver.ranks(trial)[rank], signal.SIGKILL)
    assert driver.end() == (0, "")
    history = whole(driver)
    whys = [record["why"] for record in history.trials[trial].assignments.values()]
    assert whys == ["start", "lost"]


@pytest.mark.parametrize(("trial", "step"), STRIKES)
@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_or_stopped_driver(
    driver: Driver, sent: signal.Signals, trial: int, step: int
) -> None:
    driver.wait_for_step(trial, step)
    ranks = driver.ranks(trial)
    os.kill(driver.process.pid, sent)
    code, err = driver.end()
    assert code == (-9 if sent == signal.SIGKILL else 130)
    all_end(ranks)
    driver.start()
    assert driver.end() == (0, "")
    whys = [record["why"] for record in whole(driver).trials[trial].assignments.values()]
    assert whys == ["start", "resume"]
