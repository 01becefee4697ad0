"""A study's trials in columns of choice: `autotune show --wide`, `--sort`, `--columns`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotune.errors import UserError, nearest
from autotune.report.relevance import columns as by_relevance
from autotune.study.history import History

__all__ = ["Columns", "chosen"]

_FIXED = ("state", "value", "steps", "seconds")


@dataclass(frozen=True, slots=True)
class Columns:
    names: tuple[str, ...]
    """Beside the trial's number."""
    rows: tuple[Mapping[str, Any], ...]
    """In the order asked for; by name, a parameter by its path."""


def chosen(
    history: History,
    trials: Sequence[Mapping[str, Any]],
    names: Sequence[str] = (),
    sort: str | None = None,
) -> Columns:
    """`names`: all where none is given, what matters first. `sort`: a name; -name: the largest
    first; None: the best first. Raises UserError for a name that no column has."""
    parameters = by_relevance(history)
    metrics = [objective.metric for objective in history.spec.objectives]
    short = {name.removesuffix(".name").rpartition(".")[2]: name for name in reversed(parameters)}
    known = {**short, metrics[0]: "value", **{n: n for n in (*_FIXED, "trial", *parameters)}}
    known |= {metric: metric for metric in metrics[1:]}
    wanted = [_known(name, known) for name in names if name != "trial"]
    order = sort or "value"
    key = _known(order.removeprefix("-"), known)
    rows = [_row(trial) for trial in trials]
    there = [row for row in rows if row.get(key) is not None]
    if sort is None:
        there.sort(key=lambda row: history.better(row["value"]))
    else:
        numbers = all(isinstance(row[key], int | float) for row in there)
        there.sort(key=lambda row: row[key] if numbers else str(row[key]))
        there = there[::-1] if order.startswith("-") else there
    gone = [row for row in rows if row.get(key) is None]
    every = ["state", "value", *metrics[1:], "steps", "seconds", *parameters]
    return Columns(tuple(wanted or every), tuple([*there, *gone]))


def _known(name: str, known: Mapping[str, str]) -> str:
    if name not in known:
        raise UserError(f"no column {name!r}{nearest(name, set(known.values()) | {'trial'})}")
    return known[name]


def _row(trial: Mapping[str, Any]) -> dict[str, Any]:
    reason = trial["reason"] or trial.get("why")
    word = f"{trial['state']}({reason})" if reason else str(trial["state"])
    return {
        **trial["params"],
        **trial.get("values", {}),
        "trial": trial["number"],
        "state": word,
        "value": trial.get("so_far", trial["value"]),
        "steps": trial["steps"],
        "seconds": trial["seconds"],
    }
