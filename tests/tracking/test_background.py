"""What happens when the store is away, breaks in the middle, or can never be written."""

import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.testing.tracking import read_mlflow, study_events, told
from autotune.tracking.base import (
    AnswerUpdated,
    Event,
    RunReported,
    StudyFinished,
    StudyOpened,
)
from autotune.tracking.mlflow import MlflowTracker, connect, find_runs
from autotune.tracking.outbox import Outbox
from autotune.tracking.spool import Spool, to_line
from autotune.tracking.ui import serve_ui
from autotune.trial import Report


def track(uri: str, folder: Path, events: list[Event], timeout: float = 60) -> str:
    tracker = MlflowTracker(Address(uri), folder / "mlartifacts", folder / "unsent.jsonl")
    for event in events:
        tracker.record(event)
    return tracker.close(timeout)


def distinct_events() -> list[Event]:
    """Without the answer that the next one replaces."""
    answers = [event for event in study_events() if isinstance(event, AnswerUpdated)]
    return [event for event in study_events() if event not in answers[:-1]]


def test_a_store_that_cannot_be_written_never_raises(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    events = study_events()
    unwritten = track(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path, events)
    assert unwritten.startswith(
        f"MLflow at sqlite:///{tmp_path}/file/mlflow.db has not got 29 events"
    )
    assert unwritten.endswith("`autotune sync small` sends them.")
    assert "\n" not in unwritten


def test_nor_does_a_spool_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "mlartifacts").write_text("in the way")
    tracker = MlflowTracker(
        Address(f"sqlite:///{tmp_path}/mlartifacts/mlflow.db"),
        tmp_path / "mlartifacts",
        tmp_path / "mlartifacts" / "unsent.jsonl",
    )
    tracker.record(study_events()[0])
    assert "nor can they be kept" in tracker.close(60)


