"""MLflow's database: whole or absent, whatever strikes; a broken one is set aside and told anew."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.errors import AutotuneError
from autotune.testing.tracking import read_mlflow, study_events, told
from autotune.tracking import database
from autotune.tracking.base import Event
from autotune.tracking.database import make_ready
from autotune.tracking.mlflow import MlflowTracker, connect

Made = Callable[[Path], str]
MAKES = "import sys; from autotune.tracking.mlflow import connect; connect(sys.argv[1])"
MLFLOW_MAKES = (
    "import sys; from mlflow.tracking import MlflowClient; "
    "MlflowClient(sys.argv[1]).search_experiments()"
)
"""As MLflow by itself, and autotune up to 820179d, made a database: in its place."""


def killed_at(kilobytes: int, code: str, path: Path) -> None:
    """Killed when what it makes has grown by so much."""

    def grown() -> int:
        size = 0
        for file in [*path.parent.glob(f".{path.name}.new-*"), path]:
            with suppress(FileNotFoundError):
                size += file.stat().st_size
        return size // 1024

    with subprocess.Popen(
        [sys.executable, "-c", code, f"sqlite:///{path}"], stderr=subprocess.DEVNULL
    ) as child:
        while grown() < kilobytes and child.poll() is None:
            time.sleep(0.001)
        child.kill()
    assert child.returncode == -9, "it must be killed before it ends by itself"


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def overwrite(path: Path, at: float, count: int = 40_000) -> None:
    """Garbage in the middle, as of a dying disk."""
    with path.open("r+b") as file:
        file.seek(int(path.stat().st_size * at))
        file.write(b"\xa5" * count)


def opened(folder: Path, retell: Callable[[], list[Event]] = list) -> MlflowTracker:
    address = Address(f"sqlite:///{folder}/mlflow.db")
    return MlflowTracker(address, folder / "mlartifacts", folder / "spool", retell)


def track(folder: Path, events: list[Event]) -> tuple[str, list[str]]:
    tracker = opened(folder, lambda: events)
    for event in events:
        tracker.record(event)
    return tracker.close(120), list(tracker.notes)


def files(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir() if file.is_file())


@pytest.fixture
def at_once(tmp_path: Path, new_database: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else makes a database here, and a new one is a copy, as in `new_database`."""
    empty = Path(new_database(tmp_path / "empty").removeprefix("sqlite:///"))

    def new(path: Path) -> Path:
        with database._beside(path) as made:
            shutil.copy(empty, made)
            return made

    monkeypatch.setattr(database, "_QUIET", 0.0)
    monkeypatch.setattr(database, "_new", new)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [0, 60, 300, 850])
def test_killed_while_it_is_made(tmp_path: Path, kilobytes: int) -> None:
    path = tmp_path / "mlflow.db"
    killed_at(kilobytes, MAKES, path)
    assert not path.exists()
    assert make_ready(path) == ""
    assert files(tmp_path) == [".mlflow.db.lock", "mlflow.db"]
    assert track(tmp_path, study_events(2)) == ("", [])


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [60, 300, 850])
def test_half_of_one_that_was_made_in_its_place(tmp_path: Path, kilobytes: int) -> None:
    killed_at(kilobytes, MLFLOW_MAKES, tmp_path / "mlflow.db")
    unwritten, notes = track(tmp_path, study_events(2))
    assert unwritten == ""
    assert [note.partition(" was broken (")[0] for note in notes] == [f"{tmp_path}/mlflow.db"]
    assert "cut short): it is kept as mlflow.db.broken-1" in notes[0]
    assert read_mlflow(f"sqlite:///{tmp_path}/mlflow.db", "uid-0") == told(study_events(2))
    assert track(tmp_path, study_events(2)) == ("", [])


@pytest.mark.slow
def test_a_full_disk_while_it_is_made(disk: Path) -> None:
    unwritten, notes = track(disk, study_events(2))
    assert "database or disk is full" in unwritten and notes == []
    assert "\n" not in unwritten and len(unwritten) < 400
    left = set(files(disk)) - {".mlflow.db.lock"}
    assert left == {"spool"}, "the events wait, and nothing is left of the database"
    subprocess.run(["mount", "-o", "remount,size=20m", str(disk)], check=True)
    assert track(disk, study_events(2)) == ("", [])
    assert read_mlflow(f"sqlite:///{disk}/mlflow.db", "uid-0") == told(study_events(2))
    assert "spool" not in files(disk)


