"""What one process of a trial does, whatever its kind. It outlives the work; the process group of
torch.distributed does not."""

import importlib
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from autotune.engine.environment import environment, settings
from autotune.engine.worker.distributed_env import Place
from autotune.engine.worker.output import flush_streams
from autotune.engine.worker.work import work
from autotune.errors import Hanging
from autotune.trial import Assignment, Reply

__all__ = ["Answer", "Lost", "RankWork", "reserved_port"]


_TIMEOUT = "AUTOTUNE_COLLECTIVE_TIMEOUT"
"""The variable by which built-in trainings learn of it."""
_GLOO = "GLOO_SOCKET_IFNAME"


@dataclass(frozen=True, slots=True)
class Lost:
    """The process has ended."""

    how: str
    """Such as "SIGKILL"."""


Answer = Reply | Lost | None
"""The answer to a request. None: the work has ended by itself, or was closed."""


class RankWork:
    """Runs in the process of a rank. Each call returns before the next one is made."""

    def __init__(self) -> None:
        with suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the driver handles Ctrl-C
        self._replies: Iterator[Reply] = iter(())
        self._port: socket.socket | None = None
        self._around = ExitStack()

    def warm_up(self) -> None:
        """Imports torch and warms up its optimizers, outside of any time limit."""
        with suppress(Exception):  # the work itself reports it again, as a Failure
            importlib.import_module("torch.distributed")
            importlib.import_module("autotune.train.loop").warm_up()

    def reserve(self) -> int:
        """A port for rank 0, reserved as long as the work lasts."""
        self._port = self._around.enter_context(reserved_port())
        return int(self._port.getsockname()[1])

    def begin(self, assignment: Assignment, place: Place) -> None:
        seconds = f"{assignment.collective_timeout:g}"
        variables = place.environment() | {_TIMEOUT: seconds}
        if place.local_world_size == place.world_size:
            variables = _loopback() | variables
        self._around.enter_context(environment(variables))
        self._around.enter_context(_collective_timeout(assignment.collective_timeout))
        self._around.callback(_leave_process_group)
        if place.rank and assignment.log:  # one of its own, beside that of rank 0
            assignment = replace(assignment, log=f"{assignment.log}.rank-{place.rank}")
        replies = work(assignment, place=place)
        self._around.callback(replies.close)
        self._replies = replies

    def next(self) -> Reply | None:
        reply = next(self._replies, None)
        flush_streams()
        return reply

    def close(self) -> None:
        """Ends the work, or the process if the work does not end."""
        try:
            self._around.close()
        except Hanging:
            os._exit(1)
        finally:
            flush_streams()


@contextmanager
def reserved_port() -> Iterator[socket.socket]:
    """Bound but never listening: the kernel gives its port to nobody who asks for any, and torch
    can reuse the address."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("", 0))
        yield held


def _loopback() -> dict[str, str]:
    """The address for gloo, which would otherwise ask the name service for this machine."""
    if _GLOO in os.environ:
        return {}
    names = [name for _, name in socket.if_nameindex() if name in ("lo", "lo0")]
    return {_GLOO: names[0]} if names else {}


@contextmanager
def _collective_timeout(seconds: float) -> Iterator[None]:
    """Sets the default time-out of torch.distributed, which has no setting for it; 30 minutes
    otherwise."""
    module = sys.modules.get("torch.distributed.distributed_c10d", timedelta)  # has no such name
    names = ("default_pg_timeout", "default_pg_nccl_timeout")
    with settings(module, dict.fromkeys(names, timedelta(seconds=seconds))):
        yield


def _leave_process_group() -> None:
    module = sys.modules.get("torch.distributed")
    with suppress(Exception):  # its peers are gone
        if module and module.is_available() and module.is_initialized():
            module.destroy_process_group()
