"""A virtual clock: workers train trials whose curves and costs are known beforehand."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from autotune.schedule import Scheduler
from autotune.trial import Decision, Scalar, State, Trial
from benchmarks.search.task import Curve, Task

__all__ = ["Anytime", "Proposer", "search"]


class Proposer(Protocol):
    """A sampler, ours or a peer's behind the same call."""

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None: ...


@dataclass(frozen=True, slots=True)
class Anytime:
    """The best loss seen: `losses[i]` from `seconds[i]` on."""

    seconds: tuple[float, ...]
    losses: tuple[float, ...]
    trials: int

    def at(self, seconds: float) -> float | None:
        known = [loss for t, loss in zip(self.seconds, self.losses, strict=True) if t <= seconds]
        return known[-1] if known else None


class _Clock:
    def __init__(self, task: Task, proposer: Proposer, scheduler: Scheduler) -> None:
        self.task, self.proposer, self.scheduler = task, proposer, scheduler
        self.trials: list[Trial] = []
        self.known: list[Curve] = []
        self.curves: dict[int, dict[int, float]] = {}
        self.queue: list[tuple[float, int, int]] = []
        """(time, trial, step) of the reports to come."""

    def start(self, now: float) -> bool:
        number = len(self.trials)
        self._refresh()
        params = self.proposer.propose(tuple(self.trials), number)
        if params is None:
            return False
        self.trials.append(Trial(number, params, State.RUNNING))
        self.known.append(self.task.curve(params))
        heapq.heappush(self.queue, (now + self.known[number].seconds[0], number, 1))
        return True

    def step(self) -> tuple[float, float, bool]:
        """The next report: when it comes, its loss, and whether its worker is free then."""
        now, number, step = heapq.heappop(self.queue)
        loss = self.known[number].losses[step - 1]
        curve = self.curves.setdefault(number, {})
        curve[step] = min(loss, curve.get(step - 1, loss))
        decision = self.scheduler.decide(number, step, self.curves)
        if step == len(self.known[number].losses):
            self._end(number, State.COMPLETE)
            return now, loss, True
        if decision != Decision.CONTINUE:
            self._end(number, State.PRUNED)
            return now, loss, True
        seconds = self.known[number].seconds
        heapq.heappush(self.queue, (now + seconds[step] - seconds[step - 1], number, step + 1))
        return now, loss, False

    def _refresh(self) -> None:
        for _, number, _ in self.queue:
            self.trials[number] = self._told(number, State.RUNNING)

    def _end(self, number: int, state: State) -> None:
        told = self._told(number, state)
        complete = state == State.COMPLETE
        self.trials[number] = replace(told, value=min(told.curve.values()) if complete else None)

    def _told(self, number: int, state: State) -> Trial:
        curve = {s: self.known[number].losses[s - 1] for s in self.curves.get(number, {})}
        return replace(self.trials[number], state=state, curve=curve)


def search(
    task: Task, proposer: Proposer, scheduler: Scheduler, workers: int, seconds: float
) -> Anytime:
    """Search for `seconds` of each worker, asynchronously, in the order of simulated time."""
    clock = _Clock(task, proposer, scheduler)
    times: list[float] = []
    losses: list[float] = []
    for _ in range(workers):
        clock.start(0.0)
    while clock.queue and clock.queue[0][0] <= seconds:
        now, loss, free = clock.step()
        if not losses or loss < losses[-1]:
            times.append(now)
            losses.append(loss)
        if free:
            clock.start(now)
    return Anytime(tuple(times), tuple(losses), len(clock.trials))
