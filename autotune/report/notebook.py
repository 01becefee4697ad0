"""A running study in a notebook: one table below the cell, updated in place."""

import html
import sys
import time
from typing import Any, Self

from rich.console import Console

from autotune.report.live import View
from autotune.report.tables import score
from autotune.spec import StudySpec
from autotune.tracking.base import Event, RunFinished, RunStarted
from autotune.trial import Purpose

__all__ = ["NotebookView", "view"]

_EVERY = 0.5
"""Seconds between two updates: each is a message to the browser."""
_MOST = 12
"""Trials in the table: those that run, and the last ones."""
_WORDS = {Purpose.CONFIRM: "retrained", Purpose.VERIFY: "verified"}


def view(spec: StudySpec, console: Console) -> "NotebookView | None":
    """None where this is no notebook, or nothing is to be seen."""
    return None if console.quiet or "ipykernel" not in sys.modules else NotebookView(spec, console)


class NotebookView(View):
    def __init__(self, spec: StudySpec, console: Console) -> None:
        super().__init__(spec, console)
        self._shown: Any = None
        self._last = 0.0
        self._rows: dict[str, tuple[str, ...]] = {}
        """What the table says of each run, by label."""

    def __enter__(self) -> Self:
        from IPython import display

        self._html: Any = display.HTML
        self._shown = display.display(self._html(self.render()), display_id=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._shown.update(self._html(self.render()))

    def starting(self, what: str) -> None:
        pass

    def tell(self, started: RunStarted, event: RunFinished, improved: bool) -> None:
        pass

    def record(self, event: Event) -> None:
        super().record(event)
        if isinstance(event, RunFinished):
            value = event.message if event.reason else score(self.value(event))
            self._row(event.label, str(event.reason or event.state), value)
        if self._shown and time.monotonic() - self._last > _EVERY:
            self._last = time.monotonic()
            self._shown.update(self._html(self.render()))

    def render(self) -> str:
        """The table as HTML."""
        metric = self.spec.objective.metric
        for label in list(self.running):
            told = self.reported.get(label)
            value = told.report.metrics.get(metric) if told else None
            step = f"{self.pace.unit} {told.report.step}" if told else "starting"
            self._row(label, step, score(value))
        rows = "".join(_row(cells) for cells in list(self._rows.values())[-_MOST:])
        head = _row(("run", "state", metric, "parameters"), "th")
        return f"<div>{html.escape(self._headline())}</div><table>{head}{rows}</table>"

    def _headline(self) -> str:
        parts = [f"{self.spec.name}: {self.finished} of {self.spec.budget.trials or '?'} trials"]
        parts += [f"{n} {_WORDS[p]}" for p, n in self.retrained.items() if p in _WORDS]
        if values := self.values.get(self.best):
            parts.append(f"best {self.spec.objective.metric} {score(values[0])} ({self.best})")
        return ", ".join(parts)

    def _row(self, label: str, state: str, value: str) -> None:
        self._rows[label] = (label, state, value, self.params.get(label, ""))


def _row(cells: tuple[str, ...], kind: str = "td") -> str:
    inner = "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells)
    return f"<tr>{inner}</tr>"
