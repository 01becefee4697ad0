"""A running study in the terminal: a live view where there is one, plain lines where not."""

import time
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autotune.pareto import front
from autotune.report.tables import params, score
from autotune.spec import StudySpec
from autotune.tracking.base import (
    EngineStarting,
    Event,
    FaultPassing,
    Noted,
    RunFinished,
    RunReported,
    RunStarted,
    SamplerSwitched,
    StandingBy,
    Steered,
    StudyOpened,
)
from autotune.train.config import pace
from autotune.trial import Purpose, Report, State

__all__ = ["LiveView", "View", "view"]

_MOST_RUNS = 8
_WORDS = {Purpose.CONFIRM: "retrained", Purpose.VERIFY: "verified"}
"""What became of a trial that was trained again."""


class View:
    """Follows a study's events. What is older than the view itself is history: counted, not told.

    The base prints plain lines; `LiveView` draws.
    """

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self.spec, self.console = spec, console
        self.pace = pace(spec.trial)
        self.born = time.time()
        self.counts: dict[State, int] = {}
        self.best = ""
        """The label of the best trial so far, running ones included."""
        self.values: dict[str, tuple[float, ...]] = {}
        """What each trial that keeps to the constraints is worth so far, by label."""
        self.reports: dict[str, dict[int, Report]] = {}
        """Of the trials that run, by step."""
        self._front: list[str] | None = None
        self.running: dict[str, RunStarted] = {}
        self.reported: dict[str, RunReported] = {}
        self.params: dict[str, str] = {}
        self.earlier = 0
        self.retrained: dict[Purpose, int] = {}
        """How many retrainings of a purpose have ended."""
        self._begun = self._waited = False
        self.began: dict[Purpose, float] = {}
        """When the first run of a purpose began before the view's eyes."""
        self.told: dict[Purpose, int] = {}
        """How many of a purpose have ended since."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def finished(self) -> int:
        return sum(self.counts.values())

    @property
    def nothing_new(self) -> bool:
        """All there was to tell had happened before."""
        return self.earlier == self.finished > 0 and not self.told

    def starting(self, what: str) -> None:
        """Something that takes seconds, and shows nothing by itself, begins.

        Called after the history has been told: what is there already is one line, said once.
        """
        self._resumed()
        self.console.print(f"starting {what} ...", highlight=False)

    def _resumed(self) -> None:
        first, self._begun = not self._begun, True
        if self.earlier and first:
            total = f" of {self.spec.budget.trials}" if self.spec.budget.trials else ""
            self.console.print(f"resumed: {self.earlier}{total} trials done", highlight=False)

    def record(self, event: Event) -> None:
        if isinstance(event, SamplerSwitched | StandingBy | FaultPassing):
            self.console.print(event.why, soft_wrap=True, highlight=False)
            self._waited = isinstance(event, StandingBy)
        elif isinstance(event, Noted):
            self.console.print(f"note: {event.text}", soft_wrap=True, highlight=False)
        elif isinstance(event, Steered):
            self._steered(event)
        elif isinstance(event, EngineStarting):
            self.starting(event.what)
        elif isinstance(event, StudyOpened) and self._waited:
            self.born, self._waited = time.time(), False  # what the other process did is history
        elif isinstance(event, RunStarted):
            self.running[event.label] = event
            self.began.setdefault(event.purpose, max(event.at, self.born))
            self.params[event.label] = params(event.params)
        elif isinstance(event, RunReported):
            self.reported[event.label] = event
            self._follow(event)
        elif isinstance(event, RunFinished) and event.label in self.running:
            self._finish(self.running.pop(event.label), event)

    def _steered(self, event: Steered) -> None:
        line = f"{event.command}, asked for by hand: {event.answer}"
        self.console.print(line, soft_wrap=True, highlight=False)
        limits = {"trials": event.trials, "time": event.time}
        budget = self.spec.budget.model_copy(update=limits)
        self.spec = self.spec.model_copy(update={"budget": budget})

    def _finish(self, started: RunStarted, event: RunFinished) -> None:
        self.reported.pop(event.label, None)
        if started.purpose != Purpose.SEARCH:
            self.retrained[started.purpose] = self.retrained.get(started.purpose, 0) + 1
        else:
            self.counts[event.state] = self.counts.get(event.state, 0) + 1
        improved = started.purpose == Purpose.SEARCH and self._improves(event)
        if event.at >= self.born:
            self.told[started.purpose] = self.told.get(started.purpose, 0) + 1
            self.tell(started, event, improved)
        else:
            self.earlier += started.purpose == Purpose.SEARCH

    def _follow(self, event: RunReported) -> None:
        """A running trial counts by what it has reported."""
        started = self.running.get(event.label)
        if started is None or started.purpose != Purpose.SEARCH:
            return
        reports = self.reports.setdefault(event.label, {})
        reports[event.report.step] = event.report
        scoring = self.spec.scoring
        out = scoring.partial or scoring.violation(reports)
        self._place(event.label, () if out else scoring.values(reports))

    def _place(self, label: str, values: tuple[float, ...]) -> None:
        """Takes `values` for what the trial is worth; (): it is out of the running."""
        self._front = None
        if values:
            self.values[label] = values
        else:
            self.values.pop(label, None)
        if label == self.best:  # it may have become worse
            self.best = min(self.values, key=self._loss, default="")
        elif values and (not self.best or self._loss(label) < self._loss(self.best)):
            self.best = label

    def _loss(self, label: str) -> float:
        return self.spec.objective.loss(self.values[label][0])

    def _improves(self, event: RunFinished) -> bool:
        """Whether the trial that ended is the best so far, or in the Pareto set so far."""
        self.reports.pop(event.label, None)
        partial = self.spec.scoring.partial and event.state != State.COMPLETE
        out = partial or event.state == State.FAILED or not event.summary.get("feasible", 1)
        self._place(event.label, () if out else self._ended(event))
        if len(self.spec.objectives) == 1:
            return event.label == self.best
        return event.label in self.values and event.label in self.front()

    def _ended(self, event: RunFinished) -> tuple[float, ...]:
        at = self.spec.objective.at
        found = [event.summary.get(f"{at}/{o.metric}") for o in self.spec.objectives]
        values = tuple(value for value in found if value is not None)
        return values if len(values) == len(found) else ()

    def front(self) -> list[str]:
        """Of several objectives: the labels of the trials that none dominates."""
        if (known := self._front) is None:
            told = list(self.values.items())  # at once: the view is drawn by another thread
            places = front([self.spec.scoring.losses(values) for _, values in told])
            self._front = known = [told[place][0] for place in places]
        return known

    def value(self, event: RunFinished) -> float | None:
        objective = self.spec.objective
        return event.summary.get(f"{objective.at}/{objective.metric}")

    def tell(self, started: RunStarted, event: RunFinished, improved: bool) -> None:
        self.console.print(self._line(started, event, improved), soft_wrap=True, highlight=False)

    def _line(self, started: RunStarted, event: RunFinished, improved: bool) -> Text:
        metric = self.spec.objective.metric
        if word := _WORDS.get(started.purpose):
            line = Text(f"{word} trial {started.trial}, seed {started.seed}: ")
        else:
            line = Text(f"trial {started.trial:>4}  {event.state:<8}  ")
        if event.state == State.FAILED:
            return line.append(f"{event.reason}: {event.message}")
        line.append(f"{metric} {score(self.value(event))}")
        for other in self.spec.objectives[1:]:
            value = event.summary.get(f"{self.spec.objective.at}/{other.metric}")
            line.append(f", {other.metric} {'-' if value is None else f'{value:.6g}'}")
        if self.spec.objective.at == "best" and "best/step" in event.summary:
            line.append(f" at {self.pace.unit} {event.summary['best/step']:.0f}")
        line.append(f", {event.summary.get('run/seconds', 0):.1f} s")
        if event.message:  # what ended it before its time
            line.append(f"; {event.message}")
        several = len(self.spec.objectives) > 1
        mark = "  <- in the Pareto set so far" if several else "  <- best so far"
        return line.append(mark if improved else "")


class LiveView(View):
    """Redrawn four times a second in place: progress, the best so far, what runs."""

    def __enter__(self) -> Self:
        self._starting = ""
        self._live = Live(
            console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True
        )
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def tell(self, started: RunStarted, event: RunFinished, improved: bool) -> None:
        if improved or event.state == State.FAILED or started.purpose in _WORDS:
            super().tell(started, event, improved)

    def starting(self, what: str) -> None:
        self._resumed()
        self._starting = what

    def render(self) -> RenderableType:
        if self._starting and not self.told and not self.reported:
            return Text(f"starting {self._starting} ... {_clock(time.time() - self.born)}", "dim")
        return Group(self._progress(), *self._incumbent(), *self._runs())

    def _progress(self) -> RenderableType:
        purpose, done, total = self._stage()
        what = "trials" if purpose == Purpose.SEARCH else "retrainings"
        row = Table.grid(padding=(0, 1))
        cells: list[RenderableType] = [Text(self.spec.name, style="bold", no_wrap=True)]
        if total:
            cells.append(ProgressBar(total, done, width=20))
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        clock = f"{_clock(time.time() - self.born)}{self._left(purpose, done, total)}"
        cells.append(Text(f"{done}/{total or '?'} {what}", no_wrap=True))
        cells.append(Text(f"{clock}  {states}", style="dim", no_wrap=True, overflow="ellipsis"))
        row.add_row(*cells)
        return row

    def _stage(self) -> tuple[Purpose, int, int | None]:
        """The purpose of what runs now, how many of it are done, and how many there will be."""
        at_work = {run.purpose for run in list(self.running.values())} | set(self.retrained)
        confirm = self.spec.confirm
        if Purpose.VERIFY in at_work:
            done = self.retrained.get(Purpose.VERIFY, 0)
            total = confirm.seeds if confirm.verify is None else confirm.verify
            return Purpose.VERIFY, done, max(total, done)
        if Purpose.CONFIRM in at_work:
            done = self.retrained.get(Purpose.CONFIRM, 0)
            top = min(confirm.top, len(self.values) or confirm.top)
            return Purpose.CONFIRM, done, max(top * confirm.seeds, done)
        return Purpose.SEARCH, self.finished, self.spec.budget.trials

    def _left(self, purpose: Purpose, done: int, total: int | None) -> str:
        here = self.told.get(purpose, 0)
        if not total or here < 3 or done >= total:
            return ""
        spent = time.time() - self.began[purpose]
        left = spent / here * (total - done)
        if purpose == Purpose.SEARCH and self.spec.budget.time is not None:
            left = min(left, max(self.spec.budget.time - spent, 0.0))
        return f", about {_clock(left)} left"

    def _incumbent(self) -> list[RenderableType]:
        best = self.best
        if not (values := self.values.get(best)):
            return []
        if len(self.spec.objectives) > 1:
            return [Text(f"Pareto set so far: {len(self.front())} trials", style="green")]
        text = f"best {self.spec.objective.metric} {score(values[0])}"
        running = ", still running" if best in self.running else ""
        details = f"  {best}{running}: {self.params[best]}"
        line = Text(no_wrap=True, overflow="ellipsis")
        return [line.append(text, style="green").append(details, style="dim")]

    def _runs(self) -> list[RenderableType]:
        running = list(self.running)
        rows = [self._run(label) for label in running[:_MOST_RUNS]]
        if (more := len(running) - _MOST_RUNS) > 0:
            rows.append(Text(f"  and {more} more", style="dim"))
        return rows

    def _run(self, label: str) -> RenderableType:
        report = self.reported.get(label)
        text = Text(f"  {label}  ", style="cyan")
        if report is None:
            return text.append("starting", style="dim")
        end = f"/{self.pace.last}" if self.pace.last else ""
        text.append(f"{self.pace.unit} {report.report.step}{end}")
        value = report.report.metrics.get(self.spec.objective.metric)
        return text.append(f"  {self.spec.objective.metric} {score(value)}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def view(spec: StudySpec, console: Console) -> View:
    """The live view in a terminal, plain lines elsewhere."""
    return LiveView(spec, console) if console.is_terminal else View(spec, console)
