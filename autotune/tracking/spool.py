"""Events on disk: JSON lines that wait until the store can be reached again."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from autotune.files import write_atomically
from autotune.tracking.base import (
    Event,
    RunFinished,
    RunReported,
    RunStarted,
    SamplerSwitched,
)
from autotune.trial import Purpose, Reason, Report, State

__all__ = ["Spool", "from_line", "to_line"]

_FORMER = {"HandedOver": SamplerSwitched}
"""What kinds of events were called in spools that an older version may have left."""
_KINDS: dict[str, type[Event]] = {kind.__name__: kind for kind in get_args(Event)} | _FORMER


def to_line(event: Event) -> str:
    """One line of JSON, which `from_line` turns into an equal event."""
    return json.dumps({"event": type(event).__name__, **asdict(event)})


def from_line(line: str) -> Event:
    """Raises ValueError, KeyError or TypeError for a line that `to_line` did not write whole."""
    fields: dict[str, Any] = json.loads(line)
    kind = _KINDS[fields.pop("event")]
    if kind is RunStarted:
        fields["purpose"] = Purpose(fields["purpose"])
    elif kind is RunReported:
        fields["report"] = Report(**fields["report"])
    elif kind is RunFinished:
        reason = fields["reason"]
        fields |= {"state": State(fields["state"]), "reason": reason and Reason(reason)}
    return kind(**fields)


class Spool:
    """A file of events. A line torn by a crash is dropped; a full disk raises OSError."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> list[Event]:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []
        return [event for line in lines if (event := _whole(line)) is not None]

    def replace(self, events: Iterable[Event]) -> None:
        """On disk when it returns; a crash leaves the old file or the new one."""
        write_atomically(self.path, "".join(f"{to_line(event)}\n" for event in events))

    def append(self, events: Iterable[Event]) -> None:
        """On disk when it returns. The leading newline keeps a torn line from swallowing ours."""
        text = "".join(f"\n{to_line(event)}" for event in events)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


def _whole(line: str) -> Event | None:
    try:
        return from_line(line) if line else None
    except (ValueError, KeyError, TypeError):
        return None
