"""The JSON file with the figures: whole after each of them."""

import json
from pathlib import Path
from typing import Any

from autotune.files import write_atomically
from benchmarks.gpu.part import Figure

__all__ = ["Sheet"]


class Sheet:
    def __init__(self, path: Path | None, dry: bool) -> None:
        """path: None writes nothing"""
        self.path = path
        self.machine: Figure = {}
        self.parts: dict[str, dict[str, Any]] = {}
        self.dry = dry

    def add(self, part: str, figure: Figure) -> None:
        print(f"  {_line(figure)}", flush=True)
        if part == "machine":
            self.machine |= figure
        else:
            self.parts.setdefault(part, {"figures": []})["figures"].append(figure)
        self.write()

    def end(self, part: str, outcome: str, seconds: float) -> None:
        print(f"{part}: {outcome} ({seconds:.1f} s)", flush=True)
        row = self.parts.setdefault(part, {"figures": []})
        row |= {"outcome": outcome, "seconds": round(seconds, 1)}
        self.write()

    def write(self) -> None:
        if self.path is not None:
            whole = {"dry": self.dry, "machine": self.machine, "parts": self.parts}
            write_atomically(self.path, json.dumps(whole, indent=1) + "\n")


def _line(figure: Figure) -> str:
    return ", ".join(f"{key} {_short(value)}" for key, value in figure.items() if key != "pairs")


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
