"""One driver a study by a lock in the database, and a database that goes away: on real servers."""

import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from autotune import spec as specs
from autotune.address import Address
from autotune.app.runner import drive
from autotune.errors import MachineFault, StudyBusy, StudyChanged, UserError
from autotune.report import views
from autotune.spec import StudySpec
from autotune.study.history import History, load
from autotune.study.journal import advisory_lock, database
from autotune.study.journal.database import Claimed, DatabaseAway, claim, driver_of, open_database
from autotune.tracking.base import Event, FaultPassing, RunReported
from autotune.trial import State
from tests.faults.servers import Postgres

TRIALS = 6
STUDY = """
name: shared
objective: {metric: total, goal: maximize}
trial: {function: "autotune.testing.trials:counts", epochs: 3}
space:
  - x: {type: float, low: 0, high: 1}
search: {name: random}
schedule: {name: none}
budget: {trials: 6}
confirm: {top: 1, seeds: 2}
tracking: {uri: none}
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Postgres]:
    """Outside pytest's folder, which every pytest that starts closes to other users."""
    if not any(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        pytest.skip("needs PostgreSQL's server")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "server")
        server.start()
        yield server
        server.kill()


def start_again(server: Postgres) -> None:
    """As soon as what the killed one left has ended: until then a new one ends at once."""
    for _ in range(10):
        try:
            server.start()
            connected(server, 10).close()
            return
        except (AssertionError, psycopg.OperationalError):
            time.sleep(1)
    pytest.fail("the server does not start again")


def connected(server: Postgres, patience: float = 60.0) -> "psycopg.Connection[Any]":
    """As soon as it lets us in, which takes a moment after a crash."""
    limit = time.monotonic() + patience
    while True:
        try:
            return psycopg.connect(url(server).replace("+psycopg", ""), autocommit=True)
        except psycopg.OperationalError:
            if server._process is None or server._process.poll() is not None:
                raise
            if time.monotonic() > limit:
                raise
            time.sleep(0.2)


@pytest.fixture
def server(cluster: Postgres) -> Iterator[Postgres]:
    """Running, with an empty database."""
    with connected(cluster) as connection:
        connection.execute("SET client_min_messages = error")
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    yield cluster
    if cluster._process is None:
        start_again(cluster)


def url(server: Postgres) -> str:
    return server.settings[0].removeprefix("storage=")


def address(server: Postgres) -> Address:
    return Address(url(server), "storage")


def study(storage: str, *changes: str) -> StudySpec:
    file = Path("shared.yaml")
    file.write_text(STUDY + f'storage: "{storage}"\n')
    return specs.load(file, changes)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def parameters(held: Claimed) -> dict[str, Any]:
    """Of the driver's session."""
    assert isinstance(held.storage, RDBStorage)
    with held.storage.engine.connect() as connection:
        info = connection.connection.driver_connection.info
        server = connection.exec_driver_sql("SHOW tcp_keepalives_idle").scalar()
        return {**info.get_parameters(), "pid": info.backend_pid, "server": server}


def end_sessions(server: Postgres) -> int:
    """As an administrator does; answers how many of drivers there were."""
    with connected(server) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE 'autotune, process %'"
        ).fetchall()
    return len(ended)


def whole(history: History) -> None:
    assert [run.trial for run in history.trials] == list(range(TRIALS))
    assert {run.state for run in history.runs()} == {State.COMPLETE}
    assert [run.reports[3].metrics["total"] for run in history.trials] == [6] * TRIALS
    assert len(history.confirms) == 2


# SQLite: the lock is a file beside the database.


def test_a_database_file_has_one_driver_whatever_the_folder(tmp_path: Path) -> None:
    spec = study(f"sqlite:///{tmp_path}/shared.db")
    place = spec.storage_address
    assert place is not None
    held = claim(place, "shared")
    me = f"process {os.getpid()} on {socket.gethostname()}"
    assert driver_of(place, "shared") == me and driver_of(place, "other") == ""
    for runs in (Path("a"), Path("b")):
        with pytest.raises(StudyBusy, match=rf"study 'shared' is being run by {me}\. Wait"):
            drive(spec, runs, engine="inline")
    held.release()
    assert driver_of(place, "shared") == ""
    history, _ = drive(spec, Path("a"), engine="inline")
    whole(history)


