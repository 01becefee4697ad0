"""Processes that work in a scratch folder end with it, whatever they are doing."""

import subprocess
import sys
from pathlib import Path

from autotune.engine.scratch import end_processes, scratch_folder

BUSY = """
import os, sys
kept = open(sys.argv[1], "w")
others = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
print("begun", flush=True)
while True:
    for one in others:
        os.close(one)
    others = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
"""


def busy(file: Path) -> "subprocess.Popen[str]":
    """A process that has `file` open, and opens and closes others all the time."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, str(file)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "begun\n"
    return process


def test_a_process_that_opens_and_closes_files_is_found(tmp_path: Path) -> None:
    for n in range(3):
        process = busy(tmp_path / f"{n}.log")
        end_processes(tmp_path)
        ended = process.poll() is not None
        process.kill()
        process.communicate()
        assert ended


def test_the_folder_goes_with_its_processes() -> None:
    with scratch_folder() as folder:
        process = busy(folder / "a.log")
    assert process.wait(10) == -9 and not folder.parent.exists()
    process.communicate()