BREAKS: dict[str, Callable[[Path], object]] = {
    "not a database": lambda path: path.write_bytes(b"nonsense " * 9_000),
    "truncated": lambda path: os.truncate(path, 300_000),
    "a dying disk": lambda path: overwrite(path, 0.02, 400_000),
    "a migration cut short": lambda path: change(
        path, "UPDATE alembic_version SET version_num = '7ac759974ad8'",
        "CREATE TABLE _alembic_tmp_metrics (x)",
    ),
    "made by half": lambda path: change(
        path, "DELETE FROM alembic_version", "DROP TABLE experiments",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", BREAKS)
def test_a_broken_one_is_set_aside_and_told_anew(
    tmp_path: Path, new_database: Made, at_once: None, what: str
) -> None:
    uri, events = new_database(tmp_path), study_events(2)
    assert track(tmp_path, events) == ("", [])
    BREAKS[what](tmp_path / "mlflow.db")
    broken = (tmp_path / "mlflow.db").read_bytes()
    unwritten, notes = track(tmp_path, [events[0], events[-1]])  # as of `export`
    assert unwritten == "", "all that is not in the journal by now was told before"
    (note,) = notes
    assert note.startswith(f"{tmp_path}/mlflow.db was broken (") and "\n" not in note
    assert note.endswith(
        "it is kept as mlflow.db.broken-1, and a new one is begun; "
        "`autotune sync --all` writes all studies to it again"
    )
    assert (tmp_path / "mlflow.db.broken-1").read_bytes() == broken
    tracker = opened(tmp_path, lambda: events)
    for event in events:
        tracker.record(event)
    assert tracker.close(120) == "" and tracker.notes == ()
    assert read_mlflow(uri, "uid-0") == told(events)
    (tmp_path / "mlflow.db").write_bytes(b"nonsense " * 9_000)
    track(tmp_path, events)
    assert "mlflow.db.broken-2" in files(tmp_path)


def half_told(folder: Path, uri: str, events: Sequence[Event]) -> MlflowTracker:
    """A tracker that has written the first twelve of `events`."""
    journal = list(events[:12])
    tracker = opened(folder, lambda: journal)
    for event in journal:
        tracker.record(event)
    deadline = time.monotonic() + 60
    while len(read_mlflow(uri, "uid-0")) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return tracker


def test_one_that_breaks_while_a_study_runs(
    tmp_path: Path, new_database: Made, at_once: None
) -> None:
    """All that was told before comes from the journal."""
    uri, events = new_database(tmp_path), study_events(3)
    tracker = half_told(tmp_path, uri, events)
    overwrite(tmp_path / "mlflow.db", 0.02, 400_000)
    for event in events[12:]:
        tracker.record(event)
    assert tracker.close(120) == ""
    assert len(tracker.notes) == 1
    assert read_mlflow(uri, "uid-0") == told(events)


def test_one_that_another_process_sets_aside(
    tmp_path: Path, new_database: Made, at_once: None
) -> None:
    """Two studies of one database: the second one finds it new, and tells all again."""
    uri, events = new_database(tmp_path), study_events(3)
    tracker = half_told(tmp_path, uri, events)
    (tmp_path / "mlflow.db").rename(tmp_path / "mlflow.db.broken-1")
    make_ready(tmp_path / "mlflow.db")  # flocks and renames know no processes
    for event in events[12:]:
        tracker.record(event)
    assert tracker.close(120) == "" and tracker.notes == ()
    assert read_mlflow(uri, "uid-0") == told(events)


def test_what_sqlite_kept_beside_another_one_is_not_for_the_new_one(
    tmp_path: Path, new_database: Made
) -> None:
    """A hot journal of a database that is gone would be rolled back into the new one."""
    new_database(tmp_path / "old")
    old, path = tmp_path / "old/mlflow.db", tmp_path / "mlflow.db"
    with closing(sqlite3.connect(old)) as writer:
        writer.execute("PRAGMA cache_size = 1")  # so that changes reach the disk at once
        writer.execute("UPDATE alembic_version SET version_num = 'x'")
        writer.execute("CREATE TABLE more AS SELECT * FROM sqlite_master, pragma_function_list")
        shutil.copy(f"{old}-journal", f"{path}-journal")
    assert Path(f"{path}-journal").stat().st_size > 0
    assert make_ready(path) == ""
    assert files(tmp_path) == [".mlflow.db.lock", "mlflow.db"]
    with closing(sqlite3.connect(path)) as reader:
        assert reader.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        (revision,) = reader.execute("SELECT version_num FROM alembic_version").fetchone()
        assert len(revision) == 12


def test_one_of_a_newer_mlflow_is_left_alone(tmp_path: Path, new_database: Made) -> None:
    new_database(tmp_path)
    path = tmp_path / "mlflow.db"
    change(path, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    before = path.read_bytes()
    unwritten, notes = track(tmp_path, study_events(1))
    assert f"({path} was written by an MLflow newer than " in unwritten and notes == []
    assert "upgrade MLflow, or name another `tracking: {uri: ...}`)" in unwritten
    assert path.read_bytes() == before and "\n" not in unwritten


@pytest.mark.parametrize("revision", ["", "v3.2.0.a"])
def test_one_of_another_program_is_left_alone(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "mlflow.db"
    change(path, "CREATE TABLE trials (x)", "CREATE TABLE alembic_version (version_num)")
    if revision:
        change(path, f"INSERT INTO alembic_version VALUES ('{revision}')")
    with pytest.raises(AutotuneError, match="is the database of another program: move it"):
        make_ready(path)
    assert files(tmp_path) == [".mlflow.db.lock", "mlflow.db"]


OLD = "89d4b8295536"
"""A migration of MLflow 1.7."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # SQLAlchemy's, inside MLflow
def test_one_of_an_older_mlflow_is_upgraded_in_a_copy(tmp_path: Path) -> None:
    import mlflow
    from alembic import command
    from alembic.config import Config

    path = tmp_path / "mlflow.db"
    config = Config()
    scripts = Path(mlflow.__file__).parent / "store" / "db_migrations"
    config.set_main_option("script_location", str(scripts))
    config.set_main_option("sqlalchemy.url", f"sqlite:///{path}")
    from mlflow.store.tracking.dbmodels.initial_models import Base
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{path}")
    Base.metadata.create_all(engine)
    engine.dispose()
    command.upgrade(config, OLD)
    change(
        path,
        "INSERT INTO experiments VALUES (7, 'mine', '/x', 'active')",
    )
    before = path.read_bytes()
    note = make_ready(path)
    assert note == (
        f"{path} was upgraded to MLflow {mlflow.__version__}; the one before is kept as "
        "mlflow.db.before-1"
    )
    assert (tmp_path / "mlflow.db.before-1").read_bytes() == before
    assert "mine" in [e.name for e in connect(f"sqlite:///{path}").search_experiments()]
    assert make_ready(path) == ""


def test_one_that_another_program_is_making_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "mlflow.db"
    monkeypatch.setattr(database, "_QUIET", 3.0)
    with subprocess.Popen([sys.executable, "-c", MLFLOW_MAKES, f"sqlite:///{path}"]) as other:
        while not path.exists() or path.stat().st_size < 60_000:
            time.sleep(0.01)
        assert make_ready(path) == ""
        assert other.wait() == 0
    assert files(tmp_path) == [".mlflow.db.lock", "mlflow.db"]


def test_a_locked_one_is_not_broken(
    tmp_path: Path, new_database: Made, at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    new_database(tmp_path)
    path = tmp_path / "mlflow.db"
    monkeypatch.setattr(database, "_PATIENCE", 0.1)
    change(path, "DELETE FROM alembic_version", "DELETE FROM experiments")
    with closing(sqlite3.connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            make_ready(path)
    assert files(tmp_path) == [".mlflow.db.lock", "mlflow.db"]


def test_a_link_stays_a_link(tmp_path: Path, at_once: None) -> None:
    (tmp_path / "disk").mkdir()
    path = tmp_path / "mlflow.db"
    path.symlink_to(tmp_path / "disk" / "real.db")
    make_ready(path)
    assert path.is_symlink() and (tmp_path / "disk" / "real.db").stat().st_size > 0
