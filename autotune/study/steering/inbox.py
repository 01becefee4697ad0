"""The inbox in a study's folder: one file a command, there until its driver has journaled it."""

import json
import os
import time
import uuid
from pathlib import Path

from autotune.files import flush_to_disk, write_atomically
from autotune.study.steering.commands import AnyCommand, dump

__all__ = ["path_of", "send", "waiting"]

_LONGEST = 100_000
"""Characters of a command that are read."""


def send(folder: Path, command: AnyCommand) -> str:
    """Lays `command` into the inbox of the study in `folder`, whole; its id. Ids sort by time."""
    id = f"{time.time_ns():020d}-{uuid.uuid4().hex[:8]}"
    path = path_of(folder, id)
    write_atomically(path, json.dumps(dump(command)))
    flush_to_disk(path.parent)
    return id


def waiting(folder: Path) -> list[tuple[str, str]]:
    """(id, text) of the commands that nobody has taken yet, the oldest first."""
    try:
        names = sorted(name for name in os.listdir(folder / "inbox") if name.endswith(".json"))
    except FileNotFoundError:
        return []
    ids = [name.removesuffix(".json") for name in names if not name.startswith(".")]
    return [(id, path_of(folder, id).read_text(errors="replace")[:_LONGEST]) for id in ids]


def path_of(folder: Path, id: str) -> Path:
    """Its file; the driver removes it when the command is journaled."""
    return folder / "inbox" / f"{id}.json"
