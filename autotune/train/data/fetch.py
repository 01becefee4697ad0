"""Fetching a torchvision data set: quickly, silently, once at a time, or a clear refusal."""

import contextlib
import io
import socket
from collections.abc import Callable
from pathlib import Path

from autotune.errors import DataUnavailable
from autotune.files import FileLock

__all__ = ["fetch", "unavailable"]

SECONDS = 5.0  # to reach a mirror; torchvision itself would wait without end


def fetch(root: Path, files: str, download: Callable[[], object]) -> None:
    """Run `download`, which puts `files` under `root`; raises DataUnavailable if it cannot."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SECONDS)
    try:
        # Workers share the folder: one fetches, the others find the files there afterwards.
        with (
            FileLock(root / ".fetch.lock"),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            download()
    except (OSError, RuntimeError) as error:
        raise unavailable(root, files, str(error)) from error
    finally:
        socket.setdefaulttimeout(before)


def unavailable(root: Path, files: str, why: str) -> DataUnavailable:
    reason = why.strip().splitlines()[-1][:100] if why.strip() else "no network"
    return DataUnavailable(
        f"`data.root`: {files} is not in {str(root.absolute())!r} and could not be fetched "
        f"({reason}). Put it there from a machine with a network, or set `data.root` to a folder "
        "that has it."
    )