def test_what_a_dead_process_could_not_send_is_sent_by_the_next(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    events = study_events()
    (tmp_path / "file").write_text("in the way")
    assert track(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path, events[:-1])
    uri = new_database(tmp_path / "store")
    assert track(uri, tmp_path, [events[0], events[-1]]) == ""
    assert read_mlflow(uri, "uid-0") == told(events)
    assert not (tmp_path / "unsent.jsonl").exists()


def test_what_another_study_of_the_name_left_is_dropped(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    Spool(tmp_path / "unsent.jsonl").append(study_events(uid="uid-old"))
    uri = new_database(tmp_path / "store")
    assert track(uri, tmp_path, study_events()) == ""
    assert read_mlflow(uri, "uid-old") == {}
    assert read_mlflow(uri, "uid-0") == told(study_events())


def test_a_torn_spool_gives_its_whole_lines(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "unsent.jsonl")
    events = study_events(1)[:4]
    spool.append(events)
    spool.path.write_bytes(spool.path.read_bytes()[:-20])
    assert spool.read() == events[:3]
    spool.append(events[3:])
    assert spool.read() == events


def test_a_study_that_goes_on_spools_nothing_twice(tmp_path: Path) -> None:
    """Each time it tells all of it again, and a little more."""
    (tmp_path / "file").write_text("in the way")
    spool, events = Spool(tmp_path / "unsent.jsonl"), distinct_events()
    for until in (9, 15, len(events), len(events)):
        stopped = [StudyFinished(False, at=1e9 + until)] if until < len(events) else []
        assert track(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path, events[:until] + stopped)
        lines = spool.path.read_text().split("\n")
        assert sorted(filter(None, lines)) == sorted(map(to_line, events[:until] + stopped))


def test_a_spool_of_before_is_made_small(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    """Up to 820179d each resume put all events into it once more."""
    (tmp_path / "file").write_text("in the way")
    spool, events = Spool(tmp_path / "unsent.jsonl"), distinct_events()
    for _ in range(3):
        spool.append(events[:-1])
    assert track(f"sqlite:///{tmp_path}/file/mlflow.db", tmp_path, events)
    assert len(spool.read()) == len(events)
    uri = new_database(tmp_path / "store")
    assert track(uri, tmp_path, [events[0]]) == ""
    expected = told([*events, events[0]])
    open_again = replace(expected["study"], params={}, data=())  # there is no winner yet
    assert read_mlflow(uri, "uid-0") == {**expected, "study": open_again}


def test_what_is_recorded_while_a_write_lasts_is_kept(tmp_path: Path) -> None:
    outbox, events = Outbox(Spool(tmp_path / "spool")), study_events(1)
    for event in events[:3]:
        outbox.add(event)
    outbox.keep()
    written = outbox.events()
    for event in events[3:6]:
        outbox.add(event)
    outbox.forget(written)
    outbox.keep()
    assert Spool(tmp_path / "spool").read() == [events[0], *events[3:6]]
    outbox.forget(outbox.events())
    assert not (tmp_path / "spool").exists()


def test_a_store_that_knows_nothing_is_told_all(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    """As after its database was removed: its end alone would be a study without trials."""
    uri, events = new_database(tmp_path), study_events()
    address, spool = Address(uri), tmp_path / "unsent.jsonl"
    tracker = MlflowTracker(address, tmp_path / "mlartifacts", spool, lambda: events)
    tracker.record(events[0])
    tracker.record(events[-1])
    assert tracker.close(60) == ""
    assert read_mlflow(uri, "uid-0") == told(events)


def test_two_studies_of_one_name_do_not_mix(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    uri = new_database(tmp_path)
    for uid in ("uid-0", "uid-1"):
        assert track(uri, tmp_path, study_events(uid=uid)) == ""
    assert read_mlflow(uri, "uid-0") == read_mlflow(uri, "uid-1") == told(study_events())


def test_what_was_deleted_in_mlflow_comes_back_whole(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    uri, events = new_database(tmp_path), study_events()
    assert track(uri, tmp_path, events) == ""
    client = connect(uri)
    client.delete_run(find_runs(client, "1", "uid-0")[0].info.run_id)
    client.delete_experiment("1")
    assert track(uri, tmp_path, events) == ""
    assert read_mlflow(uri, "uid-0") == told(events)


def test_a_run_the_store_refuses_does_not_stop_the_others(
    tmp_path: Path, new_database: Callable[[Path], str]
) -> None:
    uri, events = new_database(tmp_path), study_events(2)
    too_late = RunReported("trial-0000", Report(4, {"": 1.0}), 1e9)
    unwritten = track(uri, tmp_path, [*events, too_late])
    assert "refused 1 writes (such as: trial-0000: " in unwritten
    seen, wanted = read_mlflow(uri, "uid-0"), told(events)
    assert {label for label in wanted if seen[label] != wanted[label]} <= {"trial-0000"}


KILLED = """
import sys
from pathlib import Path
from autotune.testing.tracking import study_events
from autotune.address import Address
from autotune.tracking.mlflow import MlflowTracker
folder = Path(sys.argv[1])
uri = f"sqlite:///{folder}/mlflow.db"
tracker = MlflowTracker(Address(uri), folder / "mlartifacts", folder / "unsent.jsonl")
for event in study_events(40):
    tracker.record(event)
print(flush=True)
tracker.close(60)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [4, 60, 200])
def test_killed_in_the_middle_of_a_write(
    tmp_path: Path, new_database: Callable[[Path], str], kilobytes: int
) -> None:
    """Killed when the database has grown by so much; then all is told again."""
    uri, database = new_database(tmp_path), tmp_path / "mlflow.db"
    empty = database.stat().st_size
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE
    ) as child:
        while database.stat().st_size < empty + 1024 * kilobytes and child.poll() is None:
            time.sleep(0.001)
        child.kill()
    assert child.returncode == -9, "it must be killed before it ends by itself"
    events = study_events(40)
    assert track(uri, tmp_path, events, 120) == ""
    assert read_mlflow(uri, "uid-0") == told(events)


@pytest.mark.slow
def test_a_server_that_goes_away_and_comes_back(tmp_path: Path) -> None:
    events = study_events()
    store = f"sqlite:///{tmp_path}/mlflow.db"
    with serve_ui(Address(store), tmp_path / "mlartifacts") as server:
        address, port = server.address, int(server.address.rsplit(":", 1)[1])
        tracker = MlflowTracker(Address(address), tmp_path / "unused", tmp_path / "unsent.jsonl")
        for event in events[:8]:
            tracker.record(event)
        wait_for(lambda: tracker.url != "")
        assert tracker.url.startswith(f"{address}/#/experiments/1/runs/")
    for event in events[8:16]:
        tracker.record(event)
    wait_for((tmp_path / "unsent.jsonl").exists)
    with serve_ui(Address(store), tmp_path / "mlartifacts", port=port):
        for event in events[16:]:
            tracker.record(event)
        assert tracker.close(60) == ""
        assert not (tmp_path / "unsent.jsonl").exists()
        assert read_mlflow(address, "uid-0") == told(events)
    assert not (tmp_path / "unused").exists(), "a server keeps the artifacts by itself"


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_close_takes_no_longer_than_it_may(tmp_path: Path) -> None:
    """A server that accepts and never answers."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        uri = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        start = time.monotonic()
        unwritten = track(
            uri, tmp_path, [StudyOpened("small", "uid-0", ""), StudyFinished(True)], 1
        )
        assert time.monotonic() - start < 5
    assert "has not got 2 events" in unwritten
    assert len(Spool(tmp_path / "unsent.jsonl").read()) == 2
