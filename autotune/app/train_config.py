"""One training config trained by itself, as a trial would be: same curve, same score (CPU)."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from autotune import spec as specs
from autotune.engine.interrupt import Interrupts
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work import work
from autotune.errors import AutotuneError, MachineFault, UserError, echo, nearest
from autotune.train.config import Pace, pace, timeout
from autotune.trial import Assignment, Failure, Fault, Goal, Purpose, Report

__all__ = ["train_alone"]


def train_alone(path: Path, out: Path | None) -> Iterator[str]:
    """Trains the config in `path`, keeping weights in `out`; yields a line a report and the score.

    A function of the user's own keeps what it saves in `out`; its score is told where the config
    has a `monitor`. Raises AutotuneError when the training fails.
    """
    config = specs.load_config(path)
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
        )
        with closing(work(assignment, Watch(assignment))) as replies:
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
