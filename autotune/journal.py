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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from autotune.address import Address
from autotune.database import disconnect, open_database
from autotune.errors import JournalDamaged, StudyNotFound
from autotune.files import create_file, write_atomically
from autotune.journal_file import CheckedStorage, damaged
from autotune.spec import StudySpec
from autotune.spec.objectives import Aims
from autotune.trial import Goal, Purpose, Reason, Report, Scalar, State, Trial

__all__ = [
    "BUDGET",
    "Journal",
    "Run",
    "Unwritten",
    "forget",
    "keep_aside",
    "mark",
    "open_journal",
    "open_storage",
    "traces",
]

BUDGET = "budget"
"""`why` in the outcome of a run that the budget ended before its time."""

_UID = "uid"
"""The file in a study's folder that shows that its journal has begun."""
_OPTUNA_STATE = {
    State.COMPLETE: TrialState.COMPLETE,
    State.PRUNED: TrialState.PRUNED,
    State.FAILED: TrialState.FAIL,
}


@dataclass(slots=True)
class Run:
    """One training from its first assignment to its outcome, as journaled: a trial, a retraining
    of one on a fresh seed (confirm), or the one reading of its test split (test)."""

    id: int
    """Optuna's trial id in the storage."""
    label: str
    purpose: Purpose
    trial: int
    seed: int
    params: Mapping[str, Scalar]
    started: float
    """Seconds since the epoch."""
    assignments: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """By the assignment's number: why it was handed out, and from which step."""
    reports: dict[int, Report] = field(default_factory=dict)
    stamps: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    """Step -> who reported it and when: assignment, worker, at, elapsed."""
    parent: int | None = None
    """The trial that it is a clone of."""
    start: int = 0
    """The step of the parent's checkpoint that it began with."""
    state: State = State.RUNNING
    value: float | None = None
    outcome: Mapping[str, Any] = field(default_factory=dict)
    """Empty while unfinished; else state, value, reason, message, worker, at, elapsed."""

    @property
    def cut(self) -> bool:
        """The budget ended it before its time."""
        return bool(self.outcome.get("why") == BUDGET)

    @property
    def seconds(self) -> float:
        """Working time of all its steps: what the run cost one worker."""
        return sum(report.seconds for report in self.reports.values())

    @property
    def costs(self) -> dict[int, float]:
        """Worker-seconds of each assignment, by its number."""
        costs = dict.fromkeys(self.assignments, 0.0)
        for step, report in self.reports.items():
            costs[self.stamps[step]["assignment"]] += report.seconds
        return costs

    @property
    def step(self) -> int:
        """The last step journaled; before the first, that from which it started."""
        return max(self.reports, default=self.start)

    @property
    def just_assigned(self) -> bool:
        """Nothing was reported since it was handed out last."""
        return bool(self.assignments[max(self.assignments)]["from"] == self.step)

    @property
    def accumulate(self) -> int:
        """By how much out-of-memory retries have multiplied gradient accumulation."""
        return max((int(a.get("accumulate", 1)) for a in self.assignments.values()), default=1)

    def snapshot(self, aims: Aims) -> Trial:
        reason = self.outcome.get("reason")
        told = {} if self.state == State.FAILED else self.reports
        return Trial(
            number=self.trial,
            params=self.params,
            state=self.state,
            reason=Reason(reason) if reason else None,
            message=self.outcome.get("message", ""),
            value=self.value,
            values=aims.values(told),
            violations=aims.violations(told),
            reports=dict(self.reports),
            curve=aims.curve(self.reports),
            stages=aims.stages(self.reports),
            seconds=self.seconds,
            seed=self.seed,
            parent=self.parent,
        )


