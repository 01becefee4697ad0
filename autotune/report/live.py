"""A running study in the terminal: a live view where there is one, plain lines where not."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autotune.report.tables import number, params
from autotune.spec import StudySpec
from autotune.tracking.base import Event, RunFinished, RunReported, RunStarted
from autotune.trial import Goal, Purpose, State

__all__ = ["View", "view"]


class View:
    """Follows a study's events. What is older than the view itself is history: counted, not told.

    The base prints plain lines; `LiveView` draws.
    """

    def __init__(self, spec: StudySpec, console: Console) -> None:
        self.spec, self.console = spec, console
        self.born = time.time()
        self.counts: dict[State, int] = {}
        self.best: RunFinished | None = None
        self.running: dict[str, RunStarted] = {}
        self.reported: dict[str, RunReported] = {}
        self.params: dict[str, str] = {}
        self.confirmed = self.earlier = 0
        self.told = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    @property
    def finished(self) -> int:
        return sum(self.counts.values())

    @property
    def nothing_new(self) -> bool:
        """All there was to tell had happened before."""
        return self.earlier == self.finished > 0 and not self.told

    def record(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self.running[event.label] = event
            self.params[event.label] = params(event.params)
        elif isinstance(event, RunReported):
            self.reported[event.label] = event
        elif isinstance(event, RunFinished) and event.label in self.running:
            self._finish(self.running.pop(event.label), event)

    def _finish(self, started: RunStarted, event: RunFinished) -> None:
        self.reported.pop(event.label, None)
        if started.purpose == Purpose.CONFIRM:
            self.confirmed += 1
        else:
            self.counts[event.state] = self.counts.get(event.state, 0) + 1
        improved = started.purpose == Purpose.SEARCH and self._improves(event)
        if improved:
            self.best = event
        if event.at >= self.born:
            self.told = True
            self.tell(started, event, improved)
        else:
            self.earlier += started.purpose == Purpose.SEARCH

    def _improves(self, event: RunFinished) -> bool:
        value, best = self.value(event), self.value(self.best) if self.best else None
        if value is None or event.state == State.FAILED or best is None:
            return value is not None and event.state != State.FAILED
        return value > best if self.spec.objective.goal == Goal.MAXIMIZE else value < best

    def value(self, event: RunFinished) -> float | None:
        objective = self.spec.objective
        return event.summary.get(f"{objective.at}/{objective.metric}")

    def tell(self, started: RunStarted, event: RunFinished, improved: bool) -> None:
        self.console.print(self._line(started, event, improved), soft_wrap=True, highlight=False)

    def _line(self, started: RunStarted, event: RunFinished, improved: bool) -> Text:
        metric = self.spec.objective.metric
        if started.purpose == Purpose.CONFIRM:
            line = Text(f"retrained trial {started.trial}, seed {started.seed}: ")
        else:
            line = Text(f"trial {started.trial:>4}  {event.state:<8}  ")
        if event.state == State.FAILED:
            return line.append(f"{event.reason}: {event.message}")
        line.append(f"{metric} {number(self.value(event))}")
        line.append(f"  epoch {event.summary.get('best/step', 0):.0f}")
        line.append(f"  {event.summary.get('seconds', 0):.1f} s")
        return line.append("  <- best so far" if improved else "")


class LiveView(View):
    """Redrawn four times a second in place: progress, the best so far, what runs."""

    def __enter__(self) -> Self:
        self._live = Live(
            console=self.console, get_renderable=self.render, refresh_per_second=4, transient=True
        )
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def tell(self, started: RunStarted, event: RunFinished, improved: bool) -> None:
        if improved or event.state == State.FAILED:
            self._live.console.print(self._line(started, event, improved), highlight=False)

    def render(self) -> RenderableType:
        return Group(self._progress(), *self._incumbent(), *self._runs())

    def _progress(self) -> RenderableType:
        done, total, what = self.finished, self.spec.budget.trials, "trials"
        top, seeds = self.spec.confirm.top, self.spec.confirm.seeds
        if self.confirmed or any(r.purpose == Purpose.CONFIRM for r in self.running.values()):
            done, total, what = self.confirmed, top * seeds, "retrainings"
        row = Table.grid(padding=(0, 1))
        spent = time.time() - self.born
        cells: list[RenderableType] = [Text(self.spec.name, style="bold")]
        if total:
            cells.append(ProgressBar(total, done, width=30))
        cells.append(Text(f"{done}/{total or '?'} {what}"))
        cells.append(Text(f"{_clock(spent)} spent{self._left(done, total, spent)}", style="dim"))
        states = ", ".join(f"{count} {state}" for state, count in self.counts.items())
        row.add_row(*cells, Text(states, style="dim"))
        return row

    def _left(self, done: int, total: int | None, spent: float) -> str:
        here = done - self.earlier
        if not total or here < 3 or done >= total:
            return ""
        return f", {_clock(spent / here * (total - done))} left"

    def _incumbent(self) -> list[RenderableType]:
        if not self.best:
            return []
        text = f"best {self.spec.objective.metric} {number(self.value(self.best))}"
        details = f"  {self.best.label}: {self.params[self.best.label]}"
        return [Text(text, style="green").append(details, style="dim")]

    def _runs(self) -> list[RenderableType]:
        return [self._run(label, run) for label, run in list(self.running.items())[:8]]

    def _run(self, label: str, started: RunStarted) -> RenderableType:
        report = self.reported.get(label)
        text = Text(f"  {label}  ", style="cyan")
        if report is None:
            return text.append("starting", style="dim")
        end = started.config.get("epochs")
        text.append(f"epoch {report.report.step}" + (f"/{end}" if end else ""))
        value = report.report.metrics.get(self.spec.objective.metric)
        return text.append(f"  {self.spec.objective.metric} {number(value)}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def view(spec: StudySpec, console: Console) -> View:
    """The live view in a terminal, plain lines elsewhere."""
    return LiveView(spec, console) if console.is_terminal else View(spec, console)
