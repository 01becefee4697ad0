"""Refuses shared files inside a study's folder, which `delete` would remove."""

from collections.abc import Iterator
from pathlib import Path

from autotune.address import Address
from autotune.errors import Problem, UserError
from autotune.spec.model import StudySpec

__all__ = ["meeting_problems"]

_SQLITE = "sqlite:///"


def meeting_problems(spec: StudySpec, runs: Path) -> Iterator[Problem]:
    """Database files of `spec` inside the folder of a study, present or future."""
    for address in filter(None, (spec.storage_address, spec.tracking_address)):
        file = _file(address)
        if file is None or not file.is_relative_to(runs.resolve()):
            continue
        parts = file.relative_to(runs.resolve()).parts
        if len(parts) > 1 or parts == (spec.name,):
            rule = f"`{address.setting}` must not lie in a folder under {runs}/, nor be one"
            why = "`autotune delete` removes a study with its folder"
            cure = f"put it beside them, such as {_SQLITE}{runs}/{file.stem}.db"
            yield Problem(f"{rule}: {why}; {cure}", tuple(address.setting.split(".")))


def _file(address: Address) -> Path | None:
    """The file of an SQLite database; None for a server, or if a variable is not set."""
    try:
        url = address.reveal()
    except UserError:
        return None
    path = url.removeprefix(_SQLITE).partition("?")[0]
    return Path(path).resolve() if url.startswith(_SQLITE) else None
