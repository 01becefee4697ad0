"""What is known of a study before it starts: where each mistake stands, and what may go wrong with
the process that looks."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autotune import spec as specs
from autotune.app import preflight
from autotune.engine.gpus import gpus
from autotune.errors import InvalidInput


@pytest.fixture(autouse=True)
def no_ray_of_the_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other tests of this session may have begun one."""
    ray = type("Ray", (), {"is_initialized": staticmethod(lambda: False)})
    monkeypatch.setitem(sys.modules, "ray", ray)


STUDY = """\
name: tiny
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: arrays, path: train.npz}
  model: {name: custom, build: "fly_nets:build"}
  epochs: 9
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 1e-1, log: true}
    model.args.width: {type: int, low: 4, high: 40}
search: {name: random}
budget: {trials: 20}
worker: {cpus: 1, gpus: 0}
"""
FUNCTION = """\
name: tiny
objective: {metric: loss, goal: minimize}
trial:
  function: "fly_nets:run"
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
budget: {trials: 20}
"""
NETS = """
from torch import nn

print("hello")


def build(shape, outputs, width):
    return nn.Sequential(nn.Linear(shape[0], width), nn.Linear(width, outputs))


def narrow(shape, outputs, width):
    assert width < 20, "too wide"
    return build(shape, outputs, width)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    np.savez(tmp_path / "train.npz", x=np.eye(40, 6), y=np.arange(40) % 2)
    (tmp_path / "fly_nets.py").write_text(NETS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def look(text: str = STUDY, **options: object) -> list[str]:
    Path("study.yaml").write_text(text)
    return preflight.preflight(specs.load("study.yaml"), **options)


def refused(text: str = STUDY, **options: object) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        look(text, **options)
    return str(caught.value).splitlines()


def test_a_study_that_is_well_leaves_nothing_behind(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert look() == []
    assert {path.name for path in folder.iterdir()} == {"fly_nets.py", "study.yaml", "train.npz"}
    assert capfd.readouterr() == ("", "")


def test_all_mistakes_come_at_once_with_their_lines(folder: Path) -> None:
    text = STUDY.replace("train.npz", "trian.npz").replace(":build", ":biuld")
    text = text.replace("gpus: 0", f"gpus: {gpus() + 1}").replace("cpus: 1", "cpus: 9000")
    said = refused(text)
    assert [line.split(":")[1] for line in said] == ["4", "5", "12", "12"]
    assert "did you mean 'train.npz'?" in said[0] and "did you mean 'build'?" in said[1]


def test_what_fails_for_a_searched_value_stands_where_it_is_searched(folder: Path) -> None:
    (said,) = refused(STUDY.replace(":build", ":narrow"))
    assert said.startswith("study.yaml:9: `trial.model.build`: fly_nets:narrow raised Assertion")
    assert said.endswith("with model.args.width 40")


def test_what_this_machine_lacks_is_a_note_for_a_cluster(folder: Path) -> None:
    text = STUDY.replace("train.npz", "trian.npz").replace("gpus: 0", "gpus: 900")
    (said,) = look(text, address="head:6379")
    assert said.startswith("on this machine (the cluster's may differ): study.yaml:4: ")


def test_a_ray_of_the_callers_own_says_what_there_is(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = FUNCTION.replace("fly_nets:run", "math:dist") + "worker: {cpus: 1, gpus: 900}\n"
    ray = type("Ray", (), {"is_initialized": staticmethod(lambda: True)})
    monkeypatch.setitem(sys.modules, "ray", ray)
    assert look(text) == []
    assert "worker.gpus" in refused(text, engine="inline")[0]  # which Ray does not run


def test_without_ray_cores_are_only_threads(folder: Path) -> None:
    text = FUNCTION.replace("fly_nets:run", "math:dist") + "worker: {cpus: 900}\n"
    assert look(text, engine="inline") == []
    assert "`worker.cpus` must fit on this machine" in refused(text)[0]


def test_all_processes_of_a_trial_must_fit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = FUNCTION.replace("fly_nets:run", "math:dist")
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr("autotune.app.preflight.gpus", lambda: 2)
    assert look(base + "worker: {processes: 4}\n") == []
    (cores,) = refused(base + "worker: {processes: 3, cpus: 2}\n")
    assert "`worker.processes`: 3 processes with 2 CPU each must fit on this machine" in cores
    assert "which has 4 CPUs: ask for at most 2, or join a cluster" in cores
    assert look(base + "worker: {cpus: 0.1, gpus: 0.6, processes: 2}\n") == []
    (halves,) = refused(base + "worker: {cpus: 0.1, gpus: 0.6, processes: 3}\n")
    assert "which has 2 GPUs: ask for at most 2" in halves


@pytest.mark.parametrize(
    ("visible", "count"), [("", 0), ("-1", 0), ("NoDevFiles", 0), ("0,-1,1", 1)]
)
def test_devices_that_the_environment_hides_do_not_count(
    monkeypatch: pytest.MonkeyPatch, visible: str, count: int
) -> None:
    monkeypatch.setattr("autotune.engine.gpus._nvidia", lambda: 4)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert gpus() == 4
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus() == count


def test_the_digits_and_our_own_networks_need_no_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(*_: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(preflight, "_process", none)
    for name in ("quickstart", "pareto"):
        assert preflight.preflight(specs.load(specs.find(name))) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import os; os._exit(3)", "study.yaml:4: the process ended with exit code 3 while import"),
        ("import os; os.abort()", "study.yaml:4: the process ended by signal 6 (Aborted) while"),
        ("import sys; sys.exit(0)", "study.yaml:4: `trial.function`: importing 'fly_nets' raised"),
    ],
)
def test_code_that_ends_the_process_is_named(folder: Path, code: str, words: str) -> None:
    Path("fly_nets.py").write_text(f"{code}\n")
    (said,) = refused(FUNCTION)
    assert said.startswith(words)


def test_a_process_that_the_kernel_kills_is_a_note(folder: Path) -> None:
    """Too little memory is a trial's outcome, and no mistake in the study."""
    Path("fly_nets.py").write_text("import os; os.kill(os.getpid(), 9)\n")
    (said,) = look(FUNCTION)
    assert said == "study.yaml:4: the process ended by signal 9 (Killed) while importing fly_nets"


