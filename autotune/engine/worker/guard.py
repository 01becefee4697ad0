"""Starts a command and sees that nothing of it stays: run as a program, with the standard library
alone.

    python guard.py GRACE STATUS PROGRAM [ARGUMENT ...]

It leads a session of its own, and the command a process group in it. It ends what runs in the
session when the command has ended, and when its standard input closes: whoever holds the other end
wants the command stopped, or is dead, by kill -9 too. First comes SIGTERM to the command's group,
then, GRACE seconds later, SIGKILL to all of the session. What has left the session is let alone.
How the command ended is written to the file descriptor STATUS as one line of JSON.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

__all__ = ["main"]

_LOOK = 0.02
_SET_CHILD_SUBREAPER = 36


def main() -> None:
    grace, status, command = float(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(Exception):  # orphans become our children, and are reaped
        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0)
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, process_group=0, preexec_fn=_as_usual
        )
    except OSError as error:
        _answer(status, {"error": f"{command[0]}: {error.strerror or error}"})
        return
    stopped = _wait(process)
    if stopped:
        _stop(process, grace)
    code = process.wait()
    _end_session()
    _answer(status, {"code": code, "stopped": stopped})


def _as_usual() -> None:
    """Python passes ignored signals on to its children."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def _wait(process: "subprocess.Popen[bytes]") -> bool:
    """Waits until the command has ended; True if it must be stopped before."""
    handles: list[Any] = [0]
    with contextlib.suppress(OSError, AttributeError):  # an old kernel: then it is looked for
        handles.append(os.pidfd_open(process.pid))
    while process.poll() is None:
        ready, _, _ = select.select(handles, [], [], _LOOK if len(handles) == 1 else None)
        if 0 in ready and not os.read(0, 4096):
            return True
    return False


def _stop(process: "subprocess.Popen[bytes]", grace: float) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGTERM)
    until = time.monotonic() + grace
    while process.poll() is None and time.monotonic() < until:
        time.sleep(_LOOK)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _end_session() -> None:
    until = time.monotonic() + 5.0
    while (left := _others()) and time.monotonic() < until:
        for pid in left:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(_LOOK / 4)


def _others() -> list[int]:
    """All processes of the session except this one and ended ones."""
    found, own = [], os.getpid()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            pid = int(stat.parent.name)
            if int(fields[3]) == own and pid != own and fields[0] != "Z":
                found.append(pid)
    return found


def _answer(status: int, said: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        os.write(status, (json.dumps(said) + "\n").encode())


if __name__ == "__main__":
    main()
