"""The example of docs/scripts.md runs as printed, and survives what is done to it."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autotune.study.history import load
from autotune.trial import State

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "scripts.md").read_text()
STUDY = re.search(r"```yaml\n(name: script.*?)```", PAGE, re.DOTALL)
SCRIPT = re.search(r"```python\n(# train.py.*?)```", PAGE, re.DOTALL)
CALL = (sys.executable, "-c", "from autotune.cli import main; main()")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    assert STUDY and SCRIPT
    monkeypatch.chdir(tmp_path)
    study = STUDY[1].replace('"python ', f'"{sys.executable} ')
    more = "search: {name: random}\nschedule: {name: none}\nconfirm: {top: 1, seeds: 1}\n"
    (tmp_path / "script.yaml").write_text(f"{study}{more}tracking: {{name: none}}\n")
    (tmp_path / "train.py").write_text(SCRIPT[1])
    return tmp_path


def call(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*CALL, *arguments], capture_output=True, text=True)


def test_it_runs_as_printed(folder: Path) -> None:
    assert call("check", "script.yaml").stdout.startswith("OK: script")
    done = call("run", "script.yaml", "--engine", "inline", "--set", "budget.trials=4")
    assert done.returncode == 0, done.stderr
    history = load("script", folder / "runs")
    assert [len(run.reports) for run in history.trials] == [9] * 4
    assert '"epoch": 9' in call("logs", "script", "0").stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_study_of_scripts_goes_on(folder: Path, number: signal.Signals) -> None:
    slow = (folder / "train.py").read_text().replace("import json", "import json\nimport time")
    (folder / "train.py").write_text(slow.replace("    print(", "    time.sleep(0.05)\n    print("))
    arguments = ("run", "script.yaml", "--engine", "inline", "--set", "budget.trials=4")
    process = subprocess.Popen([*CALL, *arguments], stdout=subprocess.DEVNULL)
    logs = folder / "runs" / "script" / "trials"
    until = time.monotonic() + 60
    while not (logs / "1.log").exists() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    process.wait(60)
    before = load("script", folder / "runs")
    assert 1 <= sum(run.state == State.COMPLETE for run in before.trials) < 4
    assert call("resume", "script", "--engine", "inline").returncode == 0
    after = load("script", folder / "runs")
    assert [run.trial for run in after.trials] == [0, 1, 2, 3]
    assert {len(run.reports) for run in after.trials} == {9}
