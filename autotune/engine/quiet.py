"""Surroundings for a library that talks, warns and leaves files behind; undone on leaving."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["environment", "silence", "temporary_folder"]


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
    """No log line and no Python warning of `package`."""
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
def temporary_folder() -> Iterator[Path]:
    """Its path is short: Ray keeps sockets in it, whose paths may not exceed 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="autotune-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
