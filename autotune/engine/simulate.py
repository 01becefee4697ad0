"""Runs a study on a virtual clock: many workers in one process, in the order of simulated time.

The work is what any engine is given, an iterator of reports; each report's `seconds` is how long
its step takes. Reports reach the study in the order in which the simulated workers would bring
them, and the study's time (`budget.time`, elapsed, stamps) is that of the clock. With work that
depends on its assignment alone, the same spec gives the same study for the same number of workers.

Where trials differ in size (`worker.sizes`, a searched `parallel`), a worker is what the smallest
one needs, and others take several. They are placed as on Ray: first come, first served. One that
finds no room waits, and nothing is asked for until it has begun; so it waits for those that run and
for nobody else.

    def curve(config, seed):                      # a table, a surrogate, a formula
        for step in range(1, 51):
            yield {"loss": config["lr"] / step}, 2.5     # metrics and seconds of the step

    simulate.run(study.in_memory(spec), workers=16, work=simulate.recorded(curve))
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Any

from autotune.engine.interrupt import Interrupts
from autotune.engine.worker import work
from autotune.engine.worker.time_limits import Watch
from autotune.errors import InvalidInput, Problem
from autotune.study.clock import VirtualClock
from autotune.trial import Assignment, Decision, Reply, Report, Share

if TYPE_CHECKING:
    from autotune.study.state_machine import Study

__all__ = ["Curve", "Work", "real", "recorded", "run"]

Work = Callable[[Assignment], Iterator[Reply]]
"""Wraps `real` work: the reports, and a Failure or a Fault if it ends in one."""

Curve = Callable[[Mapping[str, Any], int], Iterable[tuple[Mapping[str, float], float]]]
"""(config, seed) -> metrics and seconds of step 1, 2, 3, ..."""

_POLL = 0.05
"""Real seconds between two questions while nothing runs and the study has nothing to hand out."""


def recorded(curve: Curve) -> Work:
    """Work from recorded curves: an assignment gets its steps of the curve. Continuing from a
    checkpoint costs nothing for earlier steps."""

    def work(assignment: Assignment) -> Iterator[Reply]:
        steps = enumerate(curve(assignment.config, assignment.seed), 1)
        for step, (metrics, seconds) in steps:
            if assignment.to_step is not None and step > assignment.to_step:
                return
            if step > assignment.from_step:
                yield Report(step, metrics, seconds)

    return work


def real(assignment: Assignment) -> Iterator[Reply]:
    """Real work, within the time limits of the assignment."""
    return work.work(assignment, Watch(assignment))


def run(study: "Study", workers: int = 1, work: Work = real) -> None:
    """Run `study` to its end with `workers`, or fewer if `work.max` says so.

    The default `work` trains in this process, one step of one worker at a time, and uses the
    measured seconds as costs. Raises KeyboardInterrupt after Ctrl-C, as inline does.
    """
    sizes = _sizes(study.shares(), workers)
    study.slots = min(workers, study.spec.worker.max or workers)
    study.clock = clock = VirtualClock()
    with Interrupts() as interrupts:
        simulation = _Simulation(study, clock, work, (workers, sizes), interrupts)
        try:
            simulation.run()
        except KeyboardInterrupt:
            study.stop()
            raise
        finally:
            simulation.close()


@dataclass(slots=True)
class _Job:
    """The job of one simulated worker."""

    assignment: Assignment
    replies: Iterator[Reply]
    reply: Reply | None = None
    """Comes when the clock reaches the job's time; None: the work then ends by itself."""
    workers: Sequence[int] = (0,)
    """Those it takes."""

    def advance(self) -> float:
        """Runs the next step; its simulated seconds."""
        self.reply = next(self.replies, None)
        return self.reply.seconds if isinstance(self.reply, Report) else 0.0

    def close(self) -> None:
        if close := getattr(self.replies, "close", None):
            close()


def _sizes(shares: Sequence[Share], workers: int) -> dict[Share, int]:
    """How many workers each trial takes. Raises InvalidInput if there are not enough."""
    smallest = min(shares, key=lambda share: (share.cpus * share.processes, share.all_gpus))
    sizes = {share: _size(share, smallest) for share in shares}
    if (most := max(sizes.values())) > workers:
        message = f"the largest trial takes {most} workers, but {workers} are simulated"
        raise InvalidInput([Problem(message, ("worker",))])
    return sizes


def _size(share: Share, smallest: Share) -> int:
    size = share.cpus * share.processes / (smallest.cpus * smallest.processes)
    if smallest.gpus:
        size = max(size, share.all_gpus / smallest.all_gpus)
    return math.ceil(size - 1e-6)


class _Simulation:
    """Jobs wait in a heap by time; those of the same instant in order of insertion."""

    def __init__(
        self,
        study: "Study",
        clock: VirtualClock,
        work: Work,
        room: tuple[int, Mapping[Share, int]],
        interrupts: Interrupts,
    ) -> None:
        self._study, self._clock, self._work, self._interrupts = study, clock, work, interrupts
        self._jobs: list[tuple[float, int, _Job]] = []
        self._order = count()
        workers, self._sizes = room
        self._idle = list(range(workers - 1, -1, -1))
        self._waiting: Assignment | None = None
        """Handed out, but without free workers yet."""

    def run(self) -> None:
        while self._hand_out():
            if self._jobs:
                self._clock.seconds, _, job = heappop(self._jobs)
                try:
                    self._step(job)
                except BaseException:
                    job.close()
                    raise
            else:
                time.sleep(_POLL)

    def close(self) -> None:
        """Ends the running work, on the way out."""
        while self._jobs:
            self._jobs.pop()[2].close()

    def _hand_out(self) -> bool:
        """Gives work to idle workers; False when the study is done."""
        from autotune.study.state_machine import Done

        while self._idle:
            answer: Any = self._waiting
            if answer is None:
                with self._interrupts.deferred():
                    answer = self._study.next()
            if not isinstance(answer, Assignment):
                return not isinstance(answer, Done)
            size = self._sizes.get(answer.share, 1)
            self._waiting = answer if size > len(self._idle) else None
            if self._waiting:
                return True
            taken = [self._idle.pop() for _ in range(size)]
            self._put(_Job(answer, self._work(answer), workers=taken))
        return True

    def _put(self, job: _Job) -> None:
        seconds = job.advance()
        if self._interrupts.pending:  # the work turns it into a failure, like an error of user code
            job.close()
            raise self._interrupts.pending
        heappush(self._jobs, (self._clock.seconds + seconds, next(self._order), job))

    def _step(self, job: _Job) -> None:
        if isinstance(job.reply, Report):
            last = job.reply.step == job.assignment.to_step
            with self._interrupts.deferred():
                name = f"simulated:{job.workers[0]}"
                decision = self._study.report(job.assignment, job.reply, name)
            if decision is Decision.CONTINUE and not last:
                self._put(job)
                return
            if decision is Decision.CONTINUE:  # only its end is left, at the same instant
                job.advance()
        ending = None if isinstance(job.reply, Report) else job.reply
        job.close()
        with self._interrupts.deferred():
            self._study.finish(job.assignment, ending)
        self._idle.extend(reversed(job.workers))
