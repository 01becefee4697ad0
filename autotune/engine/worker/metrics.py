"""Metrics of a script: JSON lines, lines that patterns match, and autotune.report."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["MetricReader", "Said"]

_STEPS = ("epoch", "step")


@dataclass(frozen=True, slots=True)
class Said:
    """Metrics of one step; None: the next one."""

    step: int | None
    metrics: Mapping[str, float]


@dataclass(slots=True)
class MetricReader:
    objective: str
    """Whether JSON lines without an epoch belong to the next one."""
    patterns: Mapping[str, str] = field(default_factory=dict)
    """Metric, or `epoch`, -> a regular expression with one group. When each has matched, in one
    line or in several, that is a report."""
    _seen: dict[str, float] = field(default_factory=dict)

    def line(self, text: str) -> Said | None:
        """The report in a line of output, or None. Raises ValueError if a pattern matches something
        that is no number."""
        if said := self._json(text.strip()):
            return said
        for name, pattern in self.patterns.items():
            if match := re.search(pattern, text):
                self._seen[name] = _number(name, match[1])
        if not self.patterns or set(self._seen) < set(self.patterns):
            return None
        seen, self._seen = self._seen, {}
        step = next((int(seen.pop(key)) for key in _STEPS if key in seen), None)
        return Said(step, seen)

    def _json(self, text: str) -> Said | None:
        if not (text.startswith("{") and text.endswith("}")):
            return None
        try:
            values = json.loads(text)
        except ValueError:
            return None
        numbers = {key: float(value) for key, value in values.items() if _is_number(value)}
        steps = [numbers.pop(key) for key in _STEPS if key in numbers]
        if not numbers or not (steps or self.objective in numbers):
            return None
        step = steps[0] if steps else None
        if step is not None and not step.is_integer():
            return None
        return Said(None if step is None else int(step), numbers)

    def wanted(self) -> str:
        """A description of what was looked for, if nothing was found."""
        if self.patterns:
            shown = ", ".join(f"{name}: {pattern!r}" for name, pattern in self.patterns.items())
            return f"lines that match {shown}"
        example = json.dumps({"epoch": 1, self.objective: 0.9})
        return (
            f"lines such as {example} on stdout, and autotune.report(epoch, {self.objective}=...)"
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        raise ValueError(f"metrics.{name} matched {text!r}, which is no number") from None
