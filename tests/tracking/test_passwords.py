"""A real PostgreSQL and a real MLflow server that ask for passwords, which then show nowhere."""

import base64
import getpass
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from autotune.address import Address
from autotune.testing.tracking import read_mlflow, study_events, told
from autotune.tracking.mlflow import MlflowTracker
from autotune.tracking.ui import page, serve_ui

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COMMAND = (sys.executable, "-c", "from autotune.cli import main; main()")
PASSWORD = "p@ss/w:rd?%20#"
STUDY = """
name: small
objective: {metric: loss, goal: minimize}
trial: {function: "autotune.testing.trials:learns", epochs: 3}
space: {lr: {type: float, low: 0.1, high: 1}}
search: {name: random}
schedule: {name: none}
budget: {trials: 2}
confirm: {top: 0}
"""


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def postgres() -> Iterator[int]:
    """The port of a server with an empty database `tune`, which `tuner` enters with PASSWORD."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    binaries = found[-1] if found else Path(shutil.which("initdb") or "initdb").parent
    if not (binaries / "initdb").exists():
        pytest.skip("needs PostgreSQL's server")
    folder = Path(tempfile.mkdtemp())
    user = "postgres" if getpass.getuser() == "root" else getpass.getuser()
    (folder / "password").write_text(PASSWORD)
    shutil.chown(folder, user)
    shutil.chown(folder / "password", user)
    port, data = free_port(), folder / "data"

    def call(*words: str, **more: str) -> None:
        subprocess.run(words, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, **more)

    flags = ["-A", "scram-sha-256", "-U", "tuner", f"--pwfile={folder}/password"]
    call(str(binaries / "initdb"), "-D", str(data), "-E", "UTF8", "--locale=C", *flags)
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w", "-l", str(folder / "log")]
    call(*control, "-o", settings, "start")
    try:
        import psycopg

        login = {"host": "127.0.0.1", "port": port, "user": "tuner", "password": PASSWORD}
        with psycopg.connect(dbname="postgres", autocommit=True, **login) as connection:
            connection.execute("CREATE DATABASE tune")
            connection.execute("CREATE DATABASE mlflow")
        yield port
    finally:
        call(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)


class AsksForALogin(BaseHTTPRequestHandler):
    """Passes on what comes with the right login to the MLflow server behind it."""

    behind: int
    wanted: tuple[str, ...]

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.headers.get("Authorization") not in self.wanted:
            self.send_response(401)
            self.send_header("WWW-Authenticate", "Basic")
            self.end_headers()
            return
        kept = {k: v for k, v in self.headers.items() if k not in ("Authorization", "Host")}
        with closing(http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)) as server:
            server.request(self.command, self.path, body, kept)
            answer = server.getresponse()
            text = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of an MLflow server that lets `me` in with PASSWORD, and the token t0ken."""
    folder = tmp_path_factory.mktemp("server")
    store = Address(f"sqlite:///{folder}/mlflow.db")
    login = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    with serve_ui(store, folder / "mlartifacts") as server:
        behind = int(server.address.rpartition(":")[2])
        wanted = (f"Basic {login}", "Bearer t0ken")
        handler = type("Handler", (AsksForALogin,), {"behind": behind, "wanted": wanted})
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as proxy:
            threading.Thread(target=proxy.serve_forever, daemon=True).start()
            yield f"127.0.0.1:{proxy.server_port}"
            proxy.shutdown()


@dataclass(frozen=True)
class Said:
    code: int
    text: str


