"""One training config trained by itself, as a trial would be: same curve, same score (CPU)."""

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.engine.interrupt import Interrupts
from autotune.engine.ranks.group import lead
from autotune.engine.ranks.spawned import SpawnedRanks
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import work
from autotune.errors import AutotuneError, MachineFault, UserError, echo, nearest
from autotune.export.source import FOLDER as CODE
from autotune.train.config import Pace, TrainConfig, apply, is_own, pace, processes, timeout
from autotune.train.function import search_first
from autotune.train.missing_path import absent
from autotune.trial import Assignment, Failure, Fault, Goal, Purpose, Reply, Report, Share

__all__ = ["Changes", "train_alone"]


@dataclass(frozen=True)
class Changes:
    """Overrides of a config."""

    data: str | None = None
    """Another file or folder of the same kind."""
    epochs: int | None = None
    everything: bool = False
    """No validation or test split, and the weights of the last step: no score is given."""


def train_alone(
    path: Path,
    out: Path | None = None,
    changes: Changes = Changes(),
    export: Path | None = None,
) -> Iterator[str]:
    """Trains the config in `path`, keeping weights in `out`; yields one line a report, then the
    score.

    For an export, the code beside the config is used. The trained network is exported to the folder
    `export`. A user's own function keeps what it saves in `out`; its score is printed if the config
    has a `monitor`. Raises AutotuneError when the training fails.
    """
    config = _changed(specs.load_config(path), path, changes)
    if export and is_own(config):
        rule = "--export needs a network of a training config"
        raise UserError(f"{rule}; {path} is of your own code")
    if (code := path.parent / CODE).is_dir():
        search_first(code)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(os.path.abspath(out or scratch))
        yield from _trained(config, folder, changes.everything)
        weights = folder / "best.safetensors"
        if out and weights.exists():
            yield f"weights: {out / 'best.safetensors'}"
        if export:
            yield from _exported(config, weights, export)


def _trained(config: dict[str, Any], folder: Path, everything: bool) -> Iterator[str]:
    monitor, steps = config.get("monitor"), pace(config)
    values: dict[int, float] = {}
    assignment = Assignment(
        number=0,
        trial=0,
        purpose=Purpose.SEARCH,
        config=config,
        seed=config["seed"],
        from_step=0,
        to_step=steps.last,
        folder=str(folder),
        label="alone",
        timeout=timeout(config),
        share=Share(processes=processes(config)),
    )
    with (
        Interrupts() as interrupts,
        SpawnedRanks() as ranks,
        closing(_work(assignment, ranks)) as replies,
    ):
        for reply in replies:
            if interrupts.pending:
                raise interrupts.pending
            if isinstance(reply, Failure):
                raise AutotuneError(f"the training failed ({reply.reason}): {reply.message}")
            if isinstance(reply, Fault):
                raise MachineFault(f"the training stopped: {reply.message}")
            if monitor:
                values[reply.step] = _value(reply, monitor["metric"])
            yield _line(reply, steps, everything)
    if everything:
        yield "trained on all samples: nothing was held out, so no score is claimed"
    elif monitor:
        yield _score(values, monitor, steps.unit)


def _work(assignment: Assignment, ranks: SpawnedRanks) -> Generator[Reply, None, None]:
    """In this process, or in as many as the config requests."""
    watch = Watch(assignment)
    if assignment.share.processes == 1:
        return work(assignment, watch)
    return lead(assignment, ranks, watch)


def _exported(config: dict[str, Any], weights: Path, target: Path) -> Iterator[str]:
    from autotune.export.without_study import export_without_study

    yield from export_without_study(TrainConfig.model_validate(config), weights, target)
    yield f"predict with it: autotune predict {target} FILE"


def _changed(config: dict[str, Any], path: Path, changes: Changes) -> dict[str, Any]:
    """The whole config, validated again."""
    if changes.epochs is not None:
        config = {**config, "epochs": changes.epochs}
    given = _data(config.get("data") or {}, path, changes.data)
    if given:
        config = {**config, "data": given}
    if changes.everything:
        config = _held_nothing(config, path)
    return apply(config, {}).model_dump(mode="json")


def _held_nothing(config: dict[str, Any], path: Path) -> dict[str, Any]:
    if is_own(config):
        raise UserError(f"--all has no effect on {path}: your own code reads its own data")
    if config["lr_schedule"]["name"] == "plateau":
        rule = "its learning rate follows the validation loss (`lr_schedule.name` is plateau)"
        raise UserError(f"--all has nothing to validate by, but {rule}: choose another in {path}")
    last = {"metric": "train_loss", "goal": "minimize", "at": "last"}
    return {**config, "data": {**config["data"], "use_all": True}, "monitor": last}


def _data(given: dict[str, Any], path: Path, other: str | None) -> dict[str, Any]:
    key = next((key for key in ("path", "root") if key in given), None)
    if other is None:
        if key == "path" and not Path(given[key]).exists():
            cure = "give it with --data PATH"
            raise UserError(f"{path}: `data.path`: {absent(Path(given[key]), 'data')}; {cure}")
        return given
    if key is None:
        what = f"`data.name` is {given['name']!r}" if given else "its function reads its own data"
        raise UserError(f"--data has no effect on {path}: {what}, which is not a file")
    if not Path(other).exists():
        raise UserError(f"--data: {absent(Path(other), 'data')}")
    return {**given, key: other}


def _line(report: Report, steps: Pace, everything: bool) -> str:
    told = {k: v for k, v in report.metrics.items() if not (everything and k.startswith("val_"))}
    shown = "  ".join(f"{name} {value:.4g}" for name, value in told.items())
    end = f"/{steps.last}" if steps.last else ""
    return f"{steps.unit} {report.step}{end}  {shown}"


def _value(report: Report, metric: str) -> float:
    if metric not in report.metrics:
        rule = (
            f"`monitor.metric` must be reported, but {echo(metric)} was not at epoch {report.step}"
        )
        raise UserError(rule + nearest(metric, report.metrics))
    return report.metrics[metric]


def _score(values: dict[int, float], monitor: dict[str, str], unit: str) -> str:
    step = max(values) if monitor["at"] == "last" else Goal(monitor["goal"]).best_step(values)
    assert step is not None, "a training that has ended reported something"
    return f"{monitor['metric']} {values[step]:.10g} ({unit} {step})"
