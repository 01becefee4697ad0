"""The folder of an export: written whole or not at all, and never replacing files unasked."""

import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UserError
from autotune.files import FileLock

__all__ = ["refuse", "whole_folder"]

_PREFIX, _LOCK = ".export-", "lock"
_AT_FDCWD, _EXCHANGE = -100, 2  # of Linux's renameat2


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `target` once all within has succeeded: at no moment,
    not even of a kill -9, is `target` half written. What a killed export left beside it is removed
    by the next one."""
    there = next(folder for folder in target.absolute().parents if folder.is_dir())
    _remove_abandoned(there)
    with tempfile.TemporaryDirectory(dir=there, prefix=_PREFIX) as name:
        scratch = Path(name)
        made = scratch / "export"
        made.mkdir()
        with FileLock(scratch / "new-lock") as lock:
            os.rename(lock.path, scratch / _LOCK)  # under its name it is held, or its owner is dead
            yield made
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.exists():
                if _exchanged(made, target):
                    return
                os.rename(target, scratch / "old")
            os.rename(made, target)


def _remove_abandoned(there: Path) -> None:
    """The half-written exports in `there` whose processes are dead."""
    for lock in there.glob(f"{_PREFIX}*/{_LOCK}"):
        held = FileLock(lock)
        try:
            if held.acquire(blocking=False):
                shutil.rmtree(lock.parent, ignore_errors=True)
        except OSError:  # another's, which we may not touch; or gone
            continue
        finally:
            held.release()


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders have changed places, in one step; False where the system cannot."""
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    names = os.fsencode(one), os.fsencode(other)
    return bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0)


def refuse(target: Path, force: bool, kept: Path) -> None:
    """Raises UserError if `target` is not empty and must not be replaced: without `force`, or if it
    contains `kept`, the study's folder, or the working folder."""
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; give a folder: -o DIR")
    place = target.resolve()
    if kept.resolve().is_relative_to(place) or place == Path.cwd():
        raise UserError(f"{target} holds more than an export may replace; give a folder: -o DIR")
    held = sorted(path.name for path in target.iterdir()) if target.exists() else []
    if not held or force:
        return
    shown = ", ".join(held[:3]) + ", ..." * (len(held) > 3)
    what = "a former export" if {"best.yaml", "metrics.json"} <= {*held} else "other files"
    cure = "give another folder, or --force to replace it with all it holds"
    raise UserError(f"{target} holds {what} ({shown}): {cure}")
