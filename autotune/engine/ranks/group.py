"""The processes of one trial, led as one: rank 0 reports for all, all obey the decision at the same
step, and the end of one ends all.

Independent of the kind of process; see spawned.py and engine/ray/ranks.py.
"""

import re
import time
from collections.abc import Generator, Iterable
from typing import Literal, Protocol

from autotune.engine.ranks.rank import Answer, Lost
from autotune.engine.worker.time_limits import Watch
from autotune.train.duration import spoken
from autotune.trial import Assignment, Failure, Fault, Reason, Reply, Report

__all__ = ["Ranks", "lead"]

_LOOK = 0.2
"""Seconds between two looks at the clock."""
_SETTLE = 5.0
"""Seconds to wait for the cause behind errors that look like consequences."""
_UNWIND = 60.0
"""Seconds that ranks have to end after they were told to stop."""
_RELENT = 5.0
"""The same for ranks that cannot be told, because they do not report."""
_PEERS = re.compile(
    r"gloo|nccl|Dist(Backend|Network|Store)Error|Connection (closed|reset|refused)|Socket"
    r"|Broken pipe|[Tt]imed? ?out",
)
"""Error texts of a process whose peers are gone."""


class Ranks(Protocol):
    """The processes, kept from one trial to the next. Each handles one request at a time."""

    def begin(self, assignment: Assignment) -> None:
        """Start missing processes, and give each its rank and the work. Raises OSError if one does
        not start."""
        ...

    def ask(self, rank: int, what: Literal["next", "close"]) -> None: ...

    def answers(self, timeout: float) -> Iterable[tuple[int, Answer]]:
        """The answers so far, and Lost for a process that has ended; waits for one of them."""
        ...

    def end(self) -> None:
        """Ends all of them at once."""
        ...


def lead(
    assignment: Assignment, ranks: Ranks, watch: Watch | None = None
) -> Generator[Reply, None, None]:
    """The replies of `work` on the assignment, run by the processes `ranks`.

    Closing the generator stops all of them at the last reported step; they are kept for the next
    trial. After a failure, and if they do not stop, they are ended.
    """
    try:
        ranks.begin(assignment)
    except OSError as error:
        ranks.end()
        yield Failure(Reason.LOST, f"a process of the trial did not start: {error}")
        return
    leader, in_order = _Leader(assignment, ranks, watch), False
    try:
        for reply in leader.replies():
            try:
                yield reply
            except GeneratorExit:
                in_order = isinstance(reply, Report) and leader.stop()
                raise
            if not isinstance(reply, Report):
                return
        in_order = leader.stop()
    finally:
        if not in_order:
            ranks.end()


