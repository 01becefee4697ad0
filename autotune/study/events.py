"""Events emitted by a study, derived from its history: the same live and afterwards."""

import platform
from collections.abc import Iterator
from importlib import metadata

from autotune import spec as specs
from autotune.study.data_identity import data_identity
from autotune.study.history import History
from autotune.study.journal.journal import Run
from autotune.tracking.base import (
    Event,
    RunFinished,
    RunReported,
    RunStarted,
    SamplerSwitched,
    StudyFinished,
    StudyOpened,
)
from autotune.train.config import is_own, pace
from autotune.trial import Purpose, State

__all__ = ["closing", "finished", "message", "opening", "replayed", "reported", "started"]


def opening(history: History) -> StudyOpened:
    began = min((run.started for run in history.trials), default=0.0)
    spec, objective = specs.dump_shown(history.spec), history.spec.objective
    tags = {
        **(history.provenance or _versions()),
        "objective": f"{objective.goal} {objective.metric}",
    }
    return StudyOpened(history.spec.name, history.uid, spec, tags, began)


def replayed(history: History) -> Iterator[Event]:
    """All events of the study so far, run by run."""
    if history.sampler_switch.why:
        yield SamplerSwitched(history.sampler_switch.why)
    for run in [*history.trials, *history.confirms, *history.verifies]:
        yield started(history, run)
        for step in sorted(run.reports):
            yield reported(history, run, step)
        if run.state.finished:
            yield finished(history, run)
    for run in history.tests:
        if run.state.finished:
            yield finished(history, run)


def closing(history: History, complete: bool, failure: str = "") -> StudyFinished:
    """The study's state, and its winner if there is one."""
    at, best, metric = history.ended_at(), history.best(), history.spec.objective.metric
    data = data_identity(history.spec)
    if best is None:
        return StudyFinished(complete, at=at, failure=failure, data=data)
    numbers = {
        **{f"best/{key}": v for key, v in history.values(history.trials[best.trial]).items()},
        f"best/{metric}": best.value,
        f"confirmed/{metric}_mean": best.mean,
        f"confirmed/{metric}_std": best.std,
        f"confirmed/{metric}_low": best.interval[0] if best.interval else None,
        f"confirmed/{metric}_high": best.interval[1] if best.interval else None,
        f"chosen/{metric}_mean": best.chosen.mean if best.verified and best.chosen else None,
        f"test/{metric.removeprefix('val_')}_mean": best.test,
    }
    summary = {key: value for key, value in numbers.items() if value is not None}
    artifacts = {"best.yaml": history.best_text(best)}
    kept = sorted(history.figures_folder(best.source).glob("*.png"))
    figures = {f"figures/{path.name}": str(path.absolute()) for path in kept}
    for path in sorted(history.pictures_folder.glob("*.png")):
        figures[f"pictures/{path.name}"] = str(path.absolute())
    if (report := history.folder / "report.html").is_file():
        figures["report.html"] = str(report.absolute())
    params = dict(best.params) if complete else {}
    winner = history.trials[best.trial].label
    return StudyFinished(complete, summary, artifacts, at, failure, figures, params, winner, data)


def started(history: History, run: Run) -> RunStarted:
    return RunStarted(
        label=run.label,
        purpose=run.purpose,
        trial=run.trial,
        seed=run.seed,
        params=run.params,
        config=history.config(run),
        at=run.started,
    )


def reported(history: History, run: Run, step: int) -> RunReported:
    return RunReported(run.label, run.reports[step], run.stamps[step]["at"])


def finished(history: History, run: Run) -> RunFinished:
    log = history.log_file(run)
    return RunFinished(
        label=run.label,
        state=run.state,
        reason=run.snapshot(history.spec.scoring).reason,
        message=message(history, run),
        summary=_summary(history, run),
        at=run.outcome["at"],
        best=run.outcome.get("best"),
        finished=run.outcome.get("finished", 0),
        worker=run.outcome.get("worker", ""),
        log=str(log) if run.purpose != Purpose.TEST and log.is_file() else "",
        trial=run.trial if run.purpose == Purpose.SEARCH else None,
        value=run.value if run.purpose == Purpose.SEARCH else None,
    )


def message(history: History, run: Run) -> str:
    """What ended the run before its time; "" where nothing did."""
    if run.state != State.COMPLETE or run.purpose == Purpose.TEST:
        return str(run.outcome.get("message", ""))
    config = history.config(run)
    known = pace(config)
    early = is_own(config) and known.last and run.step < known.last
    return f"it ended by itself at {known.unit} {run.step} of {known.last}" if early else ""


def _summary(history: History, run: Run) -> dict[str, float]:
    if run.purpose == Purpose.TEST:
        metrics = run.reports[run.step].metrics if run.reports else {}
        tests = {k: v for k, v in metrics.items() if k.startswith("test_")}
        return {k.replace("_", "/", 1): v for k, v in tests.items()}
    summary = {"run/seconds": run.seconds}
    metric = history.spec.objective.metric
    curve = history.spec.scoring.curve(run.reports)
    step = history.spec.objective.goal.best_step(curve)
    if step is not None:
        summary |= {f"best/{metric}": curve[step], "best/step": float(step)}
        summary |= {f"last/{metric}": curve[max(curve)]}
    return summary | _more(history, run)


def _more(history: History, run: Run) -> dict[str, float]:
    """Other objectives and costs, of the step that counts."""
    step, first = history.spec.scoring.step(run.reports), history.spec.objective
    if step is None:
        return {}
    known = run.reports[step].metrics
    others = [m for m in history.spec.scoring.metrics if m != first.metric and m in known]
    more = {f"{first.at}/{metric}": known[metric] for metric in others}
    if history.spec.constraints and len(others) == len(history.spec.scoring.metrics) - 1:
        more["feasible"] = float(not history.spec.scoring.violation(run.reports))
    return more


def _versions() -> dict[str, str]:
    packages = ("autotune", "optuna", "ray", "mlflow", "torch")
    return {"python": platform.python_version(), **{p: metadata.version(p) for p in packages}}
