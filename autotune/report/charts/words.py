"""Numbers and lists as a report's sentences say them."""

from collections.abc import Iterable, Mapping
from typing import Any

from autotune.report.tables import number, params, score

__all__ = [
    "STATES",
    "counted",
    "duration",
    "listed",
    "number",
    "params",
    "percent",
    "plain",
    "score",
    "state",
]


STATES: Mapping[str, str] = {"pruned": "stopped early"}
"""States in words that need no glossary."""


def state(word: str) -> str:
    return STATES.get(word, word)


def listed(words: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = [*words] or [""]
    return f"{', '.join(first)} and {last}" if first else last


def counted(count: int, word: str) -> str:
    """1 trial, 2 trials."""
    plural = word[:-1] + "ies" if word.endswith("y") else word + "s"
    return f"{count:,} {word if count == 1 else plural}"


def duration(seconds: float) -> str:
    """12.3 s, 4 min 5 s, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def plain(value: Any) -> str:
    """A parameter's value, as in a study file."""
    words: Mapping[Any, str] = {None: "null", True: "true", False: "false"}
    if value is None or isinstance(value, bool):
        return words[value]
    return number(value) if isinstance(value, float) else str(value)