class Journal:
    """Reads and writes the records. Holds no lock and makes no decision."""

    def __init__(
        self, storage: BaseStorage, name: str, goals: Iterable[Goal], create: bool = True
    ) -> None:
        """Opens the study in `storage`, creating what is missing of it: one goal an objective.

        A reader, who holds no lock, does not create: StudyNotFound while anything is missing.
        """
        self._storage, self._name = storage, name
        directions = [StudyDirection[goal.name] for goal in goals] if create else None
        self._trials = self._find(name, directions)
        self._confirms = self._find(f"{name}:confirm", directions)
        if create and "uid" not in storage.get_study_user_attrs(self._trials):
            storage.set_study_user_attr(self._trials, "uid", uuid.uuid4().hex)
        if "uid" not in storage.get_study_user_attrs(self._trials):
            raise StudyNotFound(f"study {name!r} is being created: ask again in a moment")
        self.uid: str = storage.get_study_user_attrs(self._trials)["uid"]

    def _find(self, name: str, directions: Sequence[StudyDirection] | None) -> int:
        """Optuna's id of the study; where there is none, it is created with `directions`."""
        try:
            return self._storage.get_study_id_from_name(name)
        except KeyError:
            if directions is None:
                raise StudyNotFound(f"study {name!r} has no journal yet") from None
            return self._storage.create_new_study(directions, name)

    def runs(self) -> list[Run]:
        """All runs as journaled: trials by number, then confirmations and tests as begun.

        Raises JournalDamaged for records that no driver writes.
        """
        both = (self._storage.get_all_trials(s, False) for s in (self._trials, self._confirms))
        return [self._read(frozen) for trials in both for frozen in trials]

    def _read(self, frozen: FrozenTrial) -> Run:
        try:
            run = _replay(frozen)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            wrong = f"holds a trial that no driver wrote: {type(error).__name__}: {error}"
            raise self.damaged(f"{wrong} (trial id {frozen._trial_id})") from None
        if run.purpose == Purpose.SEARCH and run.trial != frozen.number:
            wrong = (
                f"holds trial {run.trial} in place {frozen.number}: others are missing or doubled"
            )
            raise self.damaged(wrong)
        return run

    def damaged(self, wrong: str) -> JournalDamaged:
        """The error for records that do not fit together; `wrong` follows "The journal "."""
        if isinstance(self._storage, CheckedStorage):
            return self._storage.damaged(wrong)
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
        """How many records carry no checksum where records carry one."""
        return self._storage.unchecked if isinstance(self._storage, CheckedStorage) else 0

    def close(self) -> None:
        """Ends a reader's connection to a database; a driver's ends with its claim."""
        disconnect(self._storage)

    def note(self, key: str) -> Any:
        """What `write_note` wrote last under `key`; None when it never did."""
        return self._storage.get_study_user_attrs(self._trials).get(key)

    def write_note(self, key: str, value: Any) -> None:
        self._storage.set_study_user_attr(self._trials, key, value)

    def begin(
        self,
        run: Mapping[str, Any],
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        assignment: tuple[int, Mapping[str, Any]],
    ) -> Run:
        """Journals a new run and its first assignment in one record: a crash leaves both or none.

        A search run's number is its place in the storage, so `run["trial"]` must be the next one.
        """
        number, record = assignment
        template = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs={"run": dict(run), f"assignment/{number}": dict(record)},
        )
        study = self._trials if run["purpose"] == Purpose.SEARCH else self._confirms
        return _replay(self._storage.get_trial(self._storage.create_new_trial(study, template)))

    def assign(self, run: Run, number: int, record: Mapping[str, Any]) -> None:
        self._write(run, f"assignment/{number}", record)
        run.assignments[number] = record
        run.state = State.RUNNING

    def pause(self, run: Run, record: Mapping[str, Any]) -> None:
        """`record` says of which assignment it is the end."""
        self._write(run, f"pause/{run.step}", record)
        run.state = State.PAUSED

    def report(
        self, run: Run, report: Report, value: float | None, record: Mapping[str, Any]
    ) -> None:
        """One record with all metrics of a step; `record` holds who, when and the elapsed time."""
        content = {**record, "metrics": dict(report.metrics), "seconds": report.seconds}
        self._write(run, f"report/{report.step}", content)
        if value is not None:
            self._point(run, report.step, value)
        run.reports[report.step] = report
        run.stamps[report.step] = record

    def finish(
        self, run: Run, state: State, value: float | None, record: Mapping[str, Any]
    ) -> None:
        """`record` holds `values` where there are several objectives, `value` being the first."""
        content = {**record, "state": state, "value": value}
        self._write(run, "outcome", content)
        self._conclude(run, state, content)
        run.state, run.value, run.outcome = state, value, content

    def _write(self, run: Run, key: str, record: Mapping[str, Any]) -> None:
        self._storage.set_trial_user_attr(run.id, key, dict(record))

    def _point(self, run: Run, step: int, value: float) -> None:
        self._storage.set_trial_intermediate_value(run.id, step, value)

    def _conclude(self, run: Run, state: State, outcome: Mapping[str, Any]) -> None:
        one = None if outcome["value"] is None else [outcome["value"]]
        values = outcome.get("values", one)
        self._storage.set_trial_state_values(run.id, _OPTUNA_STATE[state], values)

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


class Unwritten(Journal):
    """A journal that keeps nothing but the runs it is asked to change, for simulations: the copies
    that a storage in memory makes would be most of their cost."""

    def __init__(self) -> None:
        self.uid = uuid.uuid4().hex
        self._notes: dict[str, Any] = {}
        self._begun = 0

    def runs(self) -> list[Run]:
        return []

    def note(self, key: str) -> Any:
        return self._notes.get(key)

    def write_note(self, key: str, value: Any) -> None:
        self._notes[key] = value

    def begin(
        self,
        run: Mapping[str, Any],
        params: Mapping[str, Scalar],
        distributions: Mapping[str, BaseDistribution],
        assignment: tuple[int, Mapping[str, Any]],
    ) -> Run:
        number, record = assignment
        attrs = {"run": run, f"assignment/{number}": record}
        self._begun += 1
        return _run(self._begun - 1, dict(params), attrs)

    def _write(self, run: Run, key: str, record: Mapping[str, Any]) -> None:
        pass

    def _conclude(self, run: Run, state: State, outcome: Mapping[str, Any]) -> None:
        pass

    def _point(self, run: Run, step: int, value: float) -> None:
        pass


