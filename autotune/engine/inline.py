"""Runs a study in this process, one assignment at a time: `pdb` works, and so does a profiler."""

import time
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING

from autotune.engine.interrupt import Interrupts
from autotune.engine.ranks.group import lead
from autotune.engine.ranks.spawned import SpawnedRanks
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import work
from autotune.trial import Assignment, Decision, Failure, Reason, Reply, Report

if TYPE_CHECKING:
    from autotune.study.state_machine import Study

__all__ = ["run"]

_POLL = 0.05
"""Seconds between two questions while the study has nothing to hand out."""


def run(study: "Study", address: str | None = None) -> None:
    """Run `study` to its end. Joins no cluster: `address` has no effect.

    Raises KeyboardInterrupt after Ctrl-C and other stop signals, with everything written: calls of
    the study are never interrupted, and running trials can be resumed. Raises Hanging, with
    everything written, if a trial at its time limit hangs in a call that cannot be interrupted
    here.
    """
    study.slots = 1
    with Interrupts() as interrupts, SpawnedRanks() as ranks:
        try:
            _loop(study, interrupts, ranks)
        except KeyboardInterrupt:
            study.stop()
            raise


def _loop(study: "Study", interrupts: Interrupts, ranks: SpawnedRanks) -> None:
    from autotune.study.state_machine import Done

    while True:
        with interrupts.deferred():
            answer = study.next()
        if isinstance(answer, Done):
            return
        if isinstance(answer, Assignment):
            watch = Watch(answer)
            alone = answer.share.processes == 1
            replies = work(answer, watch) if alone else lead(answer, ranks, watch)
            _carry_out(study, answer, replies, interrupts)
        else:
            time.sleep(_POLL)


def _carry_out(
    study: "Study",
    assignment: Assignment,
    work: Generator[Reply, None, None],
    interrupts: Interrupts,
) -> None:
    ending = None
    with closing(work) as replies:
        for reply in replies:
            if interrupts.pending:
                raise interrupts.pending  # the work makes a failure of it, as of user code
            if not isinstance(reply, Report):
                ending = reply
                break
            with interrupts.deferred():
                decision = study.report(assignment, reply)
            if decision is not Decision.CONTINUE:
                break
        if isinstance(ending, Failure) and ending.reason is Reason.TIMEOUT:
            with interrupts.deferred():
                study.finish(assignment, ending)  # now: a hanging thread may never end
            return
    with interrupts.deferred():
        study.finish(assignment, ending)
