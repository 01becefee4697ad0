"""Turns the whole records of a damaged journal into the records of a new one.

Optuna numbers runs by the order of their first records, and all other records name a run by that
number: after a lost first record, the rest would belong to other runs. The numbers can be
recovered: a first record names its trial and its assignment, and a report its assignment. A trial
whose first record is lost gets another from its file, `trials/<n>.yaml`; a retraining is begun
again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from optuna.distributions import distribution_to_json
from optuna.storages.journal._storage import JournalOperation, JournalStorageReplayResult
from optuna.study import StudyDirection
from optuna.trial import TrialState

from autotune import spec as specs
from autotune.errors import UserError
from autotune.search.distributions import distribution
from autotune.space import is_active
from autotune.spec import StudySpec
from autotune.study.journal.file import Record
from autotune.trial import Purpose, Scalar, State

__all__ = ["Salvage", "Senseless"]

_BY = {"worker_id": "autotune-repair"}
_TRIALS, _CONFIRMS = 0, 1
"""Ids of our two Optuna studies, which are the first of every journal."""
_MOST_LOST = 100_000
"""How many lost first records are searched for before a record's run."""


class Senseless(Exception):
    """The records contradict each other, and no file of the study helps."""


@dataclass(slots=True)
class _Kept:
    """A run in the new journal."""

    number: int
    label: str
    assignments: set[int]
    step: int
    """The last step reported; before the first, the step it started from."""
    claimed: int = 0
    """The last step that an assignment or a pause names; beyond `step` if reports are lost."""
    reported: bool = False
    ended: bool = False


@dataclass(frozen=True, slots=True)
class _First:
    """The content of a run's first record."""

    purpose: Purpose
    trial: int
    label: str
    step: int
    assignments: frozenset[int]

    @property
    def search(self) -> bool:
        return self.purpose == Purpose.SEARCH

    @classmethod
    def of(cls, record: Record) -> "_First | None":
        """None for any other record, and for trials of other programs."""
        try:
            about, attributes = record["user_attrs"]["run"], record["user_attrs"]
            numbers = [int(key[11:]) for key in attributes if key[:11] == "assignment/"]
            purpose, trial, label = Purpose(about["purpose"]), int(about["trial"]), about["label"]
            first = cls(purpose, trial, label, int(about.get("from", 0)), frozenset(numbers))
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        study = _TRIALS if first.search else _CONFIRMS
        return first if record.get("study_id") == study and numbers else None


