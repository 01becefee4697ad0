"""A virtual clock for the peers: workers train what an ask/tell interface hands out."""

import heapq
from dataclasses import dataclass
from typing import Protocol

from autotune.trial import Scalar
from benchmarks.search.task import Anytime, Curve, Task

__all__ = ["Peer", "Work", "search"]


@dataclass(frozen=True, slots=True)
class Work:
    """Train `params` from epoch `first` to epoch `last`, both inclusive."""

    key: int
    """The peer's own name for it."""
    params: dict[str, Scalar]
    first: int
    last: int


class Peer(Protocol):
    """Another tuner behind its own public interface. Losses are minimized."""

    def ask(self) -> Work:
        """What a free worker is to do; other work may be under way."""
        ...

    def report(self, work: Work, epoch: int, loss: float) -> bool:
        """Whether the work goes on; only asked before its last epoch."""
        ...

    def done(self, work: Work, losses: list[float]) -> None:
        """The work has ended, stopped or not: the losses of its epochs so far, from the first one
        of the training on."""
        ...


def search(task: Task, peer: Peer, workers: int, seconds: float) -> Anytime:
    """Search for `seconds` of each worker, asynchronously, in the order of simulated time."""
    found = Anytime()
    queue: list[tuple[float, int, int, Work, Curve]] = []

    def start(now: float) -> None:
        work = peer.ask()
        found.trials += 1
        curve = task.curve(work.params)
        _put(queue, now, found.trials, work.first, work, curve)

    for _ in range(workers):
        start(0.0)
    while queue[0][0] <= seconds:
        now, order, epoch, work, curve = heapq.heappop(queue)
        found.see(now, loss := curve.losses[epoch - 1])
        if epoch < work.last and peer.report(work, epoch, loss):
            _put(queue, now, order, epoch + 1, work, curve)
        else:
            peer.done(work, list(curve.losses[:epoch]))
            start(now)
    return found


def _put(
    queue: list[tuple[float, int, int, Work, Curve]],
    now: float,
    order: int,
    epoch: int,
    work: Work,
    curve: Curve,
) -> None:
    before = curve.seconds[epoch - 2] if epoch > 1 else 0.0
    heapq.heappush(queue, (now + curve.seconds[epoch - 1] - before, order, epoch, work, curve))
