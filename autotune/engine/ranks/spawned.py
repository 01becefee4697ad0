"""The processes of a trial on this machine, spawned here; they end with their parent, however it
ends."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from socket import AF_UNIX, SOCK_STREAM, socketpair
from typing import Any, Literal, Self

from autotune.engine.gpus import gpus
from autotune.engine.ranks.rank import Answer, Lost, RankWork
from autotune.engine.worker.distributed_env import places
from autotune.errors import UserError
from autotune.train.function import passed
from autotune.trial import Assignment, Share

__all__ = ["SpawnedRanks"]

_COMMAND = (sys.executable, "-P", "-c", "from autotune.engine.ranks.spawned import main; main()")
_VISIBLE = "CUDA_VISIBLE_DEVICES"
_SET_PARENT_DEATH_SIGNAL = 1
"""Of prctl(2)."""


class SpawnedRanks:
    """Ends them on leaving."""

    def __init__(self) -> None:
        self._processes: list[_Spawned] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def begin(self, assignment: Assignment) -> None:
        size, function = assignment.share.processes, assignment.config.get("function")
        if passed(function):
            raise UserError(
                f"function {function} is known in this process alone, but `worker.processes` is"
                f' {size}: run it with engine="ray", or write it into a module of its own'
            )
        if not all(process.is_alive() for process in self._processes):
            self.end()
        missing = range(len(self._processes), size)
        self._processes += [_Spawned(rank) for rank in missing]
        working = self._processes[:size]
        try:
            for process in working[missing.start :]:
                process.call("warm_up")
            for process in working[missing.start :]:
                process.result()
            port = working[0].now("reserve")
            there = [
                replace(place, variables=_devices(assignment.share, place.rank))
                for place in places(["here"] * size, "127.0.0.1", port)
            ]
            for process, place in zip(working, there, strict=True):
                process.call("begin", assignment, place)
            for process in working:
                process.result()
        except EOFError:
            raise OSError("it has ended") from None

    def ask(self, rank: int, what: Literal["next", "close"]) -> None:
        self._processes[rank].call(what)

    def answers(self, timeout: float) -> Iterator[tuple[int, Answer]]:
        ready = wait([p.connection for p in self._processes if p.asked], timeout)
        for rank, process in enumerate(self._processes):
            if process.connection in ready:
                try:
                    yield rank, process.result()
                except (EOFError, ConnectionError):
                    yield rank, Lost(process.died())

    def end(self) -> None:
        for process in self._processes:
            process.end()
        self._processes = []


def _devices(share: Share, rank: int) -> tuple[tuple[str, str], ...]:
    """Tells the process its GPUs. With a whole one each, LOCAL_RANK does."""
    if share.gpus in (0, 1):
        return ()
    there = os.environ.get(_VISIBLE, ",".join(map(str, range(gpus())))).split(",")
    first = int(rank * share.gpus + 1e-6)
    return ((_VISIBLE, ",".join(there[first : first + max(1, int(share.gpus))])),)


class _Spawned:
    """One process, as seen from the leader."""

    def __init__(self, rank: int) -> None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        output = None if rank == 0 else subprocess.DEVNULL  # one speaks for all
        with theirs:
            self._process = subprocess.Popen(
                [*_COMMAND, str(theirs.fileno()), str(os.getpid())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                process_group=0,  # ended with everything that it has started
            )
        self.connection: Connection[Any, Any] = Connection(ours.detach())
        self.connection.send([os.path.abspath(entry) for entry in sys.path])
        self.asked = False
        """Whether it owes an answer."""

    def call(self, what: str, *about: object) -> None:
        self.asked = True
        with suppress(ConnectionError):  # `result` reports it
            self.connection.send((what, about))

    def result(self) -> Any:
        """Waits for it. Raises EOFError or ConnectionError if the process has ended."""
        self.asked = False
        return self.connection.recv()

    def now(self, what: str) -> Any:
        self.call(what)
        return self.result()

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def end(self) -> None:
        """Kills it with everything that it has started."""
        if not self.connection.closed:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self.connection.close()
        self._process.wait()

    def died(self) -> str:
        """How it ended after it hung up."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self.end()
        code = self._process.returncode
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def main() -> None:
    """The process of a rank: answers calls until the leader has gone."""
    descriptor, parent = map(int, sys.argv[1:])
    _die_with(parent)
    connection: Connection[Any, Any] = Connection(descriptor)
    sys.path[:] = connection.recv()
    rank = RankWork()
    with suppress(EOFError, ConnectionError):
        while True:
            what, about = connection.recv()
            connection.send(getattr(rank, what)(*about))
    os._exit(0)  # whatever threads the user's modules have started


def _die_with(parent: int) -> None:
    if prctl := getattr(ctypes.CDLL(None), "prctl", None):
        prctl(_SET_PARENT_DEATH_SIGNAL, ctypes.c_ulong(signal.SIGKILL), *(ctypes.c_ulong(0),) * 3)
    if os.getppid() != parent:
        os._exit(1)  # it has ended meanwhile
