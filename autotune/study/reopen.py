"""What a driver does with the existing records of its study.

It continues them, or refuses a different spec. If no trial has a value, they are set aside and the
study starts anew.
"""

from collections.abc import Mapping
from pathlib import Path

from optuna.storages import BaseStorage

from autotune import spec as specs
from autotune.errors import StudyChanged, StudyNotFound
from autotune.spec import StudySpec
from autotune.study import budget, failures
from autotune.study.history import PROVENANCE, History
from autotune.study.journal.journal import Journal, open_journal
from autotune.study.workspace import set_aside, write_spec
from autotune.train.function import passed

__all__ = ["reopen"]

_SPEC = "spec"
"""Note in a database: the settings that may not change, because other folders may share it."""
_FUNCTION = "function"
"""Note: sha256 of a function passed from Python."""
_UNCHECKED = "unchecked"
"""Note: how many records without a checksum have been reported."""


def reopen(
    spec: StudySpec,
    folder: Path,
    storage: BaseStorage | None,
    provenance: Mapping[str, str] | None = None,
) -> tuple[Journal, list[str]]:
    """The journal to write, in which `provenance` is noted, and lines for people.

    For the holder of the study's lock, whose `storage` is that of the claim. Raises StudyChanged
    for settings that may not change any more.
    """
    notes = _make_way(spec, folder, storage)
    write_spec(spec, folder)
    journal = open_journal(spec, folder, create=True, storage=storage)
    if storage is not None:
        journal.write_note(_SPEC, specs.frozen(spec))
    given = passed(spec.trial.get("function"))
    if given and journal.note(_FUNCTION) != given.sha256:
        journal.write_note(_FUNCTION, given.sha256)
    if provenance and journal.note(PROVENANCE) != provenance:
        journal.write_note(PROVENANCE, dict(provenance))
    return journal, notes + _unchecked(journal, folder)


def _make_way(new: StudySpec, folder: Path, storage: BaseStorage | None) -> list[str]:
    """Sets the existing records aside if the study starts anew, and reports it."""
    stored, noted, function = folder / "study.yaml", None, None
    old = specs.load(stored) if stored.exists() else None
    if old is None and storage is None:
        return []
    try:
        journal = open_journal(new, folder, storage=storage)
        former, noted = _read(old or new, journal, folder), journal.note(_SPEC)
        function = journal.note(_FUNCTION)
    except StudyNotFound:
        former = History(old or new, folder, "")
    changed = [given for given in (old, noted) if given and specs.differences(given, new)]
    if former.has_value:
        for given in changed:
            specs.refuse_changes(given, new)
        _refuse_another(function, new)
        return []
    if not changed and not _ended(former):
        return []
    kept = set_aside(former, storage)
    if not former.trials:
        return []
    count = len(former.trials)
    trials = f"{count} trials are" if count > 1 else "one trial is"
    return [f"no trial had a value: the study starts anew; its {trials} kept in {kept}"]


def _refuse_another(known: str | None, spec: StudySpec) -> None:
    """Raises StudyChanged if Python passed another function than the study began with."""
    given = passed(spec.trial.get("function"))
    if given and known not in (None, given.sha256) and not given.may_differ:
        raise StudyChanged(
            f"study {spec.name!r} began with another function (its code was {str(known)[:12]}, and"
            f" is {given.sha256[:12]}): pass that one, give the new one another name=..., or say"
            " changed=True to go on with it all the same"
        )


def _read(spec: StudySpec, journal: Journal, folder: Path) -> History:
    history = History(spec, folder, journal.uid)
    history.recall(journal)
    for run in journal.runs():
        history.add(run)
    return history


def _ended(history: History) -> bool:
    """Whether it would do nothing more: it aborted itself, or all that its budget allows has
    failed."""
    over = bool(history.trials) and budget.is_over(history, history.elapsed())
    return over or failures.hopeless(history) is not None


def _unchecked(journal: Journal, folder: Path) -> list[str]:
    """Reports records without a checksum once."""
    count = journal.unchecked
    if count <= (journal.note(_UNCHECKED) or 0):
        return []
    journal.write_note(_UNCHECKED, count)
    who = "An earlier version of autotune, or another program, wrote them"
    path = folder / "journal.log"
    return [f"records without a checksum in {path}: {count}. {who}; their damage may go unseen"]
