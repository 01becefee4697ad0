"""The kinds of fault: what is struck, by what, and with what the struck command may end."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.faults import processes
from tests.faults.scene import Engine, Running, Scene
from tests.faults.servers import MlflowServer, Postgres, Server

__all__ = ["KINDS", "Kind", "Strike"]

Strike = Callable[[Scene, Running, Random], bool]
"""Strikes now; False where there is nothing to strike any more."""


@dataclass(frozen=True, slots=True)
class Kind:
    count: int
    """Of the whole campaign."""
    strike: Strike | None
    """None: the server is killed, and started again some seconds later."""
    codes: Sequence[int]
    """Exit codes of the struck command, those of a shell: 128 + n for signal n."""
    engines: Sequence[Engine]
    again: float = 0.0
    """How often in one the resumed command is struck as well."""
    server: Callable[[Path], Server] | None = None
    says_how: bool = False
    """The struck command must say how to go on."""


def driver(scene: Scene, running: Running, random: Random) -> bool:
    return _send(running.process.pid, signal.SIGKILL)


def program(named: str) -> Strike:
    """SIGKILL to one of the processes whose name begins so, as soon as there is one."""

    def strike(scene: Scene, running: Running, random: Random) -> bool:
        while not running.over and not running.hung:
            found = [p for p in processes.inside(scene.folder) if p.name.startswith(named)]
            if found:
                return _send(random.choice(found).pid, signal.SIGKILL)
            time.sleep(0.02)
        return False

    return strike


def stop(number: signal.Signals) -> Strike:
    """To the process (kill) or to its whole group (a terminal, systemd)."""

    def strike(scene: Scene, running: Running, random: Random) -> bool:
        send = random.choice([os.kill, os.killpg])
        with suppress(ProcessLookupError):
            send(running.process.pid, number)
            return True
        return False

    return strike


def _send(pid: int, number: signal.Signals) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


_BOTH: Sequence[Engine] = ("inline", "ray")
KINDS = {
    "driver-inline": Kind(150, driver, [128 + 9], ["inline"], again=0.25),
    "driver-ray": Kind(50, driver, [128 + 9], ["ray"]),
    "worker": Kind(50, program("ray::_Worker"), [0], ["ray"]),
    "raylet": Kind(10, program("raylet"), [0, 1], ["ray"]),
    "gcs": Kind(10, program("gcs_server"), [0, 1], ["ray"]),
    "postgresql": Kind(10, None, [0, 1], ["inline"], server=Postgres),
    "mlflow-server": Kind(10, None, [0], ["inline"], server=MlflowServer),
    "sigterm": Kind(10, stop(signal.SIGTERM), [128 + 15], _BOTH, says_how=True),
    "sighup": Kind(10, stop(signal.SIGHUP), [128 + 1], _BOTH, says_how=True),
    "sigint": Kind(10, stop(signal.SIGINT), [128 + 2], _BOTH, says_how=True),
}
