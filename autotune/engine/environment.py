"""Silences a library that logs, warns and leaves files; undone on leaving."""

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

__all__ = ["environment", "hushed", "settings", "silence"]


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def silence(package: str) -> Iterator[None]:
    """Suppresses log lines and Python warnings of `package`."""
    logger = logging.getLogger(package)
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=rf"{package}(\.|$)")
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def hushed() -> Iterator[None]:
    """Discards what C++ and Python code write to stderr."""
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def settings(owner: object, values: Mapping[str, Any]) -> Iterator[None]:
    """Sets attributes of a module or a class whose library has no public setting; skips those that
    another version lacks."""
    before = {name: vars(owner)[name] for name in values if name in vars(owner)}
    for name in before:
        setattr(owner, name, values[name])
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)
