"""The winner as files a person can train from, with a README.md of its scores and figures."""

import json
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import UserError
from autotune.export.card import card
from autotune.history import Best, History
from autotune.train.config import TrainConfig

if TYPE_CHECKING:
    from autotune.interpret.draw import Picture

__all__ = ["Exported", "export"]

_MARKS = {"best.yaml", "metrics.json"}
"""A folder that holds these is a former export."""
_FILES = _MARKS | {"README.md", "config.json", "figures", "model.safetensors"}


@dataclass(frozen=True)
class Exported:
    files: list[Path]
    figures: list[Path]
    """Those of them that are pictures."""
    notes: list[str]
    """What could not be drawn, and why."""


def export(history: History, target: Path, force: bool = False) -> Exported:
    """Writes the winner of `history` into the folder `target`, whole or not at all.

    A former export is replaced; other files are not, unless `force`. Weights are those of the best
    epoch of the winner's best retraining. Raises UserError while there is no winner.
    """
    best = history.best()
    if best is None:
        raise UserError(f"no trial of study {history.spec.name!r} has a value yet")
    _refuse_strangers(target, force)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".export-") as scratch:
        made = Path(scratch) / "export"
        made.mkdir()
        notes = _write(history, best, made)
        _swap(made, target, Path(scratch) / "old")
    files = sorted(path for path in target.rglob("*") if path.is_file())
    return Exported(files, sorted(target.glob("figures/*.png")), notes)


def _refuse_strangers(target: Path, force: bool) -> None:
    if target.exists() and not target.is_dir():
        raise UserError(f"{target} is a file; give a folder: -o DIR")
    there = {path.name for path in target.iterdir()} if target.exists() else set()
    strangers = there - _FILES if there >= _MARKS else there
    if strangers and not force:
        raise UserError(
            f"{target} holds other files ({', '.join(sorted(strangers)[:3])}); "
            "give another folder, or --force to replace it with all it holds"
        )


def _write(history: History, best: Best, folder: Path) -> list[str]:
    (folder / "best.yaml").write_text(_header() + history.best_text(best))
    # The same config for programs: a training may take the exported network as its teacher.
    (folder / "config.json").write_text(json.dumps(best.config, indent=2) + "\n")
    (folder / "metrics.json").write_text(json.dumps(_metrics(history, best), indent=2) + "\n")
    weights = history.run_folder(best.source) / "best.safetensors"
    if weights.exists():
        shutil.copyfile(weights, folder / "model.safetensors")
    elif "function" not in history.spec.trial:
        raise UserError(
            f"the weights of {best.source.label} are gone ({weights}); "
            f"train them again: autotune train {history.config_file(best.source)}"
        )
    pictures, notes = _draw(history, best, folder / "figures")
    (folder / "README.md").write_text(card(history, best, pictures))
    return notes


def _draw(history: History, best: Best, folder: Path) -> "tuple[list[Picture], list[str]]":
    """Nothing of a user's own function: only it knows what its result looks like."""
    if "function" in history.spec.trial:
        return [], []
    from autotune.interpret.draw import draw

    config = TrainConfig.model_validate_json(json.dumps(best.config))
    return draw(config, history.run_folder(best.source), folder)


def _header() -> str:
    """How to rerun it, and what wrote it: the same score needs the same torch."""
    day = datetime.now(UTC).date().isoformat()
    versions = [f"{name} {metadata.version(name)}" for name in ("autotune", "torch")]
    return (
        "# Rerun it, to the same score on CPU: autotune train best.yaml\n"
        f"# exported {day}: {', '.join(versions)}, python {platform.python_version()}\n"
    )


def _metrics(history: History, best: Best) -> dict[str, Any]:
    run = best.source
    return {
        "study": history.spec.name,
        "trial": best.trial,
        "metric": history.spec.objective.metric,
        "search_value": best.value,
        "search_values": history.values(history.trials[best.trial]),
        "confirmed_mean": best.mean,
        "confirmed_std": best.std,
        "seeds": list(best.seeds),
        "test_mean": best.test,
        "test_std": best.test_std,
        "model": {
            "run": run.label,
            "seed": run.seed,
            "value": run.value,
            "test": history.test_value(run),
        },
    }


def _swap(made: Path, target: Path, old: Path) -> None:
    if target.exists():
        os.rename(target, old)
    os.rename(made, target)