@pytest.fixture
def autotune(tmp_path: Path) -> Callable[..., Said]:
    """A command line in a process of its own; neither it nor any file it leaves holds a secret."""

    def call(*words: str, **variables: str) -> Said:
        done = subprocess.run(
            [*COMMAND, *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
            env={**os.environ, "HOME": str(tmp_path / "home"), **variables},
        )
        text = done.stdout + done.stderr
        assert "Traceback" not in text
        assert_no_secret(text)
        for file in (tmp_path / "runs").rglob("*"):
            if file.is_file():
                assert_no_secret(file.read_bytes().decode(errors="replace"))
        return Said(done.returncode, text)

    return call


def assert_no_secret(text: str) -> None:
    for secret in (PASSWORD, "p%40ss", "p@ss", "t0ken"):
        assert secret not in text, text[:2000]


def wait_for_line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    return process.stdout.readline().strip()


def command_lines() -> str:
    """What every user of the machine sees."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return "\n".join(lines)


def test_a_whole_study_in_postgresql_and_its_ui(
    tmp_path: Path, postgres: int, autotune: Callable[..., Said]
) -> None:
    url = f"postgresql://tuner:${{PGPW}}@127.0.0.1:{postgres}"
    extra = f'storage: "{url}/tune"\ntracking: {{uri: "{url}/mlflow"}}\n'
    (tmp_path / "small.yaml").write_text(STUDY + extra)
    unset = autotune("run", "small.yaml", "--engine", "inline")
    assert unset.code == 2 and unset.text.count("PGPW is not set; export PGPW=... first") == 2
    assert not (tmp_path / "runs").exists()
    secret = {"PGPW": PASSWORD}
    done = autotune("run", "small.yaml", "--engine", "inline", **secret)
    assert done.code == 0, done.text
    assert "note:" not in done.text
    for words in (["show", "small", "--json"], ["best", "small"], ["sync", "small"]):
        assert (said := autotune(*words, **secret)).code == 0, said.text
        assert (said := autotune(*words)).code == 2
        assert said.text.startswith("runs/small/study.yaml:")
        assert said.text.count("\n") == 1 and "PGPW is not set" in said.text
    assert json.loads(autotune("show", "small", "--json", **secret).text)["spec"]["storage"] == (
        f"{url}/tune"
    )
    with subprocess.Popen(
        [*COMMAND, "ui", "small"], cwd=tmp_path, env={**os.environ, **secret},
        stdout=subprocess.PIPE, text=True,
    ) as ui:  # fmt: skip
        try:
            address = wait_for_line(ui)
            assert address.startswith("http://127.0.0.1:") and "/autotune/" in address
            assert_no_secret(command_lines())
        finally:
            ui.terminate()
    wrong = autotune("show", "small", PGPW="wr0ng-one")
    assert wrong.code == 2 and "password authentication failed" in wrong.text
    assert "wr0ng-one" not in wrong.text


def test_pgpass_and_pgpassword(
    tmp_path: Path, postgres: int, autotune: Callable[..., Said]
) -> None:
    url = f"postgresql://tuner@127.0.0.1:{postgres}/tune"
    (tmp_path / "small.yaml").write_text(
        STUDY.replace("small", "open") + f'storage: "{url}"\ntracking: {{uri: none}}\n'
    )
    (tmp_path / "home").mkdir()
    pgpass = tmp_path / "home/.pgpass"
    escaped = PASSWORD.replace(":", r"\:")
    pgpass.write_text(f"127.0.0.1:{postgres}:*:tuner:{escaped}\n")
    pgpass.chmod(0o600)
    done = autotune("run", "small.yaml", "--engine", "inline")
    assert done.code == 0, done.text
    pgpass.unlink()
    assert autotune("best", "open").code == 2
    assert autotune("best", "open", PGPASSWORD=PASSWORD).code == 0


@pytest.mark.parametrize(
    ("login", "variables"),
    [
        ("me:${MLPW}@", {"MLPW": PASSWORD}),
        ("", {"MLFLOW_TRACKING_USERNAME": "me", "MLFLOW_TRACKING_PASSWORD": PASSWORD}),
        ("", {"MLFLOW_TRACKING_TOKEN": "t0ken"}),
    ],
    ids=["in the address", "by MLflow's variables", "by a token"],
)
def test_an_mlflow_server_with_a_login(
    tmp_path: Path,
    guarded: str,
    monkeypatch: pytest.MonkeyPatch,
    login: str,
    variables: Mapping[str, str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    address = Address(f"http://{login}{guarded}")
    uid = f"uid-{len(variables)}{login[:2]}"
    events = study_events(2, uid=uid, name=uid.replace(":", ""))
    tracker = MlflowTracker(address, tmp_path / "unused", tmp_path / "unsent.jsonl")
    for event in events:
        tracker.record(event)
    assert tracker.close(120) == ""
    assert tracker.url.startswith(f"http://{guarded}/#/experiments/")
    assert read_mlflow(address.reveal(), uid) == told(events)
    place = page(address.reveal(), uid)
    assert place.startswith(f"http://{guarded}/#/experiments/")
    assert place.endswith("orderByKey=metrics.%60best%2Fval_accuracy%60&orderByAsc=false")


def test_a_refused_login_is_said_without_it(
    tmp_path: Path, guarded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLPW", "wr0ng-one")
    address = Address(f"http://me:${{MLPW}}@{guarded}")
    tracker = MlflowTracker(address, tmp_path / "unused", tmp_path / "unsent.jsonl")
    tracker.record(study_events()[0])
    said = tracker.close(60)
    assert said.startswith(f"MLflow at http://me:${{MLPW}}@{guarded} has not got 1 events (")
    assert "401" in said and "wr0ng" not in said
    assert page(address.reveal(), "uid-0") == f"http://{guarded}"


def test_a_study_of_before_goes_on_and_shows_no_password(
    tmp_path: Path, postgres: int, autotune: Callable[..., Said]
) -> None:
    """Its study.yaml holds the password, as commit 820179d wrote it."""
    url = f"postgresql://tuner:${{PGPW}}@127.0.0.1:{postgres}/tune"
    (tmp_path / "small.yaml").write_text(STUDY.replace("small", "old") + f'storage: "{url}"\n')
    secret = {"PGPW": PASSWORD}
    assert autotune("run", "small.yaml", "--engine", "inline", **secret).code == 0
    stored = tmp_path / "runs/old/study.yaml"
    literal = url.replace("${PGPW}", quote(PASSWORD, safe=""))
    stored.write_text(stored.read_text().replace(url, literal).replace("trials: 2", "trials: 3"))
    done = subprocess.run(
        [*COMMAND, "resume", "old", "--engine", "inline"],
        cwd=tmp_path, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert_no_secret(done.stdout + done.stderr)
    note = "note: runs/old/study.yaml:"
    assert note in done.stderr and "`storage` holds a password: write ${NAME}" in done.stderr
    assert literal in stored.read_text() and stored.stat().st_mode & 0o777 == 0o600
    shown = subprocess.run(
        [*COMMAND, "show", "old", "--json"], cwd=tmp_path, capture_output=True, text=True
    ).stdout
    assert_no_secret(shown)
    assert len(json.loads(shown)["trials"]) == 3
    kept = [file for file in (tmp_path / "runs").rglob("*") if file.is_file() and file != stored]
    for file in kept:
        assert_no_secret(file.read_bytes().decode(errors="replace"))
    assert [file.name for file in kept].count("study.yaml") == 1, "MLflow's artifact"
