"""How the study's words become MLflow's: names it allows, texts it takes, tags and states."""

import json
import os
import re

from autotune.tracking.base import RunFinished, RunStarted, StudyFinished
from autotune.tracking.gather import RunChange
from autotune.trial import Scalar

__all__ = ["child_tags", "end_of", "experiment_text", "metric_key", "param_text", "tag_text"]

_PARAM_LENGTH, _TAG_LENGTH, _KEY_LENGTH = 6000, 8000, 250
_EXPERIMENT_TAG_LENGTH = 5000


def child_tags(change: RunChange, last_step: int) -> dict[str, str]:
    """`last_step` is the newest of those reported before this change."""
    return _started_tags(change.started) | _finished_tags(change, last_step)


def _started_tags(started: RunStarted | None) -> dict[str, str]:
    if started is None:
        return {}
    config = json.dumps(started.config)
    return {
        "autotune.purpose": started.purpose,
        "autotune.trial": str(started.trial),
        "autotune.seed": str(started.seed),
        # Half a JSON text helps nobody.
        **({"autotune.config": config} if len(config) <= _TAG_LENGTH else {}),
    }


def _finished_tags(change: RunChange, last_step: int) -> dict[str, str]:
    ended: RunFinished | None = change.finished
    if ended is None:
        return {}
    return {
        "state": ended.state,
        "reason": ended.reason or "",
        "message": ended.message,
        "worker": ended.worker,
        "steps": str(max([last_step, *change.reports])),
    }


def end_of(ended: StudyFinished) -> tuple[str, str]:
    """MLflow's status and our tag `state`."""
    if ended.failure:
        return "FAILED", "failed"
    return ("FINISHED", "complete") if ended.complete else ("KILLED", "interrupted")


def metric_key(name: str) -> str:
    """MLflow allows letters, digits and `_-. :/` in names, and no path that normalises away."""
    name = re.sub(r"[^/\w.\- :]", "_", name)
    plain = os.path.normpath(name) == name and not name.startswith(("/", ".."))
    return (name if plain else name.replace("/", "_"))[:_KEY_LENGTH]


def param_text(value: Scalar) -> str:
    """As in a study file: none, true, 0.001, adam."""
    return _cut(_word(value), _PARAM_LENGTH)


def tag_text(text: str) -> str:
    return _cut(str(text), _TAG_LENGTH)


def experiment_text(text: str) -> str:
    """As a tag of an experiment, which may hold less than a run's."""
    return _cut(text, _EXPERIMENT_TAG_LENGTH)


def _word(value: Scalar) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."
