"""The folder of an export, whatever ends the process that writes it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from autotune.export import target as module
from autotune.export.target import whole_folder

WRITER = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, whoever starts this
from autotune.export.target import whole_folder
with whole_folder(Path(sys.argv[1])) as made:
    (made / "best.yaml").write_text("half")
    print("writing", flush=True)
    time.sleep(60)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("before", [False, True], ids=["new", "replaced"])
def test_an_export_that_is_killed_leaves_what_was_there(
    tmp_path: Path, number: signal.Signals, before: bool
) -> None:
    target = tmp_path / "best"
    if before:
        target.mkdir()
        (target / "best.yaml").write_text("old")
    command = [sys.executable, "-c", WRITER, str(target)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdout and process.stdout.readline() == b"writing\n"
    process.send_signal(number)
    process.communicate(timeout=60)
    left = [name for name in names(tmp_path) if name != "best"]
    assert len(left) == (number == signal.SIGKILL)
    assert target.exists() == before
    if before:
        assert (target / "best.yaml").read_text() == "old"

    with whole_folder(target) as made:  # the same command again
        (made / "best.yaml").write_text("whole")
    assert names(tmp_path) == ["best"] and (target / "best.yaml").read_text() == "whole"


@pytest.mark.parametrize("system", ["exchanges", "does not"])
def test_two_exports_at_once_leave_each_other_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "does not":
        monkeypatch.setattr(module, "_exchanged", lambda one, other: False)
    target = tmp_path / "best"
    with whole_folder(target) as slow:
        (slow / "a").write_text("slow")
        with whole_folder(target) as quick:
            (quick / "a").write_text("quick")
        assert (target / "a").read_text() == "quick" and (slow / "a").exists()
    assert (target / "a").read_text() == "slow" and names(tmp_path) == ["best"]