class Salvage:
    """`records` form a new journal with the content of the whole records `found`."""

    def __init__(
        self, spec: StudySpec, folder: Path, notes: Mapping[str, Any], found: Sequence[Record]
    ) -> None:
        """`notes` on the study, its uid among them, hold unless a record says otherwise. Raises
        Senseless."""
        self._spec, self._folder = spec, folder
        self.records: list[Record] = []
        self.left_out = 0
        """How many of `found` are left out: they make no sense without the lost ones."""
        self.stood_in: list[int] = []
        """Trials whose first record was lost and comes from their file."""
        self.reopened: dict[str, str] = {}
        """Label of a run that goes on -> what of it is lost, so that it has not ended."""
        self._replay = JournalStorageReplayResult("")
        self._kept: dict[int, _Kept] = {}
        """By the run's number in the old journal."""
        self._next = self.trials = 0
        """The old number of the next run, and the number of trials so far."""
        self._known: set[tuple[Purpose, str]] = set()
        firsts = [first for record in found if (first := _First.of(record))]
        self._named = {first.trial for first in firsts if first.search}
        self._owners = dict(owner for record in found for owner in _owner(record))
        numbers = [number for first in firsts for number in first.assignments]
        self._fresh = 1 + max([-1, *numbers, *self._owners])
        uids = [str(record["user_attr"]["uid"]) for record in found if "uid" in _attribute(record)]
        self.uid = str([*uids, notes["uid"]][0])
        self._begin({**notes, "uid": self.uid})
        for record in found:
            self.left_out += not self._makes_sense(record)
        while self._file(self.trials).exists():
            self._stand_in()
        for kept in self._kept.values():
            if not kept.ended and kept.claimed > kept.step:
                self._assign(kept, self._new_assignment())

    def _begin(self, notes: Mapping[str, Any]) -> None:
        directions = [StudyDirection[goal.name] for goal in self._spec.scoring.goals]
        for name in (self._spec.name, f"{self._spec.name}:confirm"):
            create = {"study_name": name, "directions": directions}
            self._append({"op_code": JournalOperation.CREATE_STUDY, **_BY, **create})
        for key, value in notes.items():
            note = {"study_id": _TRIALS, "user_attr": {key: value}}
            self._append({"op_code": JournalOperation.SET_STUDY_USER_ATTR, **_BY, **note})

    def _append(self, record: Record) -> bool:
        """Whether it can be replayed after those before it."""
        try:
            self._replay.apply_logs([record])
        except Exception:
            return False
        self.records.append(record)
        return True

    def _makes_sense(self, record: Record) -> bool:
        try:
            return self._take(record)
        except (KeyError, TypeError, ValueError, AttributeError):
            return False  # no driver wrote it

    def _take(self, record: Record) -> bool:
        """Whether the record is kept, or repeats one that is."""
        operation = record.get("op_code")
        if operation == JournalOperation.CREATE_STUDY:
            ours = str(record.get("study_name")).partition(":")[0] == self._spec.name
            return ours or self._append(record)
        if operation == JournalOperation.CREATE_TRIAL:
            return self._create(record)
        if "trial_id" in record:
            return self._change(record)
        if "uid" in _attribute(record):
            return True
        return record.get("study_id") in self._replay._studies and self._append(record)

    # Runs

    def _create(self, record: Record) -> bool:
        first = _First.of(record)
        if first is None:  # another program's
            self._next += 1
            return False
        if (
            first.trial < self.trials
            if first.search
            else (first.purpose, first.label) in self._known
        ):
            return False  # doubled
        self._pass_lost(first)
        self._next += 1
        return self._add(record, self._next - 1, first)

    def _knows(self, first: _First) -> bool:
        return (first.purpose, first.label) in self._known or (
            first.search and first.trial < self.trials
        )

    def _pass_lost(self, first: _First) -> None:
        """Accounts for the runs before `first` whose first records are lost."""
        stated = {self._owners[number] for number in first.assignments if number in self._owners}
        lost = first.trial - self.trials if first.search else 0
        self._lose(max([self._next + lost, *stated]))
        while first.search and self.trials < first.trial:
            self._stand_in()
        if stated - {self._next}:
            raise Senseless(f"{first.label} is run {self._next} and {min(stated)}")

    def _lose(self, end: int) -> None:
        """All unknown runs with old numbers below `end` have lost their first record. Those that
        were trials have files."""
        for number in range(self._next, end):
            if self.trials not in self._named and self._file(self.trials).exists():
                self._stand_in(number)
        self._next = max(end, self._next)

    def _add(self, record: Record, old: int | None, first: _First) -> bool:
        if not self._append(record):
            return False
        if old is not None:
            new = len(self._replay._trials) - 1
            self._kept[old] = _Kept(new, first.label, set(first.assignments), first.step)
        self.trials += first.search
        self._known.add((first.purpose, first.label))
        return True

    def _change(self, record: Record) -> bool:
        old = record["trial_id"]
        if not isinstance(old, int):
            return False
        if self._next <= old < self._next + _MOST_LOST:
            self._lose(old + 1)
        kept = self._kept.get(old)
        if kept is None:
            return False
        if record.get("op_code") == JournalOperation.SET_TRIAL_STATE_VALUES and not kept.ended:
            self.reopened.setdefault(kept.label, "its outcome")
            return False
        for key, value in _attribute(record).items():
            if not self._note(kept, key, value):
                return False
        return self._append({**record, "trial_id": kept.number})

    def _note(self, kept: _Kept, key: str, value: Any) -> bool:
        """Updates what is known of a run, and replaces a lost assignment. False: the attribute
        means nothing without the lost records."""
        kind, _, number = key.partition("/")
        if kind not in ("assignment", "report", "pause", "outcome"):
            return True
        if kind == "outcome":
            kept.ended = kept.reported or value["state"] == State.FAILED
            if not kept.ended:
                self.reopened[kept.label] = "all its reports"
            return kept.ended
        if kind == "assignment":
            kept.assignments.add(int(number))
            kept.claimed = max(kept.claimed, value["from"])
            return True
        if value["assignment"] not in kept.assignments:
            self._assign(kept, value["assignment"])
        kept.claimed = max(kept.claimed, int(number))
        if kind == "report":
            kept.step, kept.reported = max(kept.step, int(number)), True
        return True

    def _assign(self, kept: _Kept, number: int) -> None:
        """Hands out the run as `number`, at the last known step."""
        kept.assignments.add(number)
        change = {f"assignment/{number}": {"why": "resume", "from": kept.step}}
        about = {"trial_id": kept.number, "user_attr": change}
        self._append({"op_code": JournalOperation.SET_TRIAL_USER_ATTR, **_BY, **about})

    # Trials by their files

    def _file(self, trial: int) -> Path:
        return self._folder / "trials" / f"{trial}.yaml"

    def _stand_in(self, old: int | None = None) -> None:
        """The next trial, whose first record is lost, begins with the configuration of its file."""
        file, label = self._file(self.trials), f"trial-{self.trials:04d}"
        try:
            config, at = specs.load_config(file), file.stat().st_mtime
        except (UserError, OSError):
            raise Senseless(f"{label} has neither its first record nor {file}") from None
        numbers = [number for number, owner in self._owners.items() if owner == old]
        number = min(numbers) if numbers else self._new_assignment()
        about = {"label": label, "purpose": Purpose.SEARCH, "trial": self.trials, "at": at}
        attributes = {
            "run": {**about, "seed": config["seed"]},
            f"assignment/{number}": {"why": "start", "from": 0},
        }
        first = _First(Purpose.SEARCH, self.trials, label, 0, frozenset([number]))
        self.stood_in.append(self.trials)
        if not self._add(self._first_record(self._params(config), attributes, at), old, first):
            raise Senseless(f"{file} does not describe a trial")

    def _new_assignment(self) -> int:
        self._fresh += 1
        return self._fresh - 1

    def _first_record(self, params: dict[str, Scalar], attributes: Record, at: float) -> Record:
        """In Optuna's format."""
        found = {name: distribution(self._spec.space.parameters[name]) for name in params}
        return {
            "op_code": JournalOperation.CREATE_TRIAL,
            **_BY,
            "study_id": _TRIALS,
            "datetime_start": datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds"),
            "state": TrialState.RUNNING,
            "value": None,
            "values": None,
            "distributions": {name: distribution_to_json(d) for name, d in found.items()},
            "params": {name: d.to_internal_repr(params[name]) for name, d in found.items()},
            "user_attrs": attributes,
            "system_attrs": {},
            "intermediate_values": {},
        }

    def _params(self, config: Any) -> dict[str, Scalar]:
        params: dict[str, Scalar] = {}
        for name, parameter in self._spec.space.parameters.items():
            if is_active(parameter, params):
                value = config
                for key in name.split("."):
                    value = value.get(key) if isinstance(value, dict) else None
                if not parameter.contains(value):
                    file = self._file(self.trials)
                    raise Senseless(f"{file} has no {name} that the study searches")
                params[name] = value
        return params


def _attribute(record: Record) -> dict[str, Any]:
    """The attribute that the record sets; {} for other records."""
    found = record.get("user_attr")
    return found if isinstance(found, dict) else {}


def _owner(record: Record) -> Iterator[tuple[int, int]]:
    """(assignment, old number of its run), if the record names them."""
    if not isinstance(record.get("trial_id"), int):
        return
    for key, value in _attribute(record).items():
        kind, _, number = key.partition("/")
        if kind == "assignment" and number.isdecimal():
            yield int(number), record["trial_id"]
        elif kind in ("report", "pause") and isinstance(value, dict):
            if isinstance(value.get("assignment"), int):
                yield value["assignment"], record["trial_id"]
