"""One training config trained by itself, as a trial would be: same curve, same score (CPU)."""

import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing
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
from autotune.train.absent import absent
from autotune.train.config import Pace, apply, pace, processes, timeout
from autotune.train.function import search_first
from autotune.trial import Assignment, Failure, Fault, Goal, Purpose, Reply, Report, Share

__all__ = ["train_alone"]


def train_alone(
    path: Path, out: Path | None = None, data: str | None = None, epochs: int | None = None
) -> Iterator[str]:
    """Trains the config in `path`, keeping weights in `out`; yields a line a report and the score.

    `data` and `epochs` take the place of the config's own. Of an export, the code beside the config
    is used. A function of the user's own keeps what it saves in `out`; its score is told where the
    config has a `monitor`. Raises AutotuneError when the training fails.
    """
    config = apply(_changed(specs.load_config(path), path, data, epochs), {}).model_dump(
        mode="json"
    )
    if (code := path.parent / CODE).is_dir():
        search_first(code)
    monitor, steps = config.get("monitor"), pace(config)
    values: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as scratch, Interrupts() as interrupts:
        assignment = Assignment(
            number=0,
            trial=0,
            purpose=Purpose.SEARCH,
            config=config,
            seed=config["seed"],
            from_step=0,
            to_step=steps.last,
            folder=os.path.abspath(out or scratch),
            label="alone",
            timeout=timeout(config),
            share=Share(processes=processes(config)),
        )
        with SpawnedRanks() as ranks, closing(_work(assignment, ranks)) as replies:
            for reply in replies:
                if interrupts.pending:
                    raise interrupts.pending
                if isinstance(reply, Failure):
                    raise AutotuneError(f"the training failed ({reply.reason}): {reply.message}")
                if isinstance(reply, Fault):
                    raise MachineFault(f"the training stopped: {reply.message}")
                if monitor:
                    values[reply.step] = _value(reply, monitor["metric"])
                yield _line(reply, steps)
    if monitor:
        yield _score(values, monitor, steps.unit)
    if out and (out / "best.safetensors").exists():
        yield f"weights: {out / 'best.safetensors'}"


def _work(assignment: Assignment, ranks: SpawnedRanks) -> Generator[Reply, None, None]:
    """Done here, or in as many processes as the config asks for."""
    watch = Watch(assignment)
    if assignment.share.processes == 1:
        return work(assignment, watch)
    return lead(assignment, ranks, watch)


def _changed(
    config: dict[str, Any], path: Path, data: str | None, epochs: int | None
) -> dict[str, Any]:
    if epochs is not None:
        config = {**config, "epochs": epochs}
    given: dict[str, Any] = config.get("data") or {}
    key = next((key for key in ("path", "root") if key in given), None)
    if data is None:
        if key == "path" and not Path(given[key]).exists():
            cure = "give it with --data PATH"
            raise UserError(f"{path}: `data.path`: {absent(Path(given[key]), 'data')}; {cure}")
        return config
    if key is None:
        what = f"`data.name` is {given['name']!r}" if given else "its function reads its own data"
        raise UserError(f"--data has no effect on {path}: {what}, which is not a file")
    if not Path(data).exists():
        raise UserError(f"--data: {absent(Path(data), 'data')}")
    return {**config, "data": {**given, key: data}}


def _line(report: Report, steps: Pace) -> str:
    shown = "  ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
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
