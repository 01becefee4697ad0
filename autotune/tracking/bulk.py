"""Many new runs at once, straight into the tables of MLflow's SQLite file.

MLflow's client takes three calls and some twelve transactions a run, and knows none for several
runs. These are the rows that the client would write; where the tables are not exactly as they are
known here, it is the client that writes.
"""

import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from autotune.tracking.gather import MetricPoint

__all__ = ["NewRun", "ms", "replace_params", "write_runs"]

_COLUMNS = {
    "runs": (
        *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id"),
        *("status", "start_time", "end_time", "source_version", "lifecycle_stage"),
        *("artifact_uri", "experiment_id", "deleted_time"),
    ),
    "tags": ("key", "value", "run_uuid"),
    "params": ("key", "value", "run_uuid"),
    "metrics": ("key", "value", "timestamp", "run_uuid", "step", "is_nan"),
    "latest_metrics": ("key", "value", "timestamp", "step", "is_nan", "run_uuid"),
}
_RUNS_A_TRANSACTION = 500
_PATIENCE = 20.0
"""Seconds to wait for another program's write, as MLflow does."""
_LARGEST = 1.7976931348623157e308
"""MLflow's infinity."""
Row = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class NewRun:
    id: str
    name: str
    status: str
    start: int
    """As `ms` says it."""
    end: int | None
    tags: Mapping[str, str]
    params: Mapping[str, str]
    points: Sequence[MetricPoint]

    @property
    def names(self) -> set[str]:
        """Of its params and metrics. MLflow takes no empty one."""
        return {*self.params, *(point.key for point in self.points)}


def write_runs(path: Path, experiment: str, runs: Sequence[NewRun]) -> bool:
    """False where MLflow's client must write them: nothing is written then."""
    uri = f"{path.as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys = ON")
        if not _is_known(file):
            return False
        wanted = "SELECT artifact_location FROM experiments WHERE experiment_id = ?"
        (artifacts,) = file.execute(wanted, (int(experiment),)).fetchone()
        for first in range(0, len(runs), _RUNS_A_TRANSACTION):
            file.execute("BEGIN IMMEDIATE")
            _insert(file, runs[first : first + _RUNS_A_TRANSACTION], (int(experiment), artifacts))
            file.execute("COMMIT")
    return True


def replace_params(path: Path, run: str, params: Mapping[str, str]) -> bool:
    """Gives a run other params, which MLflow's client cannot. False where the tables are not as
    they are known here."""
    uri = f"{path.as_uri()}?mode=rw"
    with closing(sqlite3.connect(uri, uri=True, timeout=_PATIENCE, isolation_level=None)) as file:
        if not _is_known(file):
            return False
        file.execute("BEGIN IMMEDIATE")
        file.execute("DELETE FROM params WHERE run_uuid = ?", (run,))
        rows = ((key, word, run) for key, word in params.items())
        file.executemany("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)", rows)
        file.execute("COMMIT")
    return True


def _is_known(file: sqlite3.Connection) -> bool:
    def columns(table: str) -> set[str]:
        return {str(row[1]) for row in file.execute(f"PRAGMA table_info({table})")}

    return all(columns(table) == set(known) for table, known in _COLUMNS.items())


def _insert(file: sqlite3.Connection, runs: Sequence[NewRun], experiment: tuple[int, str]) -> None:
    def put(table: str, rows: Iterator[Row], how: str = "INSERT") -> None:
        names, marks = ", ".join(_COLUMNS[table]), ", ".join("?" * len(_COLUMNS[table]))
        file.executemany(f"{how} INTO {table} ({names}) VALUES ({marks})", rows)

    put("runs", (_run(run, *experiment) for run in runs))
    put("tags", ((key, tag, run.id) for run in runs for key, tag in _tags(run).items()))
    put("params", ((key, word, run.id) for run in runs for key, word in run.params.items()))
    metrics = (_metric(run, point) for run in runs for point in run.points)
    put("metrics", metrics, "INSERT OR IGNORE")  # of two that are alike MLflow keeps one
    put("latest_metrics", (row for run in runs for row in _latest(run)))


def _run(run: NewRun, experiment: int, artifacts: str) -> Row:
    user = run.tags.get("mlflow.user", "unknown")
    place = f"{artifacts.rstrip('/')}/{run.id}/artifacts"
    made = (run.id, run.name, "UNKNOWN", "", "", user, run.status, run.start, run.end)
    return (*made, "", "active", place, experiment, None)


def _tags(run: NewRun) -> dict[str, str]:
    return {**run.tags, "mlflow.runName": run.name}


def _metric(run: NewRun, point: MetricPoint) -> Row:
    value, is_nan = _value(point)
    return point.key, value, ms(point.at), run.id, point.step, is_nan


def _value(point: MetricPoint) -> tuple[float, bool]:
    """As MLflow keeps what SQL has no word for."""
    if math.isnan(point.value):
        return 0.0, True
    return max(-_LARGEST, min(_LARGEST, point.value)), False


def _latest(run: NewRun) -> Iterator[Row]:
    """Of each metric the point that MLflow shows: the last step, then time, then value."""
    newest: dict[str, tuple[int, int, float, bool]] = {}
    for point in run.points:
        shown = (point.step, ms(point.at), *_value(point))
        if point.key not in newest or shown[:3] > newest[point.key][:3]:
            newest[point.key] = shown
    for key, (step, at, value, is_nan) in newest.items():
        yield key, value, at, step, is_nan, run.id


def ms(at: float) -> int:
    """Milliseconds, as in MLflow."""
    return round(at * 1000)
