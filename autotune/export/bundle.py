"""The winner as files a person can train from, with a README.md of its scores and figures."""

import json
import os
import platform
import tempfile
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import AutotuneError, UserError
from autotune.export.card import Model, card
from autotune.study.history import History
from autotune.study.winner import Best
from autotune.train.config import TrainConfig
from autotune.trial import State

if TYPE_CHECKING:
    from autotune.interpret.draw import Picture
    from autotune.train import checkpoint

__all__ = ["ExportResult", "export"]

_MARKS = {"best.yaml", "metrics.json"}
"""A folder that holds these is a former export."""
_FILES = _MARKS | {"README.md", "config.json", "figures", "model.safetensors"}


@dataclass(frozen=True)
class ExportResult:
    files: list[Path]
    figures: list[Path]
    """Those of them that are pictures."""
    notes: list[str]
    """What could not be drawn, and why; what the weights are of, where not of the best epoch."""


def export(history: History, target: Path, force: bool = False) -> ExportResult:
    """Writes the winner of `history` into the folder `target`, whole or not at all.

    A former export is replaced; other files are not, unless `force`. Weights are those of the best
    epoch of the winner's best retraining; of a trial that has not ended, the best that it has kept
    so far. Raises UserError while there is no winner, or where it has left no weights.
    """
    best = history.best()
    if best is None:
        raise UserError(f"no trial of study {history.spec.name!r} has a value yet")
    _refuse_strangers(target, force)
    there = next(folder for folder in target.absolute().parents if folder.is_dir())
    with tempfile.TemporaryDirectory(dir=there, prefix=".export-") as scratch:
        made = Path(scratch) / "export"
        made.mkdir()
        notes = _write(history, best, made)
        target.parent.mkdir(parents=True, exist_ok=True)
        _swap(made, target, Path(scratch) / "old")
    files = sorted(path for path in target.rglob("*") if path.is_file())
    return ExportResult(files, sorted(target.glob("figures/*.png")), notes)


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
    model, missing = _copy_weights(history, best, folder / "model.safetensors")
    metrics = {**_metrics(history, best), "model": asdict(model)}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    pictures, notes = _draw(history, best, folder / "figures")
    (folder / "README.md").write_text(card(history, best, model, pictures))
    return [*missing, *notes]


def _copy_weights(history: History, best: Best, target: Path) -> tuple[Model, list[str]]:
    """What the exported weights are of, and a note where they are not of the run's best step.
    Raises UserError where there are none, AutotuneError where they are damaged."""
    run, metric, notes = best.source, history.spec.objective.metric, list[str]()
    step, value = history.spec.scoring.step(run.reports), history.value(run)
    weights = history.run_folder(run) / "best.safetensors"
    if "function" in history.spec.trial:
        pass  # what it keeps, and how, is its own
    elif not weights.exists():
        raise UserError(_no_weights(history, best, weights))
    else:
        held, notes = _copied(history, best, weights, target)
        if run.state != State.COMPLETE:  # its last checkpoint may be older than its best epoch
            if held.step != step:
                now = f"those of step {step} ({value:.4g}) were not kept"
                was = f"step {held.step} ({held.metrics[metric]:.4g})"
                notes.append(f"model.safetensors has the weights of {was}: {now}")
            step, value = held.step, held.metrics[metric]
    return Model(run.label, run.seed, step, value, history.test_value(run)), notes


def _copied(
    history: History, best: Best, weights: Path, target: Path
) -> "tuple[checkpoint.Best, list[str]]":
    from autotune.export.whole import copy_whole

    config = TrainConfig.model_validate_json(json.dumps(best.config))
    try:
        return copy_whole(weights, target, config)
    except AutotuneError as error:
        run, cure = best.source, _again(history, best)
        message = f"the weights of {run.label} cannot be used ({weights}): {error}; {cure}"
        raise AutotuneError(message) from error


def _no_weights(history: History, best: Best, weights: Path) -> str:
    run, cure = best.source, _again(history, best)
    if run.state == State.COMPLETE:
        return f"the weights of {run.label} are gone ({weights}); {cure}"
    said = f"trial {run.trial}, the best so far ({best.progress}), has left no weights"
    return f"{said}; {cure}" if run.state.finished else f"{said} yet; {cure}"


def _again(history: History, best: Best) -> str:
    """How to make the weights, so that the next export finds them."""
    run = best.source
    if not run.state.finished:
        return f"let it go on: autotune resume {history.spec.name}"
    what = "them again" if run.state == State.COMPLETE else "it to its end"
    folder = history.run_folder(run)
    return f"train {what}: autotune train {history.config_file(run)} -o {folder}"


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
    return {
        "study": history.spec.name,
        "trial": best.trial,
        "metric": history.spec.objective.metric,
        "search_value": best.value,
        "search_progress": best.progress or "complete",
        "search_values": history.values(history.trials[best.trial]),
        "confirmed_mean": best.mean,
        "confirmed_std": best.std,
        "confirmed_interval": list(best.interval) if best.interval else None,
        "seeds": list(best.seeds),
        "seeds_chose_it": best.selected,
        "chosen_from": best.among,
        "chosen_mean": best.chosen.mean if best.chosen else None,
        "chosen_std": best.chosen.std if best.chosen else None,
        "chosen_seeds": list(best.chosen.seeds) if best.chosen else [],
        "test_mean": best.test,
        "test_std": best.test_std,
    }


def _swap(made: Path, target: Path, old: Path) -> None:
    if target.exists():
        os.rename(target, old)
    os.rename(made, target)
