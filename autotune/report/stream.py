"""What happens in a study as JSON, one event a line, for programs: docs/agents.md has the keys."""

import json
import sys
from typing import Any, TextIO

from autotune.tracking.base import (
    AnswerUpdated,
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
    StudyFinished,
    StudyOpened,
)

__all__ = ["Stream", "as_values"]


class Stream:
    """Writes each event of a study when it comes. What a study held before comes first."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout

    def record(self, event: Event) -> None:
        self.write(as_values(event))

    def write(self, values: dict[str, Any]) -> None:
        self._out.write(json.dumps(values, allow_nan=False, ensure_ascii=False) + "\n")
        self._out.flush()


def as_values(event: Event) -> dict[str, Any]:
    match event:
        case StudyOpened():
            return {"event": "opened", "study": event.name, "uid": event.uid}
        case RunStarted():
            return {
                "event": "started",
                "run": event.label,
                "purpose": event.purpose,
                "trial": event.trial,
                "seed": event.seed,
                "params": dict(event.params),
                "at": event.at,
            }
        case RunReported():
            return {
                "event": "reported",
                "run": event.label,
                "step": event.report.step,
                "metrics": dict(event.report.metrics),
                "seconds": event.report.seconds,
                "at": event.at,
            }
        case RunFinished():
            return {
                "event": "ended",
                "run": event.label,
                "state": event.state,
                "reason": event.reason,
                "message": event.message,
                "summary": dict(event.summary),
                "at": event.at,
            }
        case StudyFinished():
            return {
                "event": "closed",
                "complete": event.complete,
                "summary": dict(event.summary),
                "failure": event.failure,
                "at": event.at,
            }
        case Steered():
            return {
                "event": "command",
                "command": event.command,
                "answer": event.answer,
                "accepted": event.accepted,
            }
        case AnswerUpdated(note=note):
            return {"event": "answer", "note": note}
        case EngineStarting(what=text) | Noted(text=text):
            return {"event": "note", "text": text}
        case StandingBy(why=why) | SamplerSwitched(why=why) | FaultPassing(why=why):
            return {"event": "note", "text": why}
