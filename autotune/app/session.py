"""A study whose trials the caller runs: its state machine and its tracker, open until `close`."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from autotune.app.provenance import provenance
from autotune.app.runner import LateTracker
from autotune.app.steer import obeying
from autotune.machine_faults import as_machine_faults
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.study.history import History
from autotune.study.state_machine import Wait
from autotune.trial import Assignment, Decision, Failure, Report

__all__ = ["Session"]

T = TypeVar("T")
_MANY = 1_000_000
"""Trials that may be out at once."""
_POLL = 0.2
"""Seconds between two questions in a pause."""


class Session:
    def __init__(self, spec: StudySpec, runs: Path) -> None:
        """Holds the study's lock. Raises StudyBusy, StudyChanged and JournalDamaged."""
        self._tracker = LateTracker(spec, runs.absolute())
        with as_machine_faults():
            self._study = state_machine.start(
                spec, runs.absolute(), [self._tracker.record], provenance("ask and tell")
            )
        self._tracker.watch(self._study.history)
        self._study.slots = _MANY
        self._obeying = ExitStack()
        self._obeying.enter_context(obeying(self._study))
        self._closed = False

    @property
    def history(self) -> History:
        return self._study.history

    @property
    def over(self) -> bool:
        """Nothing is left to hand out, and nothing is out."""
        return not self._study.running and self._study.complete

    def next(self) -> Assignment | None:
        """None while what is left depends on what is out, and when nothing is left. Waits while a
        person has paused the study, and nothing is out."""
        answer = self._safely(self._study.next)
        while self.history.paused and not self._study.running and isinstance(answer, Wait):
            time.sleep(_POLL)
            answer = self._safely(self._study.next)
        return answer if isinstance(answer, Assignment) else None

    def report(self, assignment: Assignment, report: Report) -> Decision:
        return self._safely(lambda: self._study.report(assignment, report))

    def finish(self, assignment: Assignment, failure: Failure | None = None) -> None:
        self._safely(lambda: self._study.finish(assignment, failure))

    def _safely(self, call: Callable[[], T]) -> T:
        with as_machine_faults():
            answer = call()
        self._study.raise_error()
        return answer

    def close(self, patience: float = 30.0) -> str:
        """Lets the next driver in; what the tracker did not write. Safe to call twice."""
        if self._closed:
            return ""
        self._closed = True
        self._obeying.close()
        self._study.stop()
        self._study.close()
        return self._tracker.close(patience)
