"""Sends an export's figures and model to MLflow."""

import json
from collections.abc import Sequence
from pathlib import Path

from autotune.app.runner import Untracked, store_of, tell_figures
from autotune.errors import AutotuneError, UserError
from autotune.export.bundle import ExportResult
from autotune.export.formats import MLFLOW, Format
from autotune.export.sums import digest
from autotune.study.history import History
from autotune.study.winner import Best
from autotune.tracking.models import Score, log_model, register
from autotune.train.config import is_own
from autotune.trial import Goal

__all__ = ["check_registration", "deliver"]


def check_registration(history: History, runs: Path, name: str | None) -> None:
    """Raises UserError if the study's model cannot be registered because it is not in MLflow."""
    if name is None:
        return
    if not name.strip() or set(name) & {"/", ":"}:
        raise UserError(f"--register: a name must be without / and :, got {name!r}")
    if is_own(history.spec.trial):
        raise UserError("--register: the model of a function of your own cannot be registered")
    try:
        store_of(history.spec.name, runs)
    except Untracked as error:
        raise UserError(f"--register needs MLflow: {error}") from error


def deliver(
    history: History,
    runs: Path,
    done: ExportResult,
    folder: Path,
    formats: Sequence[Format],
    name: str | None,
) -> list[str]:
    """Sends the figures to the tracker, and the model if it was written in MLflow's format; notes.

    Raises AutotuneError if the model should be registered and could not be.
    """
    notes = [] if done.best.asked else tell_figures(history, runs, done.figures)
    if "mlflow" not in formats:
        return notes
    try:
        address, uid = store_of(history.spec.name, runs)
    except Untracked:
        return [*notes, f"the study is not in MLflow: {folder / MLFLOW} is its model"]
    facts = json.loads((folder / "input.json").read_text())
    tags = {
        "autotune.sha256": digest(folder / "model.safetensors"),
        "autotune.study": history.spec.name,
        "autotune.trial": str(done.best.trial),
    }
    try:
        model = log_model(address, uid, folder / MLFLOW, tags)
        notes.append(f"logged to the study's run in MLflow: models:/{model}")
        if name is not None:
            score = _score(history, done.best, facts["data"]["test_sha256"])
            notes.append(register(address, name, model, score))
    except AutotuneError:
        raise
    except Exception as error:  # MLflow's errors, and those of its server
        said = " ".join(address.scrub(str(error)).split())[:200]
        raise AutotuneError(f"the export is written; MLflow refused its model: {said}") from error
    return notes


def _score(history: History, best: Best, split: str) -> Score | None:
    if best.test is None:
        return None
    objective = history.spec.objective
    metric = f"test {objective.metric.removeprefix('val_')}"
    return Score(metric, best.test, objective.goal == Goal.MAXIMIZE, split)
