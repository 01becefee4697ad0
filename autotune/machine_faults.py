"""Faults of the machine, told apart from what a configuration did.

A full or dying disk, no more open files, a network disk or a database that is away: no trial is to
blame, so none fails for it. The study stops with one line and goes on later with the same trials.
"""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from autotune.errors import MachineFault

__all__ = ["as_machine_faults", "machine_fault"]

_ALWAYS = {
    errno.EDQUOT,
    errno.EFBIG,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.ENOSPC,
    errno.EREMOTEIO,
    errno.EROFS,
    errno.ESTALE,
}
_OF_A_FILE = {errno.EHOSTDOWN, errno.ENOTCONN, errno.ETIMEDOUT}
"""A disk that is away says so of a file; of a socket it is the network, which may be anybody's."""
_WORDS = re.compile("|".join(re.escape(os.strerror(number)) for number in sorted(_ALWAYS)))
"""What libraries in C++ and Rust keep of an error of the system."""
_TORCH = re.compile(r"inline_container\.cc.*unexpected pos|basic_ios::clear: iostream error", re.S)
"""All that torch.save says of a file that could not be written whole."""
_SQLITE_IOERR, _SQLITE_FULL = 10, 13
_AWAY = re.compile(r"08|53|57P")
"""Classes of SQL states: connection exception, insufficient resources, operator intervention."""


@contextmanager
def as_machine_faults() -> Iterator[None]:
    """What the machine is to blame for is raised as MachineFault, all else as it is."""
    try:
        yield
    except MachineFault:
        raise
    except Exception as error:
        if fault := machine_fault(error):
            raise MachineFault(fault) from error
        raise


def machine_fault(error: BaseException) -> str:
    """One line that says what is wrong with the machine; "" where it is not to blame for `error`.

    What was raised on the way counts as well: libraries and users put errors in words of their own.
    """
    return next(filter(None, map(_said, _chain(error))), "")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and, before it, whatever led to it."""
    todo, seen = [error], set[int]()
    while todo:
        link = todo.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        todo += [before for before in (link.__context__, link.__cause__) if before]
        if isinstance(link, BaseExceptionGroup):
            todo += reversed(link.exceptions)


def _said(error: BaseException) -> str:
    if isinstance(error, MachineFault):
        return _one_line(error)
    if isinstance(error, OSError):
        if error.errno in _ALWAYS or (error.errno in _OF_A_FILE and error.filename):
            place = f": {error.filename!r}" if error.filename else ""
            return f"{os.strerror(error.errno)}{place}"
    elif _is_away(error) or getattr(error, "sqlite_errorcode", 0) & 0xFF in (
        _SQLITE_IOERR,
        _SQLITE_FULL,
    ):
        return _one_line(error)
    line = _one_line(error)
    if _TORCH.search(line):
        return f"torch could not write a file, as when the disk is full ({line})"
    return line if _WORDS.search(line) else ""


def _is_away(error: BaseException) -> bool:
    """Whether it is a database's driver that has lost its server, or found none."""
    if getattr(error, "connection_invalidated", False):  # sqlalchemy's
        return True
    if not type(error).__module__.startswith("psycopg"):
        return False
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return bool(_AWAY.match(state)) if state else type(error).__name__ == "OperationalError"


def _one_line(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException:  # the user's own class
        return ""
    return " ".join(text[:1000].split())[:300]
