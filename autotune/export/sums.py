"""SHA256SUMS of an export: `sha256sum -c SHA256SUMS` tells whether a file was changed since."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from autotune.errors import UserError

__all__ = ["SUMS", "digest", "verify", "write_sums"]

SUMS = "SHA256SUMS"
_CHUNK = 2**20


def write_sums(folder: Path) -> None:
    """Of every file in `folder`, in the format of sha256sum."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SUMS)
    lines = [f"{digest(path)}  {path.relative_to(folder).as_posix()}\n" for path in files]
    (folder / SUMS).write_text("".join(lines))


def verify(folder: Path, names: Iterable[str]) -> None:
    """Raises UserError, naming the file, where one of `names` is missing or is not the one that was
    exported."""
    listed = _listed(folder)
    for name in names:
        file = folder / name
        if not file.is_file():
            raise UserError(f"{file} is missing: copy the whole export, or export it again")
        if name in listed and digest(file) != listed[name]:
            raise UserError(
                f"{file} was changed since it was exported (its SHA-256 is not the one in {SUMS}): "
                "copy it again, or export it again"
            )


def _listed(folder: Path) -> dict[str, str]:
    file = folder / SUMS
    if not file.is_file():
        raise UserError(f"{file} is missing: copy the whole export, or export it again")
    pairs = (line.split("  ", 1) for line in file.read_text().splitlines() if "  " in line)
    return {name: total for total, name in pairs}


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()
