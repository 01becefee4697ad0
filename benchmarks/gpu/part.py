"""A part of the check: run in a process of its own, with a time limit, its figures kept as they
come."""

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Figure", "Part", "Skipped", "Tell", "Wrong", "run"]

Figure = dict[str, Any]
Tell = Callable[[Figure], None]


class Wrong(Exception):
    """What was measured is not what must hold."""


class Skipped(Exception):
    """The part cannot be run here."""


@dataclass(frozen=True)
class Part:
    name: str
    limit: float
    """Seconds, compiling included."""
    work: Callable[[bool, Tell], None]
    """work(dry, tell): `dry` is small and on the CPU. Raises Wrong."""


def run(part: Part, dry: bool, limit: float, tell: Tell) -> str:
    """How it ended: `ok`, or what was wrong. All its processes have ended then.

    Where the process is forked, nothing in this one may touch CUDA.
    """
    figures, send = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=_work, args=(part, dry, send))
    until = time.monotonic() + limit
    process.start()
    send.close()
    try:
        return _listen(figures, process.sentinel, until, tell) or f"over its limit of {limit:.0f} s"
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid or 0, signal.SIGKILL)
        process.kill()
        process.join()
        figures.close()


def _listen(figures: Connection, sentinel: int, until: float, tell: Tell) -> str | None:
    """The part's own last word; None at the time limit."""
    while (left := until - time.monotonic()) > 0:
        ready = wait([figures, sentinel], left)
        if figures in ready:
            try:
                said = figures.recv()
            except EOFError:
                return "its process died"
            if isinstance(said, str):
                return said
            tell(said)
        elif sentinel in ready:
            return "its process died"
    return None


def _work(part: Part, dry: bool, send: Connection) -> None:
    os.setsid()
    try:
        part.work(dry, send.send)
    except Skipped as reason:
        send.send(f"skipped: {reason}")
    except Wrong as wrong:
        send.send(f"wrong: {wrong}")
    except BaseException as error:
        traceback.print_exc(file=sys.stderr)
        said = str(error).strip().splitlines() or [""]
        send.send(f"failed: {type(error).__name__}: {said[0]}")
    else:
        send.send("ok")