class _Leader:
    def __init__(self, assignment: Assignment, ranks: Ranks, watch: Watch | None) -> None:
        self._assignment, self._ranks, self._watch = assignment, ranks, watch
        self._size = assignment.share.processes
        self._asked: set[int] = set()
        """Ranks at work, which owe an answer."""
        self._at: dict[int, int] = {}
        """Ranks that wait for a decision, each with its reported step."""
        self._decided = self._reported = assignment.from_step
        """The last step at which all continue, and the last one that rank 0 has reported."""
        self._reporters: set[int] = set()
        self._first: Report | None = None
        """Rank 0's report that is not answered yet."""
        self._ended: set[int] = set()
        self._failures: dict[int, Failure | Fault | Lost] = {}
        """In order of arrival."""
        self._alone = 0.0
        """Seconds that some ranks have waited for others."""

    def replies(self) -> Generator[Reply, None, None]:
        for rank in range(self._size):
            self._ask(rank, "next")
        while len(self._ended) < self._size:
            passed = self._listen()
            if report := self._first:
                self._first = None
                if self._watch:
                    self._watch.heard(report)
                yield report
                self._decided = report.step
                self._ask(0, "next")
                passed = 0.0
            if self._failures:
                self._settle()
                yield self._ending()
                return
            self._release()
            late = self._late(passed) or (self._watch and self._watch.waited(passed))
            if late:
                yield late
                return

    def stop(self) -> bool:
        """Ends the work of all, each at the step at which rank 0 has stopped. Returns whether they
        are alive and have ended it."""
        told, silent = set[int](), time.monotonic() + _RELENT
        until = time.monotonic() + _UNWIND
        while len(told) < self._size or self._asked:
            for rank in set(range(self._size)) - self._asked - told:
                lags = self._at.pop(rank, self._reported) < self._reported
                told |= set() if lags else {rank}
                self._ask(rank, "next" if lags else "close")
            self._listen()
            if any(isinstance(failure, Lost) for failure in self._failures.values()):
                return False
            if self._asked & (told | self._reporters):
                silent = time.monotonic() + _RELENT
            if time.monotonic() > min(until, silent):
                return False
        return True

    # Requests and answers

    def _ask(self, rank: int, what: Literal["next", "close"]) -> None:
        self._asked.add(rank)
        self._ranks.ask(rank, what)

    def _listen(self) -> float:
        """Receives answers; returns the seconds that have passed."""
        began = time.monotonic()
        for rank, answer in self._ranks.answers(_LOOK):
            self._asked.discard(rank)
            self._alone = 0.0
            match answer:
                case Report(step) if rank == 0:
                    self._first, self._reported = answer, step
                case Report(step):
                    self._at[rank] = step
                    self._reporters.add(rank)
                case None:
                    self._ended.add(rank)
                case _:
                    self._failures[rank] = answer
        return time.monotonic() - began

    def _release(self) -> None:
        """Continues ranks that have reached a step at which all continue, or after rank 0 is
        done."""
        for rank, step in list(self._at.items()):
            if step <= self._decided or 0 in self._ended:
                del self._at[rank]
                self._ask(rank, "next")

    # Failures

    def _late(self, passed: float) -> Failure | None:
        """The failure of waiting too long for other ranks."""
        waiting = set(self._at) | (self._ended & {0})
        if not waiting or not self._asked:
            self._alone = 0.0
            return None
        self._alone += min(passed, 1.0)  # or the leader itself was delayed
        limit = self._assignment.collective_timeout
        if self._alone <= limit:
            return None
        what = "end" if 0 in self._ended else f"reach step {min(self._at.values())}"
        said = f"{self._those(self._asked)} did not {what} within {spoken(limit)} of its peers"
        return Failure(Reason.LOST, f"{said} (worker.collective_timeout)")

    def _settle(self) -> None:
        """Waits for the cause while there are only consequences."""
        until = time.monotonic() + _SETTLE
        while self._asked and not self._cause() and time.monotonic() < until:
            self._listen()

    def _cause(self) -> tuple[int, Failure | Fault | Lost] | None:
        """The first failure that is not a consequence of another one."""
        for rank, failure in self._failures.items():
            left_alone = (
                isinstance(failure, Failure)
                and failure.reason is Reason.EXCEPTION
                and _PEERS.search(failure.message)
            )
            if not left_alone:
                return rank, failure
        return None

    def _ending(self) -> Failure | Fault:
        cause = self._cause()
        if cause is None:
            return self._left_alone()
        rank, failure = cause
        match failure:
            case Lost(how):
                return Failure(Reason.LOST, f"{self._those({rank})} died{f' ({how})' * bool(how)}")
            case Failure(reason, message) if rank:
                return Failure(reason, f"{message} (in {self._those({rank})})")
            case _:
                return failure

    def _left_alone(self) -> Failure:
        """All failures look like consequences, and no cause was reported."""
        rank, failure = next(iter(self._failures.items()))
        assert isinstance(failure, Failure)
        if self._asked:
            why = f"{self._those(self._asked)} hangs: its peers waited for it in a collective"
            why += " (worker.collective_timeout)"
        elif gone := self._ended | set(self._at):
            why = f"{self._those(gone)} did not take part in a collective of its peers"
            return Failure(Reason.EXCEPTION, f"{why}: {failure.message}")
        else:
            why = "its processes lost one another"
        return Failure(Reason.LOST, f"{why}: {failure.message} (in {self._those({rank})})")

    def _those(self, ranks: Iterable[int]) -> str:
        numbers = sorted(ranks)
        word = "rank" if len(numbers) == 1 else "ranks"
        return f"{word} {', '.join(map(str, numbers))} of {self._size}"
