"""What is made once on a machine and shared by every process there: prepared data, teachers."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from autotune.errors import AutotuneError
from autotune.files import FileLock, flush_to_disk

__all__ = ["folder", "once"]


def folder() -> Path:
    """AUTOTUNE_CACHE, or `autotune` among the user's caches."""
    if chosen := os.environ.get("AUTOTUNE_CACHE"):
        return Path(chosen).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotune"


def once(key: str, make: Callable[[Path], None]) -> Path:
    """The folder of `key`, which names its contents; `make` fills it if no one has yet.

    Others who ask for it meanwhile wait. A folder that is there is whole: a `make` that raises,
    or is killed, leaves nothing under the key.
    """
    there = folder() / key
    if there.is_dir():
        return there
    _writable(folder())
    with FileLock(folder() / f".{key}.lock"):
        if not there.is_dir():
            _fill(there, make)
    return there


def _writable(place: Path) -> None:
    try:
        place.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        cure = "set AUTOTUNE_CACHE to a folder that you own"
        raise AutotuneError(
            f"cannot write in the cache {str(place)!r} ({error}): {cure}"
        ) from error


def _fill(there: Path, make: Callable[[Path], None]) -> None:
    part = Path(tempfile.mkdtemp(dir=there.parent, prefix=f".{there.name}."))
    try:
        make(part)
        for path in part.rglob("*"):
            if path.is_file():
                flush_to_disk(path)
        os.chmod(part, 0o755)
        os.replace(part, there)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
