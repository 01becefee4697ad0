"""The winner as files a person can train from, with a README.md of its scores and figures."""

import json
import platform
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotune.errors import AutotuneError, UserError
from autotune.export.card import Held, Model, card
from autotune.export.paths import absolute
from autotune.export.sums import write_sums
from autotune.export.target import refuse, whole_folder
from autotune.study.history import History
from autotune.study.winner import Best
from autotune.train.artifacts import Kept
from autotune.train.artifacts import load as load_kept
from autotune.train.config import TrainConfig, is_own
from autotune.trial import State

if TYPE_CHECKING:
    from autotune.export.formats import Format
    from autotune.export.input import Input
    from autotune.export.verify import Restored, Trained
    from autotune.interpret.draw import Picture

__all__ = ["ExportResult", "export"]

KEPT = "kept"
"""The folder of what a user's function kept."""


@dataclass(frozen=True)
class ExportResult:
    files: list[Path]
    figures: list[Path]
    """The pictures among them."""
    notes: list[str]
    """What could not be drawn, and why; which weights these are, if not of the best epoch."""
    best: Best
    """The exported trial or winner."""


def export(
    history: History,
    target: Path,
    force: bool = False,
    trial: int | None = None,
    formats: "Sequence[Format]" = (),
) -> ExportResult:
    """Writes the winner of `history`, or that trial, into the folder `target`, whole or not at all.

    A folder that is not empty is replaced only with `force`. Weights are those of the best epoch of
    the winner's best retraining; of a trial that has not ended, the best so far. Raises UserError
    if there is no winner, or it has left no weights.
    """
    best = history.best() if trial is None else history.best_of(trial)
    if best is None:
        raise UserError(f"no trial of study {history.spec.name!r} has a value yet")
    refuse(target, force, history.folder)
    if formats:
        _check(history, formats)
    with whole_folder(target) as made:
        notes = _write(history, replace(best, config=absolute(best.config)), made, formats)
        write_sums(made)
    files = sorted(path for path in target.rglob("*") if path.is_file())
    return ExportResult(files, sorted(target.glob("figures/*.png")), notes, best)


def _check(history: History, formats: "Sequence[Format]") -> None:
    from autotune.export.formats import check_formats

    if is_own(history.spec.trial):
        rule = f"--format {formats[0]} needs a network of a training config"
        raise UserError(f"{rule}: what a function of your own keeps is handed out as it is")
    check_formats(formats)


def _write(history: History, best: Best, folder: Path, formats: "Sequence[Format]") -> list[str]:
    (folder / "best.yaml").write_text(_header() + history.best_text(best))
    # The same config for programs: a training may use the exported network as its teacher.
    (folder / "config.json").write_text(json.dumps(best.config, indent=2) + "\n")
    model, trained, notes = _copy_weights(history, best, folder / "model.safetensors")
    input = None
    if trained:
        input, said = _make_predictor(history, best, trained, folder, formats)
        notes += said
    elif formats:
        raise UserError(f"--format {formats[0]} needs the network, but {notes[0]}")
    modules, missing = _copy_code(best, folder)
    metrics = {**_metrics(history, best), "model": asdict(model)}
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    pictures, undrawn = _draw(history, best, folder / "figures")
    held = Held(input, sorted(path.name for path in folder.iterdir()), modules, pictures)
    (folder / "README.md").write_text(card(history, best, model, held))
    return [*notes, *missing, *undrawn]


def _make_predictor(
    history: History,
    best: Best,
    trained: "Trained",
    folder: Path,
    formats: "Sequence[Format]",
) -> "tuple[Input, list[str]]":
    from autotune.export.data_facts import data_facts
    from autotune.export.input import Input
    from autotune.export.program import write_predictor

    facts = data_facts(trained.config, trained.data)
    input = Input.of(trained.data, history.spec.name, best.trial, facts)
    notes = write_predictor(trained, input, folder)
    if formats:
        from autotune.export.formats import write_formats

        notes += write_formats(formats, trained, input, folder)
    return input, notes


