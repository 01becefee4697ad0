import os
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from autotune.address import Address
from autotune.errors import AutotuneError
from autotune.testing.tracking import study_events
from autotune.tracking import ui
from autotune.tracking.mlflow import MlflowTracker
from autotune.tracking.ui import page, serve_ui


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5):
            return True
    except OSError:
        return False


def ends_within(seconds: float, address: str) -> bool:
    deadline = time.monotonic() + seconds
    while answers(address) and time.monotonic() < deadline:
        time.sleep(0.1)
    return not answers(address)


@pytest.mark.slow
def test_the_study_has_a_page(tmp_path: Path, new_database: Callable[[Path], str]) -> None:
    uri, artifacts = new_database(tmp_path), tmp_path / "mlartifacts"
    tracker = MlflowTracker(Address(uri), artifacts, tmp_path / "unsent.jsonl")
    for event in study_events():
        tracker.record(event)
    assert tracker.close(60) == ""
    with serve_ui(Address(uri), artifacts) as server:
        assert server.address.startswith("http://127.0.0.1:")
        place = page(server.address, "uid-0")
        assert place == f"{server.address}/autotune/1"
        with urllib.request.urlopen(place, timeout=30) as answer:
            text = answer.read().decode()
        assert "/#/experiments/1/runs?workflowType=machine_learning" in text
        assert "metrics.`best/val_accuracy`" in text
        assert page(server.address, "unknown") == server.address
    assert ends_within(5, server.address)


@pytest.mark.slow
def test_the_server_ends_with_its_parent(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from autotune.address import Address
from autotune.tracking.ui import serve_ui
server = serve_ui(Address("sqlite:///{tmp_path}/mlflow.db"), Path("{tmp_path}"))
print(server.address, flush=True)
server.wait()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        address = parent.stdout.readline().decode().strip()
        assert answers(address)
        parent.kill()
    assert ends_within(10, address)


@pytest.mark.slow
def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(AutotuneError, match=r"did not start: .+"):
        serve_ui(Address("nonsense://x"), tmp_path)


@pytest.mark.slow
def test_a_broken_database_is_set_aside_and_said(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    database.write_bytes(b"nonsense" * 9_000)
    os.utime(database, (1e9, 1e9))
    with serve_ui(Address(f"sqlite:///{database}"), tmp_path) as server:
        (note,) = server.notes()
        assert note.startswith(f"{database} was broken (file is not a database): it is kept as")
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(AutotuneError, match="did not start: .* written by an MLflow newer than"):
        serve_ui(Address(f"sqlite:///{database}"), tmp_path)


ANSWERS = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer).serve_forever()
"""


def test_a_server_that_does_not_answer_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports: list[int] = []

    def command(artifacts: Path, host: str, port: int) -> list[str]:
        ports.append(port)
        code = "print('busy', flush=True); import time; time.sleep(60)"
        return [sys.executable, "-c", code if len(ports) < 2 else ANSWERS, str(port)]

    monkeypatch.setattr(ui, "_command", command)
    monkeypatch.setattr(ui, "_SLOWEST_START", 2.0)
    store = Address(f"sqlite:///{tmp_path}/mlflow.db")
    with ui.serve_ui(store, tmp_path) as server:
        assert server.address.endswith(f":{ports[1]}") and len(set(ports)) == 2
    ports.clear()
    with pytest.raises(AutotuneError, match="does not answer at .*; it said: busy"):
        ui.serve_ui(store, tmp_path, port=ui._free_port("127.0.0.1"))
