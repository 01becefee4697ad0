"""Mends a damaged journal: what is whole stays, what is lost is begun again, nothing is removed.

journal.log            the damaged file becomes journal.log.damaged-<n>
journal.log            then holds every whole record that makes sense, checksummed anew
"""

import os
import shutil
import uuid
from collections.abc import Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.errors import JournalDamaged, UserError
from autotune.files import write_atomically
from autotune.spec import StudySpec
from autotune.study.history import RULES, find, load
from autotune.study.journal.checked_storage import CheckedStorage
from autotune.study.journal.file import Line, command, encode, lines
from autotune.study.journal.journal import Journal, Run, mark, traces
from autotune.study.journal.salvage import Salvage, Senseless
from autotune.study.workspace import next_number, take_lock
from autotune.train.config import is_own
from autotune.trial import Purpose

__all__ = ["repair"]

_SHOWN = 5
"""How many damaged lines are reported one by one."""


def repair(name: str, runs: Path) -> list[str]:
    """Repairs the journal; returns what was done, one line each.

    A healthy study is left as it is. Raises StudyNotFound, StudyBusy, and JournalDamaged if nothing
    can be kept.
    """
    folder = find(name, runs)
    spec = specs.load(folder / "study.yaml")
    if spec.storage is not None:
        raise UserError(
            f"study {name!r} has its records in the database that `storage` names: its own means "
            "repair that; `autotune repair` is for journal files"
        )
    lock = take_lock(folder)
    try:
        trials = len(load(name, runs).trials)
        return [f"the journal of study {name} is whole, {trials} trials: nothing was changed"]
    except JournalDamaged:
        return list(_mend(spec, folder))
    finally:
        lock.release()


def _mend(spec: StudySpec, folder: Path) -> Iterator[str]:
    path = folder / "journal.log"
    found = _found(path)
    draft = folder / "journal.log.repaired"
    salvage, runs = _drafted(spec, folder, found, draft)
    there, aside = path.exists(), _swap(path, draft)
    mark(folder, salvage.uid)
    beyond = _set_files_aside(folder, salvage.trials, aside)
    kept = sum(line.record is not None for line in found) - salvage.left_out
    where = f"the damaged file is {aside}" if there else f"{path} is there again"
    yield f"kept {kept} of {len(found)} records; {where}"
    yield from _wrong(found)
    yield from _losses(spec, folder, salvage, runs)
    yield from beyond
    yield f"go on with: {command('resume', folder)}"


def _found(path: Path) -> list[Line]:
    """The lines of the journal; if none is whole, those of the newest file set aside."""
    found = list(lines(path)) if path.exists() else []
    aside = sorted(path.parent.glob(f"{path.name}.damaged-*"), key=lambda p: p.stat().st_mtime)
    if aside and not any(line.record for line in found):
        return list(lines(aside[-1]))
    return found


def _drafted(
    spec: StudySpec, folder: Path, found: Sequence[Line], draft: Path
) -> tuple[Salvage, list[Run]]:
    """Writes `draft`, a journal of the whole records, or else of those before the first damage,
    with the runs in it."""
    notes, why = _notes(folder, found), ""
    for part in (found, list(takewhile(lambda line: not line.wrong, found))):
        records = [line.record for line in part if line.record is not None]
        try:
            salvage = Salvage(spec, folder, notes, records)
            _write(salvage, draft)
            journal = Journal(CheckedStorage(draft), spec.name, spec.scoring.goals, create=False)
            return salvage, journal.runs()
        except (Senseless, JournalDamaged) as error:
            why = str(error)
    draft.unlink(missing_ok=True)
    raise JournalDamaged(
        f"{folder / 'journal.log'} cannot be repaired: {why}.\n"
        f"Restore it from a backup, or give up the study: autotune delete {folder.name}"
    )


def _notes(folder: Path, found: Sequence[Line]) -> dict[str, Any]:
    """What holds for the study unless a remaining record says otherwise."""
    uid, _ = traces(folder)
    notes: dict[str, Any] = {"uid": uid or uuid.uuid4().hex}
    if all(line.checked for line in found if line.record is not None):
        notes["rules"] = RULES  # a writer of checksums also notes the rules
    return notes


def _write(salvage: Salvage, draft: Path) -> None:
    chain, parts = 0, list[bytes]()
    for record in salvage.records:
        line, chain = encode(record, chain)
        parts.append(line)
    write_atomically(draft, b"".join(parts))


def _swap(path: Path, draft: Path) -> Path:
    """Sets the damaged file aside and puts the draft in its place; a crash leaves one of them
    there."""
    aside = path.with_name(
        f"{path.name}.damaged-{next_number(path.parent, f'{path.name}.damaged-')}"
    )
    if path.exists():
        try:
            os.link(path, aside)
        except OSError:  # a file system without links
            shutil.copy2(path, aside)
    os.replace(draft, path)
    return aside


def _set_files_aside(folder: Path, trials: int, aside: Path) -> Iterator[str]:
    """Files of trials that the journal no longer knows would look like damage."""
    beyond = [
        p for p in (folder / "trials").glob("*") if p.stem.isdecimal() and int(p.stem) >= trials
    ]
    kept = folder / f"{aside.name}.trials"
    for path in beyond:
        kept.mkdir(exist_ok=True)
        path.rename(kept / path.name)
    return iter([f"files of trials from {trials} on are in {kept}"] if beyond else [])


# Messages


def _wrong(found: Sequence[Line]) -> Iterator[str]:
    wrong = [line for line in found if line.wrong]
    for line in wrong[:_SHOWN]:
        yield f"line {line.number} {line.wrong}"
    if len(wrong) > _SHOWN:
        yield f"and {len(wrong) - _SHOWN} lines more"


def _losses(spec: StudySpec, folder: Path, salvage: Salvage, runs: Sequence[Run]) -> Iterator[str]:
    for trial in salvage.stood_in:
        what = f"its configuration is that of trials/{trial}.yaml"
        yield f"trial-{trial:04d} lost its first record: {what}"
    for label, what in salvage.reopened.items():
        yield f"{label} lost {what}: it goes on"
    for run in runs:
        if steps := _steps_lost(spec, run):
            yield f"{run.label} lost its reports of steps {', '.join(map(str, steps))}"
    for purpose in (Purpose.CONFIRM, Purpose.VERIFY):
        begun = {_short(run) for run in runs if run.purpose == purpose}
        for file in sorted((folder / purpose).glob("*.yaml")):
            if file.stem not in begun:
                yield f"{purpose}/{file.stem} lost its first record: it is trained again"
    if salvage.left_out:
        yield f"left out: {salvage.left_out} whole records that say nothing without what is lost"


def _short(run: Run) -> str:
    """The name of a retraining's file: 3-s1."""
    return f"{run.trial}-{run.label.rpartition('-')[2]}"


def _steps_lost(spec: StudySpec, run: Run) -> list[int]:
    """Missing steps that it must have reported; a function may report where it likes."""
    if is_own(spec.trial) or run.purpose == Purpose.TEST:
        return []
    return sorted(set(range(run.start + 1, run.step + 1)) - set(run.reports))
