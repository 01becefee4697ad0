"""The study's memory: every event stands here before anyone acts on it.

One Optuna storage (a journal file by default, or a database) holds two Optuna studies: `<name>`
with the trials, and `<name>:confirm` with the retrainings and test readings. A run's records are:

    created         params, distributions, "run" and the first "assignment/<n>", in one record
    assignment/<n>  the run is handed to a worker (again)
    report/<step>   all metrics of the step; then Optuna's intermediate value
    pause/<step>    the run waits there until it is assigned again
    outcome         state, reason, cost; then Optuna's own state and value

A crash between two records that belong together is mended by `repair` at the next start.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.address import Address
from autotune.errors import JournalDamaged, StudyNotFound
from autotune.files import create_file, write_atomically
from autotune.spec import StudySpec
from autotune.study.journal.file import damaged
from autotune.study.journal.reader import Found, read
from autotune.study.journal.run import BUDGET, Run, replayed
from autotune.trial import Goal, Purpose, Report, Scalar, State

if TYPE_CHECKING:  # Optuna is imported only for writing, so that reading commands start faster
    from optuna.distributions import BaseDistribution
    from optuna.storages import BaseStorage
    from optuna.study import StudyDirection

    from autotune.study.journal.checked_storage import CheckedStorage

__all__ = [
    "BUDGET",
    "Journal",
    "MemoryJournal",
    "Run",
    "forget",
    "keep_aside",
    "mark",
    "open_journal",
    "open_storage",
    "traces",
]

_UID = "uid"
"""The file in a study's folder that shows that its journal has begun."""
_OPTUNA_STATE = {
    State.COMPLETE: "COMPLETE",
    State.PRUNED: "PRUNED",
    State.FAILED: "FAIL",
}


