"""Ray's own processes are killed: it is noticed, a Ray of our own is begun again once, and the
study has every trial once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from autotune.study.history import History, load
from autotune.trial import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FUNCTION = """
import time

def run(config, trial):
    for epoch in range(trial.step + 1, 4):
        time.sleep(config["nap"])
        trial.report(epoch, acc=config["x"] * (1 - 0.5 ** epoch))
"""
STUDY = """
name: struck
objective: {{metric: acc, goal: maximize}}
trial: {{function: "mine_struck:run", epochs: 3, nap: {nap}}}
space:
  - x: {{type: float, low: 0, high: 1}}
search: {{name: random}}
schedule: {{name: none}}
budget: {{trials: {trials}}}
confirm: {{top: 1, seeds: 2}}
tracking: {{uri: none}}
"""
COMMAND = (sys.executable, "-c", "from autotune.cli import main; main()")


@dataclass
class Driver:
    """A study on Ray in a process of its own."""

    folder: Path
    process: "subprocess.Popen[str]"

    def journal(self) -> str:
        path = self.folder / "runs/struck/journal.log"
        return path.read_text() if path.exists() else ""

    def wait_for(self, text: str) -> None:
        self.wait_until(lambda: text in self.journal(), text)

    def wait_until(self, holds: Callable[[], bool], what: str) -> None:
        limit = time.monotonic() + 240
        while not holds():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < limit, f"never: {what}"
            time.sleep(0.05)

    def strike(self, name: str, how: signal.Signals = signal.SIGKILL) -> None:
        found = subprocess.run(
            ["pgrep", "-x", "-P", str(self.process.pid), name], capture_output=True, text=True
        )
        (pid,) = found.stdout.split()
        os.kill(int(pid), how)

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=300)
        return self.process.returncode, out, err

    def history(self) -> History:
        return load("struck", self.folder / "runs")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Driver]]:
    drivers: list[Driver] = []

    def start(*options: str, nap: float = 0.1, trials: int = 8, command: str = "run") -> Driver:
        (tmp_path / "mine_struck.py").write_text(FUNCTION)
        study = tmp_path / "struck.yaml"
        study.write_text(STUDY.format(nap=nap, trials=trials))
        process = subprocess.Popen(
            [*COMMAND, command, str(study) if command == "run" else "struck", *options],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        drivers.append(Driver(tmp_path, process))
        return drivers[-1]

    yield start
    for driver in drivers:
        if driver.process.poll() is None:
            driver.process.kill()
            driver.process.communicate()
        left = processes_of(driver.process.pid)
        assert not left, f"left behind: {left}"


def processes_of(session: int) -> list[str]:
    listed = subprocess.run(["ps", "-eo", "sid=,stat=,comm="], capture_output=True, text=True)
    found = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    return [name for sid, state, name in found if sid == str(session) and "Z" not in state]


def whole(history: History, trials: int = 8) -> None:
    assert [run.trial for run in history.trials] == list(range(trials))
    assert {run.state for run in history.trials} == {State.COMPLETE}
    assert all(sorted(run.reports) == [1, 2, 3] for run in history.trials)
    whys = {a["why"] for run in history.trials for a in run.assignments.values()}
    assert whys <= {"start", "resume"}, "a Ray that died costs no trial an attempt"
    assert len(history.confirms) == 2


@pytest.mark.parametrize(("victim", "when"), [("raylet", "search"), ("gcs_server", "retraining")])
def test_a_ray_of_our_own_is_begun_again(start: Callable, victim: str, when: str) -> None:
    driver = start(nap=0.5 if when == "retraining" else 0.1)
    driver.wait_for("report/1" if when == "search" else "confirm-0")
    driver.strike(victim)
    code, out, err = driver.end()
    assert (code, err) == (0, "")
    assert out.count("starting Ray ...") == 2
    assert f"Ray's {victim} died (SIGKILL); the study goes on with a new Ray\n" in out
    whole(driver.history())


def test_a_ray_that_dies_while_a_trial_is_long_is_noticed_at_once(start: Callable) -> None:
    driver = start(nap=8, trials=2)
    driver.wait_for("assignment/1")
    time.sleep(1)
    struck = time.monotonic()
    driver.strike("raylet", signal.SIGTERM)
    assert driver.process.stdout
    lines = iter(driver.process.stdout.readline, "")
    assert any("the study goes on with a new Ray" in line for line in lines)
    assert time.monotonic() - struck < 10
    driver.process.kill()


def test_a_second_death_ends_the_run_with_one_line(start: Callable) -> None:
    driver = start()
    driver.wait_for("report/1")
    driver.strike("raylet")
    driver.wait_for('"resume"')
    driver.strike("gcs_server")
    code, _, err = driver.end()
    assert code == 1
    line = "stopped: Ray's gcs_server died (SIGKILL); once fixed, go on with: autotune resume"
    assert err == f"{line} struck\n"
    assert start(command="resume").end()[0] == 0
    whole(driver.history())


def test_a_driver_killed_while_ray_starts_leaves_no_process(start: Callable) -> None:
    driver = start()
    driver.wait_until(lambda: "RuntimeEnvAgent" in names(driver), "Ray's agents begin")
    driver.process.kill()
    driver.process.communicate()
    limit = time.monotonic() + 25
    while names(driver) and time.monotonic() < limit:
        time.sleep(0.1)
    assert names(driver) == ""


def names(driver: Driver) -> str:
    listed = subprocess.run(["ps", "-ewwo", "sid=,stat=,args="], capture_output=True, text=True)
    found = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    sessions = [(sid, *rest) for sid, state, *rest in found if "Z" not in state]
    return "\n".join(" ".join(rest) for sid, *rest in sessions if sid == str(driver.process.pid))


def test_a_gcs_that_dies_while_ray_starts_costs_half_a_minute(start: Callable) -> None:
    driver = start(trials=2)
    driver.wait_until(lambda: "/raylet/raylet" in names(driver), "the raylet begins")
    driver.strike("gcs_server")
    code, out, err = driver.end()
    assert (code, err) == (0, "")
    assert "Ray's gcs_server died (SIGKILL); the study goes on with a new Ray\n" in out
    whole(driver.history(), 2)
