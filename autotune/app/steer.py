"""Both ends of a command to a running study: who sends it, and the thread that takes it."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from autotune.errors import UserError
from autotune.machine_faults import as_machine_faults
from autotune.study.history import History, load, option
from autotune.study.steering import inbox
from autotune.study.steering.answer import answer
from autotune.study.steering.commands import AnyCommand, GoOn, Pause, Stop

if TYPE_CHECKING:
    from autotune.study.state_machine import Study

__all__ = ["Reply", "lift", "obeying", "send"]

_TURN = 0.5
"""Seconds between two looks into the inbox."""
_PATIENCE = 10.0
"""Seconds that an answer is waited for."""


@dataclass(frozen=True, slots=True)
class Reply:
    text: str
    """One line."""
    accepted: bool | None
    """None: nobody has answered yet; the command is kept."""
    trials: tuple[int, ...] = ()
    """Those that it begins."""


def send(name: str, runs: Path, command: AnyCommand) -> Reply:
    """Sends `command` to the study and waits for the answer of the process that drives it.

    Raises StudyNotFound, and UserError for what the study would refuse.
    """
    history = load(name, runs)
    answer(command, history)
    again = f"autotune resume {name}{option(runs)}"
    if not history.driven:
        if isinstance(command, Pause) or command == Stop():
            raise UserError(f"nobody runs study {name!r}: there is nothing to {command.command}")
        inbox.send(history.folder, command)
        return Reply(f"kept: nobody runs study {name!r}; it is obeyed at the next {again}", None)
    id = inbox.send(history.folder, command)
    if not _taken(history, id):
        who = f"the process that runs it has not answered in {_PATIENCE:.0f} s"
        return Reply(f"kept: {who}; it, or the next {again}, obeys", None)
    record = load(name, runs).commands[id]
    starts = range(record["first"], record["first"] + len(record["starts"]))
    if not record["accepted"]:
        raise UserError(record["answer"])
    return Reply(record["answer"], True, tuple(starts))


def lift(name: str, runs: Path, retry_failed: bool = False) -> Reply | None:
    """Ends a pause of the study, and has its failed trials run again; the answer of the process
    that drives it. None: the caller is to drive it; what was asked for waits in its inbox.

    Raises UserError where no trial has failed, and what `send` does.
    """
    history = load(name, runs)
    if not (retry_failed or history.paused or _holds_pause(history)):
        return None
    reply = send(name, runs, GoOn(retry_failed=retry_failed))
    return reply if history.driven else None


def _holds_pause(history: History) -> bool:
    """A command that waits for the next driver would pause it."""
    return any('"pause"' in text for _, text in inbox.waiting(history.folder))


def _taken(history: History, id: str) -> bool:
    path, limit = inbox.path_of(history.folder, id), time.monotonic() + _PATIENCE
    while path.exists():
        if time.monotonic() > limit:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def obeying(study: "Study") -> Iterator[None]:
    """While entered, what comes into the study's inbox is journaled and answered within a second,
    however long a step of a trial takes."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_TURN):
            try:
                with as_machine_faults():
                    study.receive()
            except Exception as error:  # the study stops for it, as for one in the main thread
                study.abort(error)
                return

    thread = threading.Thread(target=watch, name="inbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(_PATIENCE)
