"""The processes of one scratch folder, found whatever became of their parents."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Process", "end_all", "inside", "wait_until_gone"]


@dataclass(frozen=True, slots=True)
class Process:
    pid: int
    command: str

    @property
    def name(self) -> str:
        """The program's file name; Ray's workers call themselves `ray::...`."""
        return Path(self.command.split(" ")[0]).name

    def __str__(self) -> str:
        return f"{self.command[:80]} ({self.pid})"


def inside(folder: Path) -> list[Process]:
    """The living processes whose environment, command line, working folder or open files name
    `folder`. One sign is not enough: Ray's workers overwrite their environment with a title."""
    return sorted(_inside(str(folder)), key=lambda process: process.pid)


def _inside(folder: str) -> Iterator[Process]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        with suppress(OSError):  # it has just ended
            command = (entry / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode()
            if command and _names(entry, folder, command):
                yield Process(int(entry.name), command)


def _names(entry: Path, folder: str, command: str) -> bool:
    below = f"{folder}/"
    if below in command or below.encode() in (entry / "environ").read_bytes():
        return True
    links = [entry / "cwd", *(entry / "fd").iterdir()]
    return any(f"{_target(link)}/".startswith(below) for link in links)


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def wait_until_gone(folder: Path, seconds: float) -> list[Process]:
    """Those that are still there after `seconds`."""
    limit = time.monotonic() + seconds
    while (left := inside(folder)) and time.monotonic() < limit:
        time.sleep(0.2)
    return left


def end_all(folder: Path) -> None:
    while left := inside(folder):
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.05)