class Journal:
    """Reads and writes the records. Holds no lock and makes no decision."""

    def __init__(
        self, storage: "BaseStorage", name: str, goals: Iterable[Goal], create: bool = True
    ) -> None:
        """Opens the study in `storage` and creates what is missing, with one goal an objective.

        A reader, who holds no lock, does not create: StudyNotFound if anything is missing.
        """
        from optuna.study import StudyDirection

        self._storage, self._name = storage, name
        directions = [StudyDirection[goal.name] for goal in goals] if create else None
        self._trials = self._find(name, directions)
        self._confirms = self._find(f"{name}:confirm", directions)
        if create and "uid" not in storage.get_study_user_attrs(self._trials):
            storage.set_study_user_attr(self._trials, "uid", uuid.uuid4().hex)
        if "uid" not in storage.get_study_user_attrs(self._trials):
            raise StudyNotFound(f"study {name!r} is being created: ask again in a moment")
        self.uid: str = storage.get_study_user_attrs(self._trials)["uid"]

    def _find(self, name: str, directions: "Sequence[StudyDirection] | None") -> int:
        """Optuna's id of the study, created with `directions` if it does not exist."""
        try:
            return self._storage.get_study_id_from_name(name)
        except KeyError:
            if directions is None:
                raise StudyNotFound(f"study {name!r} has no journal yet") from None
            return self._storage.create_new_study(directions, name)

    def runs(self) -> list[Run]:
        """All runs as journaled: trials by number, then confirmations and tests in order of start.

        Raises JournalDamaged for records that no driver writes.
        """
        both = (self._storage.get_all_trials(s, False) for s in (self._trials, self._confirms))
        return [
            self._read(frozen.number, frozen._trial_id, frozen.params, frozen.user_attrs)
            for trials in both
            for frozen in trials
        ]

    def _read(
        self, number: int, id: int, params: Mapping[str, Scalar], attrs: Mapping[str, Any]
    ) -> Run:
        try:
            run = replayed(id, params, attrs)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong = f"holds a trial that no driver wrote: {type(error).__name__}: {error}"
            raise self.damaged(f"{wrong} (trial id {id})") from None
        if run.purpose == Purpose.SEARCH and run.trial != number:
            wrong = f"holds trial {run.trial} in place {number}: others are missing or doubled"
            raise self.damaged(wrong)
        return run

    def damaged(self, wrong: str) -> JournalDamaged:
        """The error for records that contradict each other; `wrong` follows "The journal "."""
        if checked := self._checked:
            return checked.damaged(wrong)
        return JournalDamaged(
            f"the database that `storage` names {wrong}: restore it as it was, or give up the "
            f"study: autotune delete {self._name}"
        )

    @property
    def begun(self) -> int:
        """How many trials have begun."""
        return self._storage.get_n_trials(self._trials)

    @property
    def unchecked(self) -> int:
        """How many records carry no checksum, if records carry them."""
        return checked.unchecked if (checked := self._checked) else 0

    @property
    def _checked(self) -> "CheckedStorage | None":
        from autotune.study.journal.checked_storage import CheckedStorage

        return self._storage if isinstance(self._storage, CheckedStorage) else None

    def close(self) -> None:
        """Closes a reader's connection to a database; a driver's is closed with its claim."""
        from autotune.study.journal.database import disconnect

        disconnect(self._storage)

    def note(self, key: str) -> Any:
        """The last value of `write_note` under `key`; None if never written."""
        return self._storage.get_study_user_attrs(self._trials).get(key)

    def notes(self, prefix: str) -> dict[str, Any]:
        """All notes whose keys begin with `prefix`, by what follows it."""
        return _behind(prefix, self._storage.get_study_user_attrs(self._trials))

    def write_note(self, key: str, value: Any) -> None:
        self._storage.set_study_user_attr(self._trials, key, value)

    def begin(
        self,
        run: Mapping[str, Any],
        params: Mapping[str, Scalar],
        distributions: "Mapping[str, BaseDistribution]",
        assignment: tuple[int, Mapping[str, Any]],
    ) -> Run:
        """Journals a new run and its first assignment in one record: a crash leaves both or none.

        A search run's number is its place in the storage, so `run["trial"]` must be the next one.
        """
        from optuna.trial import TrialState, create_trial

        number, record = assignment
        template = create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs={"run": dict(run), f"assignment/{number}": dict(record)},
        )
        study = self._trials if run["purpose"] == Purpose.SEARCH else self._confirms
        made = self._storage.get_trial(self._storage.create_new_trial(study, template))
        return replayed(made._trial_id, made.params, made.user_attrs)

    def assign(self, run: Run, number: int, record: Mapping[str, Any]) -> None:
        self._write(run, f"assignment/{number}", record)
        run.assignments[number] = record
        run.state = State.RUNNING

    def pause(self, run: Run, record: Mapping[str, Any]) -> None:
        """`record` names the assignment that it ends."""
        self._write(run, f"pause/{run.step}", record)
        run.state = State.PAUSED

    def report(
        self, run: Run, report: Report, value: float | None, record: Mapping[str, Any]
    ) -> None:
        """One record with all metrics of a step; `record` holds worker, time and elapsed time."""
        content = {**record, "metrics": dict(report.metrics), "seconds": report.seconds}
        self._write(run, f"report/{report.step}", content)
        if value is not None:
            self._point(run, report.step, value)
        run.reports[report.step] = report
        run.stamps[report.step] = record

    def finish(
        self, run: Run, state: State, value: float | None, record: Mapping[str, Any]
    ) -> None:
        """With several objectives `record` holds `values`, and `value` is the first."""
        content = {**record, "state": state, "value": value}
        self._write(run, "outcome", content)
        self._conclude(run, state, content)
        run.state, run.value, run.outcome = state, value, content

    def _write(self, run: Run, key: str, record: Mapping[str, Any]) -> None:
        self._storage.set_trial_user_attr(run.id, key, dict(record))

    def _point(self, run: Run, step: int, value: float) -> None:
        self._storage.set_trial_intermediate_value(run.id, step, value)

    def _conclude(self, run: Run, state: State, outcome: Mapping[str, Any]) -> None:
        from optuna.trial import TrialState

        one = None if outcome["value"] is None else [outcome["value"]]
        values = outcome.get("values", one)
        self._storage.set_trial_state_values(run.id, TrialState[_OPTUNA_STATE[state]], values)

    def repair(self, run: Run, metric: str) -> None:
        """Completes a pair of records that a crash cut in two."""
        frozen = self._storage.get_trial(run.id)
        if frozen.state.is_finished():
            return
        for step, report in sorted(run.reports.items()):
            if step not in frozen.intermediate_values and metric in report.metrics:
                self._point(run, step, report.metrics[metric])
        if run.outcome:
            self._conclude(run, State(run.outcome["state"]), run.outcome)


class MemoryJournal(Journal):
    """A journal that keeps only the runs, for simulations: the copies of an in-memory storage would
    take most of their time."""

    def __init__(self) -> None:
        self.uid = uuid.uuid4().hex
        self._notes: dict[str, Any] = {}
        self._begun = 0

    def runs(self) -> list[Run]:
        return []

    def note(self, key: str) -> Any:
        return self._notes.get(key)

    def notes(self, prefix: str) -> dict[str, Any]:
        return _behind(prefix, self._notes)

    def write_note(self, key: str, value: Any) -> None:
        self._notes[key] = value

    def begin(
        self,
        run: Mapping[str, Any],
        params: Mapping[str, Scalar],
        distributions: "Mapping[str, BaseDistribution]",
        assignment: tuple[int, Mapping[str, Any]],
    ) -> Run:
        number, record = assignment
        attrs = {"run": run, f"assignment/{number}": record}
        self._begun += 1
        return replayed(self._begun - 1, dict(params), attrs)

    def _write(self, run: Run, key: str, record: Mapping[str, Any]) -> None:
        pass

    def _conclude(self, run: Run, state: State, outcome: Mapping[str, Any]) -> None:
        pass

    def _point(self, run: Run, step: int, value: float) -> None:
        pass


