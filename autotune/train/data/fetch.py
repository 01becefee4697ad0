"""Fetching a torchvision data set: quickly, silently, once at a time, or a clear refusal."""

import contextlib
import io
import socket
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path

from autotune.errors import DataUnavailable, Problem
from autotune.files import FileLock

__all__ = ["NotFetched", "fetch", "offline", "unavailable"]

SECONDS = 5.0  # to reach a mirror; torchvision itself would wait without end
AT = ("data", "root")
_offline = ContextVar("offline", default=False)


class NotFetched(DataUnavailable):
    """It is not there, and was not fetched because the caller is `offline`."""


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Within it nothing is fetched: NotFetched is raised instead."""
    token = _offline.set(True)
    try:
        yield
    finally:
        _offline.reset(token)


def fetch(root: Path, files: str, download: Callable[[], object]) -> None:
    """Run `download`, which puts `files` under `root`; raises DataUnavailable if it cannot."""
    if _offline.get():
        message = f"`data.root`: {files} is not in {str(root.absolute())!r} yet: a run fetches it"
        raise NotFetched([Problem(message, AT)])
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
    message = (
        f"`data.root`: {files} is not in {str(root.absolute())!r} and could not be fetched "
        f"({reason}). Put it there from a machine with a network, or set `data.root` to a folder "
        "that has it."
    )
    return DataUnavailable([Problem(message, AT)])
