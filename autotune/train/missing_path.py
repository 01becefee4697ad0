"""What a user is told of a path where nothing is: where it was looked for, and what is near."""

import os
from itertools import islice
from pathlib import Path

from autotune.errors import closest

__all__ = ["absent"]

MOST = 10_000
"""Entries of a folder that are looked at for the name that was meant."""


def absent(path: Path, kind: str = "file") -> str:
    """there is no file 'data/trian.csv' in /home/me; did you mean 'data/train.csv'?"""
    looked = "" if path.is_absolute() else f" in {os.getcwd()}"
    near = _near(path)
    return f"there is no {kind} {str(path)!r}{looked}" + (
        f"; did you mean {near!r}?" if near else ""
    )


def _near(path: Path) -> str:
    """`path` with its first missing part replaced by the nearest entry there is; "" without one."""
    above = Path(path.anchor)
    parts = path.relative_to(path.anchor).parts
    for place, part in enumerate(parts):
        if (above / part).exists():
            above = above / part
            continue
        try:
            with os.scandir(above) as found:
                entries = sorted(entry.name for entry in islice(found, MOST))
        except OSError:  # no folder, or one that may not be read
            return ""
        if not (name := closest(part, entries)):
            return ""
        whole = (above / name).joinpath(*parts[place + 1 :])
        return str(whole if whole.exists() else above / name)
    return ""
