"""Reads the journal's file without Optuna, in a quarter of the time, for reading commands.

It understands only records that our studies write. Anything else, damage included, is left to
Optuna's replay, which reports what is wrong.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from autotune.study.journal.file import LONGEST, Record, judge, sound
from autotune.trial import Scalar

__all__ = ["Found", "ReadStudy", "ReadTrial", "read"]

_CREATE_STUDY, _STUDY_ATTRIBUTE, _CREATE_TRIAL, _STATE, _ATTRIBUTE = 0, 2, 4, 6, 8
_OVERLOOKED = {3, 7, 9}
"""Optuna's operations that are written but that no reader needs."""
_FINISHED = {1, 2, 3}


@dataclass(slots=True)
class ReadTrial:
    """The used part of an Optuna trial."""

    id: int
    number: int
    params: Mapping[str, Scalar]
    attrs: dict[str, Any]
    finished: bool = False
    """From then on Optuna accepts no attribute."""


@dataclass(slots=True)
class ReadStudy:
    attrs: dict[str, Any] = field(default_factory=dict)
    trials: list[ReadTrial] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Found:
    studies: Mapping[str, ReadStudy]
    """By name."""
    unchecked: int
    """Lines without a checksum."""


def read(path: Path) -> Found | None:
    """None if the file holds anything that this reader does not understand."""
    replay, unchecked = _Replay(), 0
    try:
        for record, checked in _records(path):
            unchecked += not checked
            replay.apply(record)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return None
    return Found(replay.by_name, unchecked)


def _records(path: Path) -> Iterator[tuple[Record, bool]]:
    """Each with whether it carries a checksum. Raises ValueError for a line that is not sound; a
    torn last one is left out."""
    chain = 0
    with path.open("rb") as file:
        while raw := file.readline(LONGEST):
            if found := sound(raw, chain):
                record, chain = found
                yield record, True
            elif raw.endswith(b"\n") or len(raw) == LONGEST:
                line = judge(raw, 0, chain)
                if line.wrong or line.record is None:
                    raise ValueError(line.wrong)
                chain = line.chain
                yield line.record, line.checked


class _Replay:
    """Optuna's numbering: studies and trials count from 0, in order of creation."""

    def __init__(self) -> None:
        self.by_name: dict[str, ReadStudy] = {}
        self._studies: list[ReadStudy] = []
        self._trials: list[ReadTrial] = []
        self._operations: Mapping[int, Callable[[Record], None]] = {
            _CREATE_STUDY: self._create_study,
            _STUDY_ATTRIBUTE: self._study_attribute,
            _CREATE_TRIAL: self._create_trial,
            _STATE: self._state,
            _ATTRIBUTE: self._attribute,
        }

    def apply(self, record: Record) -> None:
        """Raises some built-in exception for anything it does not understand."""
        operation = record["op_code"]
        if operation not in _OVERLOOKED:
            self._operations[operation](record)
        elif "trial_id" in record:
            self._trial(record)
        else:
            self._study(record)

    def _create_study(self, record: Record) -> None:
        name = record["study_name"]
        if name in self.by_name:
            raise ValueError(name)
        self.by_name[name] = ReadStudy()
        self._studies.append(self.by_name[name])

    def _study(self, record: Record) -> ReadStudy:
        return self._studies[_index(record["study_id"])]

    def _trial(self, record: Record) -> ReadTrial:
        return self._trials[_index(record["trial_id"])]

    def _study_attribute(self, record: Record) -> None:
        self._study(record).attrs.update(record["user_attr"])

    def _create_trial(self, record: Record) -> None:
        kinds = record["distributions"]
        params = {name: _decoder(kinds[name])(value) for name, value in record["params"].items()}
        trials = self._study(record).trials
        trial = ReadTrial(len(self._trials), len(trials), params, dict(record["user_attrs"]))
        trials.append(trial)
        self._trials.append(trial)

    def _state(self, record: Record) -> None:
        if record["state"] in _FINISHED:
            self._trial(record).finished = True

    def _attribute(self, record: Record) -> None:
        trial = self._trial(record)
        if not trial.finished:
            trial.attrs.update(record["user_attr"])


def _index(value: object) -> int:
    """Not -1, which Python would read as the last one."""
    if not isinstance(value, int) or value < 0:
        raise LookupError(value)
    return value


@lru_cache(maxsize=4096)
def _decoder(kind: str) -> Callable[[Any], Scalar]:
    """Maps Optuna's number for a value to the value, by its distribution in JSON."""
    distribution = json.loads(kind)
    name, attributes = distribution["name"], distribution["attributes"]
    decoders: Mapping[str, Callable[[Any], Scalar]] = {
        "FloatDistribution": float,
        "IntDistribution": int,
        "CategoricalDistribution": lambda index: attributes["choices"][int(index)],
    }
    return decoders[name]