@pytest.mark.slow  # 15 s: the limit, within which a busy machine must have begun
def test_code_that_hangs_is_ended_and_noted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the processes it has started. The real limit is 60 seconds."""
    Path("fly_nets.py").write_text(
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '300'])\n"
        "open('pid', 'w').write(str(child.pid))\n"
        "time.sleep(300)\n"
    )
    monkeypatch.setattr(preflight, "_LIMIT", 15.0)
    waited: list[str] = []
    (said,) = look(FUNCTION, waiting=waited.append)
    assert said.startswith("study.yaml:4: importing fly_nets is not done after 15 seconds")
    assert waited[-1] == "importing fly_nets"
    _until(lambda: not _runs(int(Path("pid").read_text())))


def test_it_ends_with_the_command_that_waits(folder: Path) -> None:
    """Also where that is killed and can do nothing about it."""
    Path("study.yaml").write_text(FUNCTION)
    Path("fly_nets.py").write_text(
        "import os, time\nopen('pid', 'w').write(str(os.getpid()))\ntime.sleep(300)\n"
    )
    command = "from autotune.cli import main; main()"
    waits = subprocess.Popen([sys.executable, "-c", command, "check", "study.yaml"])
    _until(lambda: Path("pid").exists() and Path("pid").read_text() != "")
    waits.kill()
    waits.wait()
    _until(lambda: not _runs(int(Path("pid").read_text())))


def _until(holds: Callable[[], bool]) -> None:
    last = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_the_users_code_finds_what_the_callers_path_names(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "lib").mkdir()
    (folder / "lib" / "fly_there.py").write_text("def run(config, trial): pass\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder / "lib")])
    assert look(FUNCTION.replace("fly_nets", "fly_there")) == []


def test_a_folder_of_the_users_does_not_hide_the_standard_library(folder: Path) -> None:
    Path("json.py").write_text("raise RuntimeError('not this one')\n")
    Path("fly_nets.py").write_text("def run(config, trial): pass\n")
    assert look(FUNCTION) == []


def test_code_that_changes_the_folder_moves_nothing(folder: Path) -> None:
    Path("fly_nets.py").write_text(f"import os\nos.chdir('/')\n{NETS}")
    assert look() == [] and os.getcwd() == str(folder)