class _ReadJournal(Journal):
    """The journal's file read without Optuna, for reading commands."""

    def __init__(self, found: Found, name: str, path: Path) -> None:
        self._search, self._retrained = found.studies[name], found.studies[f"{name}:confirm"]
        self._path, self._found = path, found
        self.uid = self._search.attrs["uid"]

    def runs(self) -> list[Run]:
        both = (*self._search.trials, *self._retrained.trials)
        return [self._read(one.number, one.id, one.params, one.attrs) for one in both]

    def note(self, key: str) -> Any:
        return self._search.attrs.get(key)

    def notes(self, prefix: str) -> dict[str, Any]:
        return _behind(prefix, self._search.attrs)

    def damaged(self, wrong: str) -> JournalDamaged:
        return damaged(self._path, wrong)

    def close(self) -> None:
        pass

    @property
    def begun(self) -> int:
        return len(self._search.trials)

    @property
    def unchecked(self) -> int:
        return self._found.unchecked


def _behind(prefix: str, notes: Mapping[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): note for k, note in notes.items() if k.startswith(prefix)}


def open_journal(
    spec: StudySpec, folder: Path, create: bool = False, storage: "BaseStorage | None" = None
) -> Journal:
    """The journal of the study in `folder`.

    `create`, under the driver's lock, begins it if the study has not begun. `storage` is the
    driver's own if the journal is a database. Raises JournalDamaged, also if records are missing
    that other files of the folder prove; StudyNotFound if nothing was there.
    """
    uid, begun = traces(folder)  # before the journal is read, because a driver writes that first
    fresh, own = not uid and not begun, storage
    if not create and storage is None and (journal := _looked_at(spec, folder)):
        _verify(journal, uid, begun)
        return journal
    try:
        own = storage or open_storage(spec.storage_address, folder, create and fresh)
        journal = Journal(own, spec.name, spec.scoring.goals, create and fresh)
        _verify(journal, uid, begun)
    except BaseException as error:
        if own is not None and storage is None:
            from autotune.study.journal.database import disconnect

            disconnect(own)
        if isinstance(error, StudyNotFound) and not fresh:
            raise _lost(spec, folder) from None
        raise
    if create and not uid:
        mark(folder, journal.uid)
    return journal


def _looked_at(spec: StudySpec, folder: Path) -> Journal | None:
    """The journal's file read without Optuna; None if that is impossible."""
    path = folder / "journal.log"
    if spec.storage is not None or not path.exists():
        return None
    try:
        return _ReadJournal(found, spec.name, path) if (found := read(path)) else None
    except KeyError:  # it is being created
        return None


def _verify(journal: Journal, uid: str, begun: int) -> None:
    if uid not in ("", journal.uid):
        raise journal.damaged(f"is another study's: its uid is {journal.uid}, not {uid}")
    if journal.begun < begun:
        wrong = f"ends before trial {begun - 1} begins, of which the study has files"
        raise journal.damaged(wrong)


def traces(folder: Path) -> tuple[str, int]:
    """Proof that a study has begun: its uid, or "", and the minimum number of its trials."""
    files = (folder / "trials").glob("*.yaml")
    numbers = [int(file.stem) for file in files if file.stem.isdecimal()]
    marker = folder / _UID
    uid = marker.read_text(errors="replace").strip() if marker.exists() else ""
    return uid, max(numbers, default=-1) + 1


def mark(folder: Path, uid: str) -> None:
    """Writes the proof that the study has begun, as `uid`, into its folder."""
    write_atomically(folder / _UID, uid)


def _lost(spec: StudySpec, folder: Path) -> JournalDamaged:
    if spec.storage is not None:
        return JournalDamaged(
            f"the database that `storage` names holds no records of study {spec.name!r}, which has "
            "begun: give `storage` as it was, restore the database, or give up the study: "
            f"autotune delete {spec.name}"
        )
    path = folder / "journal.log"
    wrong = "holds no record of the study, which has begun" if path.exists() else "is gone"
    return damaged(path, wrong)


def open_storage(address: Address | None, folder: Path, create: bool = True) -> "BaseStorage":
    """The journal file in `folder`, or the database at `address` (PostgreSQL or SQLite)."""
    import optuna

    from autotune.study.journal.checked_storage import CheckedStorage
    from autotune.study.journal.database import open_database

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if address is not None:
        return open_database(address)
    path = folder / "journal.log"
    if not create and not path.exists():
        raise StudyNotFound(f"{path} does not exist: the study was never started.")
    if not path.exists():
        create_file(path)
    return CheckedStorage(path)


def keep_aside(storage: "BaseStorage", name: str, number: int) -> None:
    """Keeps the trials of the study as the Optuna study NAME:earlier-NUMBER, and frees its name."""
    import optuna

    kept = f"{name}:earlier-{number}"
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=kept
    )
    for study in (name, f"{name}:confirm"):
        storage.delete_study(storage.get_study_id_from_name(study))


def forget(storage: "BaseStorage", name: str) -> None:
    """Removes all records of the study, also those that were set aside."""
    for study in storage.get_all_studies():
        if study.study_name == name or study.study_name.startswith(f"{name}:"):
            storage.delete_study(study._study_id)
