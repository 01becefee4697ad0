"""What trials cost is journaled, told to MLflow, and may be the objective."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.errors import InvalidInput
from autotune.study.history import load
from autotune.tracking.mlflow import LABEL, connect

STUDY = """\
name: costs
objective: {metric: %s, goal: minimize}
trial:
  data: {name: digits}
  model: {name: mlp, depth: 1}
  epochs: 2
  batch_size: 256
  metrics: [%s]
space: {model.width: {type: int, low: 4, high: 32}}
search: {name: random}
schedule: {name: none}
budget: {trials: 3}
confirm: {top: 1, seeds: 1}
"""


def parameters(width: int) -> float:
    return 64 * width + width + 10 * width + 10


def written(folder: Path, objective: str, metrics: str) -> Path:
    path = folder / "costs.yaml"
    path.write_text(STUDY % (objective, metrics))
    return path


def test_mlflow_shows_what_the_journal_holds(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    uri = new_database(tmp_path / "runs")
    spec = specs.load(written(tmp_path, "val_loss", "params, seconds"), [f"tracking.uri={uri}"])
    drive(spec, tmp_path / "runs", engine="inline")
    history = load("costs", tmp_path / "runs")
    client = connect(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "costs"]
    runs = client.search_runs([experiment.experiment_id])
    ids = {run.data.tags[LABEL]: run.info.run_id for run in runs}
    assert len(history.trials) == 3
    for run in history.trials:
        told = {step: dict(report.metrics) for step, report in run.reports.items()}
        wanted = parameters(int(run.params["model.width"]))
        assert [told[step]["params"] for step in (1, 2)] == [wanted, wanted]
        for name in ("params", "seconds"):
            points = client.get_metric_history(ids[run.label], name)
            assert {point.step: point.value for point in points} == {
                step: metrics[name] for step, metrics in told.items()
            }
        (total,) = client.get_metric_history(ids[run.label], "run/seconds")
        assert total.value == run.seconds > told[2]["seconds"]


def test_an_objective_is_reported_without_being_asked_for(tmp_path: Path) -> None:
    spec = specs.load(written(tmp_path, "params", "grad_norm"), ["tracking.uri=none"])
    specs.check(spec)
    history, _ = drive(spec, tmp_path / "runs", engine="inline")
    widths = [int(run.params["model.width"]) for run in history.trials]
    assert [run.value for run in history.trials] == [parameters(width) for width in widths]
    best = history.best()
    assert best and best.mean == best.value == parameters(min(widths)) and best.test is None
    assert best.config["metrics"] == ["grad_norm", "params"]


def test_a_cost_that_is_misspelt(tmp_path: Path) -> None:
    spec = written(tmp_path, "latency", "grad_norm")
    with pytest.raises(InvalidInput, match="'latency'; did you mean 'latency_ms'"):
        specs.check(specs.load(spec, []))
