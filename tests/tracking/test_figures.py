"""The figures of an export are artifacts of the study's MLflow run, also after a sync."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from autotune import spec as specs
from autotune.app.runner import drive, sync, tell_figures
from autotune.export.bundle import export
from autotune.files import FileLock
from autotune.study import events
from autotune.study.history import load
from autotune.testing.tracking import read_mlflow
from autotune.tracking.mlflow import LABEL, STUDY, connect

SMALL = ("budget.trials=2", "trial.epochs=2", "confirm.top=1", "confirm.seeds=1")
FIGURES = ["figures/attribution.png", "figures/confusion.png"]


def parent(uri: str) -> tuple[Mapping[str, Any], list[str]]:
    """What MLflow holds of the study itself; the figures among its artifacts."""
    client = connect(uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "quickstart"]
    runs = client.search_runs([experiment.experiment_id])
    (run,) = [run for run in runs if run.data.tags[LABEL] == STUDY]
    told = {**run.data.tags, **run.data.metrics, "status": run.info.status, "runs": len(runs)}
    figures = [item.path for item in client.list_artifacts(run.info.run_id, "figures")]
    return told, figures


def test_the_figures_of_an_export_are_in_mlflow(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    runs = tmp_path / "runs"
    uri = new_database(runs)
    history, _ = drive(specs.load(specs.find("quickstart"), SMALL), runs, engine="inline")
    before, none = parent(uri)
    assert none == [] and before["status"] == "FINISHED"
    written = export(history, tmp_path / "best")
    for _ in range(2):
        assert tell_figures(history, runs, written.figures) == []
        assert parent(uri) == (before, FIGURES)
    live = read_mlflow(uri, history.uid)
    (runs / "mlflow.db").unlink()
    uri = new_database(runs)
    assert sync("quickstart", runs) == []
    assert parent(uri)[1] == FIGURES
    assert read_mlflow(uri, history.uid) == live, "the readings of the test split, too"
    assert any("test/accuracy" in run.metrics for run in live.values() if run.parent)
    (runs / "mlflow.db").unlink()
    uri = new_database(runs)
    assert tell_figures(history, runs, written.figures) == []
    assert read_mlflow(uri, history.uid) == live, "a new database is told all"


def test_a_study_that_runs_tells_its_figures_itself(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    runs = tmp_path / "runs"
    new_database(runs)
    history, _ = drive(specs.load(specs.find("quickstart"), SMALL), runs, engine="inline")
    picture = tmp_path / "confusion.png"
    picture.write_bytes(b"a picture")
    with FileLock(history.folder / "driver.lock"):
        assert tell_figures(history, runs, [picture]) == []
    told = events.closing(load("quickstart", runs), True).figures
    made = ["pictures/history.png", "report.html"]  # at its end, as of each study
    assert [name for name in told if name not in made] == ["figures/confusion.png"]
    assert Path(told["figures/confusion.png"]).read_bytes() == b"a picture"
