"""The Ray engine keeps the contract; workers that die, several at once, and Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autotune.engine.ray import driver as engine
from autotune.errors import InvalidInput
from autotune.testing.engine import EngineContract, ScriptedStudy, assign, is_alive
from autotune.trial import Reason

pytestmark = pytest.mark.usefixtures("one_ray")


class TestRay(EngineContract):
    @pytest.fixture
    def run(self) -> Any:
        return engine.run


def test_a_killed_worker_is_lost_and_its_work_is_done_again(tmp_path: Path) -> None:
    queue = [assign(0, tmp_path, "dies", once=True), assign(1, tmp_path, "dies")]
    study = ScriptedStudy(queue, attempts=2)
    engine.run(study)
    lost = [(trial, failure.reason) for trial, failure in study.ended if failure]
    assert sorted(lost) == [(0, Reason.LOST), (1, Reason.LOST), (1, Reason.LOST)]
    assert study.failures()[0].message.startswith("its worker died")
    assert (0, None) in study.ended
    assert [step for step, _ in study.values()[0]] == [1, 2, 3]


def test_a_worker_with_forked_children_is_lost_at_once(tmp_path: Path) -> None:
    """They hold copies of its sockets, by whose end Ray notices."""
    study = ScriptedStudy([assign(0, tmp_path, "forks", dies=True)], attempts=1)
    engine.run(study)
    assert study.failures()[0].reason is Reason.LOST
    forked, *_ = map(int, (tmp_path / "0" / "processes").read_text().split())
    limit = time.monotonic() + 30
    while is_alive(forked):  # Ray ends them by itself
        assert time.monotonic() < limit
        time.sleep(0.1)


def test_what_hangs_in_c_is_ended(tmp_path: Path) -> None:
    queue = [assign(0, tmp_path, "hangs_in_c", gil=True), assign(1, tmp_path, "learns")]
    study = ScriptedStudy([replace(queue[0], silence=3.0), queue[1]])
    engine.run(study)
    assert study.failures()[0].reason is Reason.TIMEOUT and (1, None) in study.ended
    assert len(study.ended) == 2


def test_workers_are_as_many_as_fit_and_stay_warm(tmp_path: Path) -> None:
    """Two halves of a core; both live on although all of them idle for a while."""
    worker = {"cpus": 0.5, "gpus": 0, "max": 2}
    queue = [assign(n, tmp_path, "naps", 3, seconds=0.05) for n in range(12)]
    study = ScriptedStudy(queue, worker=worker, waits=30)
    engine.run(study)
    assert study.slots == study.most == 2
    assert len(set(study.workers)) == 2
    assert len(study.ended) == 12 and not study.failures()


def test_a_worker_that_fits_nowhere_is_refused() -> None:
    study = ScriptedStudy([], worker={"cpus": 10_000, "gpus": 0, "max": None})
    with pytest.raises(InvalidInput, match="`worker` asks for 10000 CPUs and 0 GPUs"):
        engine.run(study)


DRIVER = """
import signal, sys
from pathlib import Path
from autotune.engine.ray import driver as engine
from autotune.testing.engine import ScriptedStudy, assign
from dataclasses import replace
folder = Path("work")
queue = [assign(n, folder, "learns", {epochs}) for n in range(2)]
own = dict(queue[0].config, function="local:run")
queue = [replace(a, config=own) for a in queue]
study = ScriptedStudy([*queue, *{more}], attempts=1)
def tell(assignment, report):
    (folder / "reported").touch()
    return ScriptedStudy.decide(assignment, report)
study.decide = tell
try:
    engine.run(study)
except KeyboardInterrupt:
    assert study.stopped and len(study.ended) == 0, study
    Path("interrupted").touch()
    sys.exit(130)
assert len(study.ended) == 3 and list(study.failures()) == [2], study
assert "torch" not in sys.modules
"""
FUNCTION = """
import time
def run(config, trial):
    print("a line of the user's own")
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(0.01)
        trial.report(epoch, loss=1.0)
"""


@pytest.fixture
def driver(tmp_path: Path) -> Any:
    """A driver of its own, in a folder that holds the user's module; Ray's files go to `tmp`."""
    (tmp_path / "local.py").write_text(FUNCTION)
    (tmp_path / "work").mkdir()
    # Short: Ray keeps sockets there.
    home = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    environment = {**os.environ, "HOME": str(home), "TMPDIR": str(home)}

    def start(epochs: int, more: str = "[]") -> subprocess.Popen[str]:
        code = DRIVER.replace("{epochs}", str(epochs)).replace("{more}", more)
        return subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    yield start
    left = list(home.iterdir())
    shutil.rmtree(home)
    assert not left, "nothing is left behind"


def test_ray_is_not_seen(driver: Any) -> None:
    """Not even when a worker is killed."""
    process = driver(epochs=3, more='[assign(2, folder, "dies")]')
    said, _ = process.communicate(timeout=120)
    assert said == ""
    assert process.returncode == 0


def test_ctrl_c_ends_everything(driver: Any, tmp_path: Path) -> None:
    process = driver(epochs=100_000)
    while not (tmp_path / "work" / "reported").exists():
        assert process.poll() is None, process.communicate()
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to every process
    said, _ = process.communicate(timeout=60)
    assert said == ""
    assert process.returncode == 130
    assert (tmp_path / "interrupted").exists()