def _replay(frozen: FrozenTrial) -> Run:
    return _run(frozen._trial_id, frozen.params, frozen.user_attrs)


def _run(id: int, params: Mapping[str, Scalar], attrs: Mapping[str, Any]) -> Run:
    about, outcome = attrs["run"], attrs.get("outcome", {})
    reports, stamps = {}, {}
    for key in sorted((k for k in attrs if k.startswith("report/")), key=_tail):
        record = attrs[key]
        reports[_tail(key)] = Report(_tail(key), record["metrics"], record["seconds"])
        stamps[_tail(key)] = record
    assignments = {_tail(k): v for k, v in attrs.items() if k.startswith("assignment/")}
    pauses = [record["assignment"] for key, record in attrs.items() if key.startswith("pause/")]
    unfinished = State.PAUSED if max(assignments) in pauses else State.RUNNING
    return Run(
        id=id,
        label=about["label"],
        purpose=Purpose(about["purpose"]),
        trial=about["trial"],
        seed=about["seed"],
        params=params,
        started=about["at"],
        assignments=assignments,
        reports=reports,
        stamps=stamps,
        parent=about.get("parent"),
        start=about.get("from", 0),
        state=State(outcome["state"]) if outcome else unfinished,
        value=outcome.get("value"),
        outcome=outcome,
    )


def _tail(key: str) -> int:
    return int(key.rpartition("/")[2])


def open_journal(
    spec: StudySpec, folder: Path, create: bool = False, storage: BaseStorage | None = None
) -> Journal:
    """The journal of the study in `folder`; `create`, under the driver's lock, begins it where the
    study has not begun. `storage` is the driver's own, where the journal is a database.

    Raises JournalDamaged, also where records are gone: what else the folder holds shows that they
    were there. Raises StudyNotFound where nothing was.
    """
    uid, begun = traces(folder)  # before the journal is read, for a driver writes that first
    fresh, own = not uid and not begun, storage
    try:
        own = storage or open_storage(spec.storage_address, folder, create and fresh)
        journal = Journal(own, spec.name, spec.aims.goals, create and fresh)
        _verify(journal, uid, begun)
    except BaseException as error:
        if own is not None and storage is None:
            disconnect(own)
        if isinstance(error, StudyNotFound) and not fresh:
            raise _lost(spec, folder) from None
        raise
    if create and not uid:
        mark(folder, journal.uid)
    return journal


def _verify(journal: Journal, uid: str, begun: int) -> None:
    if uid not in ("", journal.uid):
        raise journal.damaged(f"is another study's: its uid is {journal.uid}, not {uid}")
    if journal.begun < begun:
        wrong = f"ends before trial {begun - 1} begins, of which the study has files"
        raise journal.damaged(wrong)


def traces(folder: Path) -> tuple[str, int]:
    """What shows that a study has begun: its uid, or "", and how many trials it began at least."""
    files = (folder / "trials").glob("*.yaml")
    numbers = [int(file.stem) for file in files if file.stem.isdecimal()]
    marker = folder / _UID
    uid = marker.read_text(errors="replace").strip() if marker.exists() else ""
    return uid, max(numbers, default=-1) + 1


def mark(folder: Path, uid: str) -> None:
    """Leaves the trace that the study has begun, as `uid`, in its folder."""
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


def open_storage(address: Address | None, folder: Path, create: bool = True) -> BaseStorage:
    """The journal file in `folder`, or the database at `address` (PostgreSQL or SQLite)."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if address is not None:
        return open_database(address)
    path = folder / "journal.log"
    if not create and not path.exists():
        raise StudyNotFound(f"{path} does not exist: the study was never started.")
    if not path.exists():
        create_file(path)
    return CheckedStorage(path)


def keep_aside(storage: BaseStorage, name: str, number: int) -> None:
    """Keeps the trials of the study as the Optuna study NAME:earlier-NUMBER, and frees its name."""
    kept = f"{name}:earlier-{number}"
    optuna.copy_study(
        from_study_name=name, from_storage=storage, to_storage=storage, to_study_name=kept
    )
    for study in (name, f"{name}:confirm"):
        storage.delete_study(storage.get_study_id_from_name(study))


def forget(storage: BaseStorage, name: str) -> None:
    """Removes all records of the study, also those that were set aside."""
    for study in storage.get_all_studies():
        if study.study_name == name or study.study_name.startswith(f"{name}:"):
            storage.delete_study(study._study_id)
