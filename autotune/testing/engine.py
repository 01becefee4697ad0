"""What every engine must do, and a study of plain values to try it on."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from autotune.study import Done, Wait
from autotune.trial import Assignment, Decision, Failure, Purpose, Reason, Report

__all__ = ["ScriptedStudy", "assign", "decide_nothing"]

Decide = Callable[[Assignment, Report], Decision]


def decide_nothing(assignment: Assignment, report: Report) -> Decision:
    """Run everything to its end."""
    return Decision.STOP if report.step == assignment.to_step else Decision.CONTINUE


def assign(
    trial: int, folder: Path, function: str, to_step: int | None = 3, **config: Any
) -> Assignment:
    """Work for the user's function `function`."""
    return Assignment(
        number=trial,
        trial=trial,
        purpose=Purpose.SEARCH,
        config={"function": function, "epochs": to_step, **config},
        seed=trial,
        from_step=0,
        to_step=to_step,
        folder=str(folder / str(trial)),
        label=f"trial-{trial:04d}",
    )


@dataclass
class ScriptedStudy:
    """Hands out `queue`, decides by `decide`, and writes down what it is told.

    A paused run, and one whose worker was lost (`attempts` times), is queued again from the last
    step it reported.
    """

    queue: list[Assignment]
    decide: Decide = decide_nothing
    worker: Mapping[str, Any] = field(default_factory=lambda: {"cpus": 1, "gpus": 0, "max": None})
    attempts: int = 3
    slots: int = 1
    running: list[Assignment] = field(default_factory=list)
    most: int = 0
    """How many assignments ran at once at most."""
    reports: dict[int, list[Report]] = field(default_factory=dict)
    """By trial, without seconds."""
    workers: list[str] = field(default_factory=list)
    decisions: list[tuple[int, int, Decision]] = field(default_factory=list)
    ended: list[tuple[int, Failure | None]] = field(default_factory=list)
    stopped: bool = False

    @property
    def spec(self) -> Any:
        return SimpleNamespace(worker=SimpleNamespace(**self.worker))

    def next(self) -> Assignment | Wait | Done:
        if not self.running and (self.stopped or not self.queue):
            return Done()
        if self.stopped or not self.queue or len(self.running) >= self.slots:
            return Wait()
        assignment = self.queue.pop(0)
        self.running.append(assignment)
        self.most = max(self.most, len(self.running))
        return assignment

    def report(self, assignment: Assignment, report: Report, worker: str = "") -> Decision:
        assert assignment in self.running, "a report of what does not run"
        assert report.seconds >= 0
        decision = self.decide(assignment, report)
        seen = self.reports.setdefault(assignment.trial, [])
        if not seen or seen[-1].step < report.step:
            seen.append(replace(report, seconds=0.0))
        self.decisions.append((assignment.trial, report.step, decision))
        self.workers.append(worker)
        if decision is Decision.PAUSE:
            self._again(assignment)
        return decision

    def finish(self, assignment: Assignment, failure: Failure | None = None) -> None:
        self.running.remove(assignment)
        self.ended.append((assignment.trial, failure))
        if failure and failure.reason is Reason.LOST:
            lost = [n for n, f in self.ended if n == assignment.trial and f == failure]
            if len(lost) < self.attempts:
                self._again(assignment)

    def stop(self) -> None:
        self.stopped = True

    def failures(self) -> dict[int, Failure]:
        return {trial: failure for trial, failure in self.ended if failure}

    def values(self) -> dict[int, list[tuple[int, Mapping[str, float]]]]:
        """Step and metrics of every report, by trial."""
        return {n: [(r.step, r.metrics) for r in seen] for n, seen in sorted(self.reports.items())}

    def _again(self, assignment: Assignment) -> None:
        seen: Sequence[Report] = self.reports.get(assignment.trial, [])
        step = seen[-1].step if seen else 0
        self.queue.append(replace(assignment, from_step=step))