def test_another_folder_may_not_change_the_study(tmp_path: Path) -> None:
    spec = study(f"sqlite:///{tmp_path}/shared.db")
    drive(spec, Path("a"), engine="inline")
    with pytest.raises(StudyChanged, match="seed was 0, now is 4"):
        drive(study(f"sqlite:///{tmp_path}/shared.db", "seed=4"), Path("b"), engine="inline")
    assert not (Path("b") / "shared" / "study.yaml").exists()
    whole(drive(spec, Path("b"), engine="inline")[0])


def test_a_lock_in_a_database_file_is_shown_elsewhere(tmp_path: Path) -> None:
    spec = study(f"sqlite:///{tmp_path}/shared.db")
    for runs in (Path("a"), Path("b")):
        drive(spec, runs, engine="inline")
    held = claim(spec.storage_address or Address(""), "shared")
    assert load("shared", Path("a")).driven and load("shared", Path("b")).driven
    held.release()
    assert not load("shared", Path("a")).driven


# PostgreSQL: the lock belongs to the connection that writes.


def _hold(written: str, study: str, ready: Any) -> None:
    claim(Address(written, "storage"), study)
    ready.set()
    time.sleep(600)


@pytest.fixture
def holder(server: Postgres) -> Iterator[Any]:
    """Another process that drives `shared`."""
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    process = spawn.Process(target=_hold, args=(url(server), "shared", ready), daemon=True)
    process.start()
    assert ready.wait(120)
    yield process
    process.kill()
    process.join()


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestLock:
    def test_it_names_its_process_and_dies_with_it(self, server: Postgres, holder: Any) -> None:
        place = address(server)
        name = f"process {holder.pid} on {socket.gethostname()}"
        assert driver_of(place, "shared") == name
        assert driver_of(place, "other") == ""
        with pytest.raises(StudyBusy, match=f"being run by {name}"):
            claim(place, "shared")
        claim(place, "other").release()
        os.kill(holder.pid, signal.SIGKILL)
        claim(place, "shared").release()

    def test_who_lost_it_can_write_no_more(self, server: Postgres) -> None:
        place = address(server)
        first = claim(place, "shared")
        study = first.storage.create_new_study([StudyDirection.MINIMIZE], "shared")
        assert end_sessions(server) == 1
        second = claim(place, "shared")
        for _ in range(2):
            with pytest.raises(DatabaseAway, match="is away"):
                first.storage.create_new_trial(study)
            with pytest.raises(DatabaseAway, match="is away"):
                first.storage.set_study_user_attr(study, "note", 1)
        assert second.storage.get_all_trials(study) == []
        assert second.storage.get_study_user_attrs(study) == {}
        first.release()
        second.release()

    def test_a_server_that_freezes_is_hung_up_on(
        self, server: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(advisory_lock, "_SILENCE", 1.0)
        monkeypatch.setattr(advisory_lock, "_TURNS", 3)
        held = claim(address(server), "shared")
        study = held.storage.create_new_study([StudyDirection.MINIMIZE], "shared")
        time.sleep(1.5)  # between statements nobody is silent
        held.storage.set_study_user_attr(study, "note", 1)
        session = int(parameters(held)["pid"])
        os.kill(session, signal.SIGSTOP)
        try:
            began = time.monotonic()
            with pytest.raises(DatabaseAway):
                held.storage.set_study_user_attr(study, "note", 2)
            assert time.monotonic() - began < 30
            held.release()
            with pytest.raises(MachineFault, match="has not ended the lost session of process"):
                claim(address(server), "shared")
        finally:
            os.kill(session, signal.SIGCONT)
        monkeypatch.setattr(advisory_lock, "_TURNS", 100)
        again = claim(address(server), "shared")
        assert again.storage.get_study_user_attrs(study) == {"note": 1}
        again.release()

    def test_a_server_that_is_cut_off_is_noticed(self, server: Postgres) -> None:
        """Both sides ask, so that the lock of a machine that vanished is free after half a
        minute; what the URL says goes first."""
        held = claim(address(server), "shared")
        known = parameters(held)
        assert known["keepalives_idle"] == "10" and known["server"] in (10, "10")
        held.release()
        options = database._connect_args(url(server) + "?keepalives_idle=99&connect_timeout=2")
        assert set(options) == {"keepalives_interval", "keepalives_count", "tcp_user_timeout"}

    def test_two_first_starts_in_one_new_database(self, server: Postgres) -> None:
        failed: list[BaseException] = []

        def start(name: str) -> None:
            try:
                claim(address(server), name).release()
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=start, args=(f"s{n}",)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed


class Outage:
    """At the fifth report: ends the session of the driver, or kills the server for a while."""

    def __init__(self, strike: Callable[[], object]) -> None:
        self.strike, self.events, self.left = strike, list[Event](), 5

    def record(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, RunReported):
            self.left -= 1
            if self.left == 0:
                self.strike()


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestOutage:
    @pytest.mark.parametrize("engine", ["inline", "ray"])
    @pytest.mark.parametrize("kind", ["session", "server"])
    def test_it_is_waited_for(self, server: Postgres, kind: str, engine: Any) -> None:
        def kill() -> None:
            server.kill()
            threading.Timer(3, start_again, (server,)).start()

        outage = Outage(kill if kind == "server" else lambda: end_sessions(server))
        spec = study(url(server), "worker.max=1")
        history, _ = drive(spec, Path("runs"), [outage.record], engine=engine)
        whole(history)
        (fault,) = (event for event in outage.events if isinstance(event, FaultPassing))
        assert fault.why.endswith("; waiting for it, at most 60 seconds")
        assert len(fault.why.splitlines()) == 1
        told = Counter(
            (e.label, e.report.step) for e in outage.events if isinstance(e, RunReported)
        )
        assert len(told) == (TRIALS + 2) * 3 and set(told.values()) == {1}
        whole(load("shared", Path("runs")))

    def test_one_that_lasts_stops_the_study(
        self, server: Postgres, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(database, "_PATIENCE", 2.0)
        spec = study(url(server))
        with pytest.raises(MachineFault, match=r"cannot be reached: .*; it was waited for 2 seco"):
            drive(spec, Path("runs"), [Outage(server.kill).record], engine="inline")
        with pytest.raises(MachineFault, match="cannot be reached"):
            load("shared", Path("runs"))
        drive(specs.load("shared.yaml", ["name=other", "storage=null"]), Path("runs"), (), "inline")
        other, shared = views.studies(Path("runs"))
        assert (other["state"], shared["state"]) == ("finished", "unreadable")
        assert "cannot be reached" in shared["problem"]
        start_again(server)
        cut = load("shared", Path("runs"))
        assert {run.state for run in cut.trials} == {State.COMPLETE, State.WAITING}
        whole(drive(spec, Path("runs"), engine="inline")[0])

    def test_another_driver_may_have_taken_over(self, server: Postgres) -> None:
        """Then the first one ends: it has written nothing since."""
        taken: list[Any] = []

        def strike() -> None:
            end_sessions(server)
            taken.append(claim(address(server), "shared"))

        with pytest.raises(StudyBusy, match="being run by process"):
            drive(study(url(server)), Path("runs"), [Outage(strike).record], engine="inline")
        taken[0].release()
        cut = load("shared", Path("runs"))
        assert sum(len(run.reports) for run in cut.trials) == 5
        whole(drive(study(url(server)), Path("elsewhere"), engine="inline")[0])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_server_refuses_is_the_users(server: Postgres) -> None:
    wrong = url(server).replace("/postgres", "/none")
    for call in (open_database, lambda place: claim(place, "s")):
        with pytest.raises(UserError, match='cannot be opened: .*database "none" does not exist'):
            call(Address(wrong, "storage"))
    server.kill()
    for call in (open_database, lambda place: claim(place, "s")):
        with pytest.raises(MachineFault, match="cannot be reached"):
            call(address(server))
