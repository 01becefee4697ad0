"""The time limits of an assignment: what has passed, and which of them is exceeded.

Time-outs are the one thing that is decided by a clock on the wall: the work itself cannot say that
it hangs. Only time during which somebody looked for a report counts; a driver that was stopped
(Ctrl-Z) or busy finds the reports that have come meanwhile first.
"""

from autotune.train.duration import spoken
from autotune.trial import Assignment, Failure, Reason, Report

__all__ = ["Watch"]

_LONGEST_LOOK = 1.0
"""Seconds. Looks are more frequent, unless something has delayed them."""


class Watch:
    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._spent, self._waited, self._last = assignment.spent, 0.0, assignment.from_step

    @property
    def limited(self) -> bool:
        return self._assignment.timeout is not None or self._assignment.silence is not None

    def heard(self, report: Report) -> None:
        self._spent += report.seconds
        self._waited, self._last = 0.0, report.step

    def waited(self, seconds: float) -> Failure | None:
        """After this many more seconds without a report: the failure, if any."""
        self._waited += min(seconds, _LONGEST_LOOK)
        timeout, silence = self._assignment.timeout, self._assignment.silence
        after = f"after step {self._last}" if self._last else "before its first report"
        if silence is not None and self._waited > silence:
            said = f"no report for {spoken(silence)}, {after} (worker.silence)"
        elif timeout is not None and self._spent + self._waited > timeout:
            said = f"worked for longer than {spoken(timeout)}, stopped {after} (trial.timeout)"
        else:
            return None
        return Failure(Reason.TIMEOUT, said)
