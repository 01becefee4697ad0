"""The folder of an export: written whole or not at all, and never over what is there unasked."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autotune.errors import UserError

__all__ = ["refuse", "whole_folder"]


@contextmanager
def whole_folder(target: Path) -> Iterator[Path]:
    """An empty folder to fill, which becomes `target` once all within has succeeded."""
    there = next(folder for folder in target.absolute().parents if folder.is_dir())
    with tempfile.TemporaryDirectory(dir=there, prefix=".export-") as scratch:
        made = Path(scratch) / "export"
        made.mkdir()
        yield made
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            os.rename(target, Path(scratch) / "old")
        os.rename(made, target)


def refuse(target: Path, force: bool, kept: Path) -> None:
    """Raises UserError where `target` holds something and is not to be replaced, or may never be:
    `kept`, the folder of the study, must not lie in it, nor the working folder."""
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