def _copy_code(best: Best, folder: Path) -> tuple[list[str], list[str]]:
    """The modules that were copied, and a note if that was not possible."""
    from autotune.export.source import FOLDER, copy_sources

    try:
        return copy_sources(best.config, folder / FOLDER), []
    except Exception as error:  # a user's module may raise anything when it is imported
        why = str(error) if isinstance(error, AutotuneError) else f"{type(error).__name__}: {error}"
        return [], [f"the code that best.yaml names is not copied: {why}"]


def _copy_weights(
    history: History, best: Best, target: Path
) -> "tuple[Model, Trained | None, list[str]]":
    """The exported weights, their network, and a note if they are not of the run's best step.
    Raises UserError if there are none, AutotuneError if they are damaged."""
    run, metric, notes = best.source, history.spec.objective.metric, list[str]()
    step, value = history.spec.scoring.step(run.reports), history.value(run)
    weights, trained = history.run_folder(run) / "best.safetensors", None
    if is_own(history.spec.trial):
        kept = load_kept(history.run_folder(run), run.step)
        notes = _copy_kept(kept, step, target.parent / KEPT, "command" in history.spec.trial)
        step, value = (kept.step, kept.metrics.get(metric)) if kept else (step, value)
    elif not weights.exists():
        raise UserError(_no_weights(history, best, weights))
    else:
        restored = _restored(history, best, weights, target)
        held, notes, trained = restored.held, restored.notes, restored.trained
        if run.state != State.COMPLETE:  # its last checkpoint may be older than its best epoch
            if held.step != step:
                now = f"those of step {step} ({value:.4g}) were not kept"
                was = f"step {held.step} ({held.metrics[metric]:.4g})"
                notes.append(f"model.safetensors has the weights of {was}: {now}")
            step, value = held.step, held.metrics[metric]
    model = Model(run.label, run.seed, step, value, history.test_value(run))
    return model, trained, notes


def _copy_kept(kept: Kept | None, best: int | None, target: Path, command: bool) -> list[str]:
    """Copies what the user's function or command kept; a note if that is nothing, or may be of
    another step."""
    if kept is None and command:
        how = "write it into AUTOTUNE_KEEP_DIR and run the study again (docs/scripts.md)"
        return [f"the command kept nothing, so there is no model to hand out: {how}"]
    if kept is None:
        how = "call trial.keep(...) in it and run the study again (docs/functions.md)"
        return [f"the function kept nothing, so there is no model to hand out: {how}"]
    shutil.copytree(kept.folder, target)
    if kept.step == best or best is None:
        return []
    if command:
        said = f"{KEPT}/ is what the command left when it ended at step {kept.step}"
        return [f"{said}: its best step is {best}, which it must have saved itself"]
    return [f"{KEPT}/ is of step {kept.step}, not of the best one, {best}"]


def _restored(history: History, best: Best, weights: Path, target: Path) -> "Restored":
    from autotune.export.verify import copy_whole

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
    which = f" ({best.progress})" if best.asked else f", the best so far ({best.progress}),"
    said = f"trial {run.trial}{which} has left no weights"
    return f"{said}; {cure}" if run.state.finished else f"{said} yet; {cure}"


def _again(history: History, best: Best) -> str:
    """How to create the weights, so that the next export finds them."""
    run = best.source
    if not run.state.finished:
        return f"let it go on: autotune resume {history.spec.name}"
    what = "them again" if run.state == State.COMPLETE else "it to its end"
    folder = history.run_folder(run)
    return f"train {what}: autotune train {history.config_file(run)} -o {folder}"


def _draw(history: History, best: Best, folder: Path) -> "tuple[list[Picture], list[str]]":
    """Nothing for a user's own function: only the function knows its result."""
    if is_own(history.spec.trial):
        return [], []
    from autotune.interpret.draw import draw

    config = TrainConfig.model_validate_json(json.dumps(best.config))
    tested = history.test_value(best.source) is not None
    return draw(config, history.run_folder(best.source), folder, tested)


def _header() -> str:
    """How to repeat it, and the versions: the same score needs the same torch."""
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
