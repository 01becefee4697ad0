"""Many runs at once are, row for row, what MLflow's client writes."""

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.testing.tracking import read_mlflow, study_events, told
from autotune.tracking import bulk, mlflow
from autotune.tracking.base import Event, RunFinished, RunReported, RunStarted
from autotune.tracking.mlflow import MlflowTracker
from autotune.trial import Report

Made = Callable[[Path], str]
CLIENT_ALONE = 10**9


def events_of_all_kinds() -> list[Event]:
    """Beside the usual: values that SQL has no word for, long texts, names that MLflow does not
    take, steps in no order, a run that is not over."""
    events = study_events(30)
    (first,) = (event for event in events[:2] if isinstance(event, RunStarted))
    params = {"model/width ü": 3, "note": "n" * 9_000, "same?": 1, "same!": 2}
    events[1] = replace(first, params={**first.params, **params}, config={"x": "y" * 9_000})
    odd = {"up": math.inf, "down": -math.inf, "nan": math.nan, "a?": 1.0, "a!": 2.0, "/b": 3.0}
    for step in (5, 4):
        events.append(RunReported("trial-0001", Report(step, odd, 0.1), 1e9 + 500 - step))
    left = RunStarted("trial-0030", first.purpose, 30, 1, {}, {}, 1e9 + 9)
    message = "said " * 2_000
    ended = next(e for e in events if isinstance(e, RunFinished) and e.label == "trial-0002")
    events[events.index(ended)] = replace(ended, message=message, worker="")
    return [*events, left, RunReported("trial-0030", Report(1, {"loss": 1.0}, 0.1), 1e9 + 10)]


def track(uri: str, folder: Path, events: list[Event]) -> str:
    tracker = MlflowTracker(Address(uri), folder / "mlartifacts", folder / "spool")
    for event in events:
        tracker.record(event)
    return tracker.close(240)


def rows(folder: Path) -> dict[str, list[tuple[str, ...]]]:
    """All rows of the runs, with labels in place of their ids."""
    found = {}
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        labels = dict(database.execute("SELECT run_uuid, name FROM runs"))
        for table, columns in bulk._COLUMNS.items():
            written = database.execute(f"SELECT {', '.join(sorted(columns))} FROM {table}")
            texts = [tuple(repr(cell) for cell in row) for row in written]
            for id, label in labels.items():
                texts = [tuple(cell.replace(id, label) for cell in row) for row in texts]
            found[table] = sorted(texts)
    return found


def test_both_ways_write_the_same_rows(
    tmp_path: Path, new_database: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    events, used = events_of_all_kinds(), list[int]()
    write_runs = bulk.write_runs

    def counted(path: Path, experiment: str, runs: list[bulk.NewRun]) -> bool:
        used.append(len(runs))
        return write_runs(path, experiment, runs)

    monkeypatch.setattr(mlflow, "write_runs", counted)
    uri = new_database(tmp_path / "same")
    assert track(uri, tmp_path / "same", events) == ""
    assert used == [32], "this MLflow has the tables that are known here"
    at_once = rows(tmp_path / "same")
    (tmp_path / "same" / "mlflow.db").unlink()
    monkeypatch.setattr(mlflow, "_MANY", CLIENT_ALONE)
    assert track(new_database(tmp_path / "same"), tmp_path / "same", events) == ""
    assert used == [32]
    by_client = rows(tmp_path / "same")
    for table in bulk._COLUMNS:
        assert at_once[table] == by_client[table], table


def test_what_was_written_at_once_goes_on_by_the_client(tmp_path: Path, new_database: Made) -> None:
    uri, events = new_database(tmp_path), study_events(40)
    for until in (150, len(events), len(events)):
        assert track(uri, tmp_path, events[:until]) == ""
        assert read_mlflow(uri, "uid-0") == told(events[:until])


def test_other_tables_are_left_to_the_client(tmp_path: Path, new_database: Made) -> None:
    uri, events = new_database(tmp_path), study_events(30)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("ALTER TABLE params ADD COLUMN kind VARCHAR(20)")
    assert not bulk.write_runs(tmp_path / "mlflow.db", "0", [])
    assert track(uri, tmp_path, events) == ""
    assert read_mlflow(uri, "uid-0") == told(events)


def test_a_run_that_mlflow_refuses_is_told_and_keeps_no_other(
    tmp_path: Path, new_database: Made
) -> None:
    uri, events = new_database(tmp_path), study_events(30)
    nameless = RunReported("trial-0003", Report(4, {"": 1.0}), 1e9)
    assert "refused 1 writes (such as: trial-0003: " in track(uri, tmp_path, [*events, nameless])
    seen, wanted = read_mlflow(uri, "uid-0"), told(events)
    assert {label for label in wanted if seen[label] != wanted[label]} <= {"trial-0003"}


@pytest.mark.parametrize("rows_written", [0, 40, 400])
def test_a_write_that_is_cut_short_is_made_again(
    tmp_path: Path, new_database: Made, monkeypatch: pytest.MonkeyPatch, rows_written: int
) -> None:
    """The runs of a transaction are there or not: never twice, never half."""
    uri, events = new_database(tmp_path), study_events(40)
    monkeypatch.setattr(bulk, "_RUNS_A_TRANSACTION", 10)
    metric, left = bulk._metric, [rows_written]

    def cut(run: bulk.NewRun, point: object) -> bulk.Row:
        left[0] -= 1
        if left[0] == 0:
            raise OSError("the disk is away")
        return metric(run, point)  # type: ignore[arg-type]

    monkeypatch.setattr(bulk, "_metric", cut)
    track(uri, tmp_path, events)
    assert track(uri, tmp_path, events) == ""
    assert read_mlflow(uri, "uid-0") == told(events)
