"""The benchmark of MLflow's page in its smallest form: the query is that of the page."""

from pathlib import Path

from autotune.app.runner import sync
from autotune.spec import MlflowTracking
from benchmarks import mlflow_page
from benchmarks.read_commands import NAME, build


def test_the_benchmark_of_the_page_in_small(tmp_path: Path) -> None:
    build(tmp_path, 30, MlflowTracking().uri)
    sync(NAME, tmp_path)
    wall, work = mlflow_page.query_seconds(tmp_path, repeats=1)
    assert 0 < wall and 0 < work
