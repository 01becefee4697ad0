"""Who worked when: spans of work by worker, on the clock of the study's running time."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.trial import Purpose

__all__ = ["Lane", "Span", "WorkersFacts", "of_study"]


@dataclass(frozen=True, slots=True)
class Span:
    label: str
    purpose: Purpose
    state: str
    begin: float
    end: float
    """Seconds of the study's running time."""
    trained: float
    """Seconds of its steps; the rest went into starting, evaluation and waiting."""

    @property
    def length(self) -> float:
        return self.end - self.begin


@dataclass(frozen=True, slots=True)
class Lane:
    worker: str
    spans: tuple[Span, ...]
    busy: float
    """Seconds of all its spans."""
    known: bool = True
    """False: spans whose worker the journal does not name, as of a trial that failed before its
    first report; they ran on one of the others."""


@dataclass(frozen=True, slots=True)
class WorkersFacts:
    lanes: tuple[Lane, ...]
    wall: float
    """Seconds that the study has run."""

    @property
    def busy(self) -> float:
        return sum(lane.busy for lane in self.lanes)

    @property
    def trained(self) -> float:
        return sum(span.trained for lane in self.lanes for span in lane.spans)

    @property
    def idle(self) -> float:
        """Worker-seconds in which a worker of the study had no trial."""
        return max(self.wall * self.count - self.busy, 0.0)

    @property
    def count(self) -> int:
        return sum(lane.known for lane in self.lanes) or len(self.lanes)


def of_study(history: History) -> WorkersFacts:
    clock = _Clock(history)
    spans = [one for run in history.runs() for one in _spans(run, clock)]
    by_worker: dict[str, list[Span]] = {}
    for worker, span in sorted(spans, key=lambda one: (one[1].begin, one[1].end)):
        by_worker.setdefault(worker, []).append(span)
    unnamed = by_worker.pop("", [])
    lanes = [lane for worker, own in sorted(by_worker.items()) for lane in _lanes(worker, own)]
    name = "not recorded" if lanes else "this process"
    lanes += [replace(lane, known=not lanes) for lane in _lanes(name, unnamed)]
    return WorkersFacts(tuple(lanes), history.elapsed())


class _Clock:
    """From the time of day to the study's running time, in which it stood still between runs."""

    def __init__(self, history: History) -> None:
        records = [s for run in history.runs() for s in (*run.stamps.values(), run.outcome) if s]
        pairs = sorted((float(r["at"]), float(r["elapsed"])) for r in records)
        self._at = [at for at, _ in pairs]
        self._elapsed = [elapsed for _, elapsed in pairs]

    def __call__(self, at: float) -> float:
        """By the next record, which is of the same session; never before the record before it."""
        if not self._at:
            return 0.0
        place = min(bisect_left(self._at, at), len(self._at) - 1)
        found = self._elapsed[place] - (self._at[place] - at)
        return max(found, self._elapsed[place - 1] if place else 0.0)


def _spans(run: Run, clock: _Clock) -> list[tuple[str, Span]]:
    """One for each assignment that has reported or ended the run."""
    found = []
    for number in run.assignments:
        steps = [s for s, stamp in run.stamps.items() if stamp["assignment"] == number]
        stamps = [run.stamps[step] for step in sorted(steps)]
        trained = sum(run.reports[step].seconds for step in steps)
        last = number == max(run.assignments)
        ends = [*stamps, *([run.outcome] if last and run.outcome else [])]
        if not ends:
            continue
        if number == min(run.assignments):
            begin = clock(run.started)
        elif stamps:
            begin = max(float(stamps[0]["elapsed"]) - run.reports[min(steps)].seconds, 0.0)
        else:  # it failed before its first report: nothing says when it began
            continue
        end = max(begin, float(ends[-1]["elapsed"]) if stamps or run.outcome else begin)
        worker = next((str(s["worker"]) for s in ends if s.get("worker")), "")
        state = run.state.value if last else "paused"
        found.append((worker, Span(run.label, run.purpose, state, begin, end, trained)))
    return found


def _lanes(worker: str, spans: Sequence[Span]) -> list[Lane]:
    """One where no two spans overlap: the journal does not always tell workers apart."""
    rows: list[list[Span]] = []
    for span in spans:
        row = next((r for r in rows if r[-1].end <= span.begin + 0.05), None)
        if row is None:
            rows.append(row := [])
        row.append(span)
    many = len(rows) > 1
    return [
        Lane(f"{worker} ({n})" if many else worker, tuple(row), sum(span.length for span in row))
        for n, row in enumerate(rows, 1)
    ]
