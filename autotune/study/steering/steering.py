"""The driver's side: takes commands from the inbox, journals each with its answer, then obeys.

What was accepted is in the journal before anything comes of it, so a driver that is killed between
is followed by one that does the rest: `recall`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from autotune.errors import UserError
from autotune.spec import Budget
from autotune.study.history import History
from autotune.study.journal.journal import Journal, Run
from autotune.study.steering.answer import Answer, Start, answer
from autotune.study.steering.commands import AnyCommand, Stop, dump, parse, said
from autotune.tracking.base import Steered

__all__ = ["Controls", "Inbox", "Steering"]


class Controls(Protocol):
    """What of a study is steered."""

    def begin_by_hand(self, start: Start, command: str) -> None:
        """The trial is journaled, and is the next to be handed out."""

    def end_by_hand(self, run: Run) -> None:
        """Nothing becomes of a run that a worker is at, or that has ended."""

    def set_budget(self, budget: Budget) -> None: ...

    def stop(self) -> None: ...


class Inbox(Protocol):
    def commands(self) -> list[tuple[str, str]]:
        """(id, text) of those that wait, the oldest first."""

    def taken(self, id: str) -> None:
        """The command is journaled."""


class Steering:
    def __init__(self, study: Controls, history: History, journal: Journal, inbox: Inbox) -> None:
        self._study, self._history, self._journal, self._inbox = study, history, journal, inbox
        self._stops: set[int] = set()
        """Trials that end at their next report."""
        self._stopping = self._opened = False

    def recall(self) -> None:
        """Does what was accepted and not done before the driver was killed."""
        for id, record in list(self._history.commands.items()):
            if record["accepted"]:
                self._begin(id, record)
                if record["command"]["command"] == "stop" and "trial" in record["command"]:
                    self._study.end_by_hand(self._history.trials[record["command"]["trial"]])

    def ends(self, run: Run) -> bool:
        """Whether the trial ends at this report."""
        return run.trial in self._stops

    @property
    def holds(self) -> bool:
        """Whether what runs leaves its worker at its report, and goes on later."""
        return self._stopping or self._history.paused

    def receive(self, stamp: Mapping[str, float], tell: Callable[[Steered], None]) -> bool:
        """Journals, answers and obeys the commands that wait; whether there were any. `tell` is
        told each answer."""
        waiting = self._inbox.commands()
        for id, text in waiting:
            known = self._history.commands.get(id)
            if known is None:
                tell(self._take(id, text, stamp))
            elif known.get("budget"):  # study.yaml may not have it yet
                self._study.set_budget(Budget.model_validate(known["budget"]))
            self._inbox.taken(id)
        self._opened = True
        return bool(waiting)

    def _take(self, id: str, text: str, stamp: Mapping[str, float]) -> Steered:
        values: dict[str, Any] = {"command": text[:200]}
        command: AnyCommand | None = None
        try:
            command = parse(text)
            values = dump(command)
            if not self._opened and command == Stop():
                raise UserError("it was for a driver that has ended")
            made = answer(command, self._history)
        except UserError as error:
            made = Answer(f"refused: {' '.join(str(error).split())}")
            command = None
        first = len(self._history.trials)
        record = {
            "command": values,
            "answer": made.text,
            "accepted": command is not None,
            "starts": [_plain(start) for start in made.starts],
            "first": first,
            "budget": made.budget.model_dump(mode="json") if made.budget else None,
            **stamp,
        }
        self._history.command(self._journal, id, record)
        if command is not None:
            self._obey(id, command, made)
        budget = self._history.spec.budget
        return Steered(said(values), made.text, command is not None, budget.trials, budget.time)

    def _obey(self, id: str, command: AnyCommand, made: Answer) -> None:
        self._begin(id, self._history.commands[id])
        if made.budget:
            self._study.set_budget(made.budget)
        if isinstance(command, Stop):
            self._stop(command.trial)

    def _begin(self, id: str, record: Mapping[str, Any]) -> None:
        """The trials of an accepted command that are not journaled yet."""
        for number, start in enumerate(record["starts"], record["first"]):
            if number >= len(self._history.trials):
                self._study.begin_by_hand(Start(**start), id)

    def _stop(self, trial: int | None) -> None:
        if trial is None:
            self._stopping = True
            self._study.stop()
            return
        self._stops.add(trial)
        self._study.end_by_hand(self._history.trials[trial])


def _plain(start: Start) -> dict[str, Any]:
    return {"params": dict(start.params), "origin": dict(start.origin), "parent": start.parent}
