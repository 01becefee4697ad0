"""MLflow's own UI over the study's store. Imports no mlflow: the server is another process."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import IO, Any, Self
from urllib.parse import unquote, urlsplit

from autotune.address import Address, without_login
from autotune.errors import AutotuneError
from autotune.tracking.view import PATH, TAG, from_tag, page_address

__all__ = ["NOTE", "Server", "page", "run_page", "serve_ui"]

_SLOWEST_START = 180.0
"""Seconds; a cold start takes 5 to 10, and 60 on a machine that many share."""
_APP = "autotune"
NOTE = "autotune: "
"""Begins a line of the server that people are to be told."""


class Server:
    """A running MLflow server. `stop` it, or use it as a context."""

    def __init__(self, process: "subprocess.Popen[bytes]", address: str, output: IO[bytes]) -> None:
        self.process, self.address, self._output = process, address, output

    def wait(self) -> int:
        """Until it ends; its exit code."""
        return self.process.wait()

    def stop(self) -> None:
        """The server starts processes of its own; they share its group."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        self._output.close()

    def last_line(self) -> str:
        """Of what it printed: why it ended."""
        lines = self._printed()
        return lines[-1].strip() if lines else f"exit code {self.process.poll()}"

    def notes(self) -> list[str]:
        """What was done to its database to make it whole, a line each."""
        return [line.removeprefix(NOTE) for line in self._printed() if line.startswith(NOTE)]

    def _printed(self) -> list[str]:
        self._output.seek(0)
        return self._output.read().decode(errors="replace").strip().splitlines()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _NoAnswer(AutotuneError):
    """The server runs, but does not answer."""


def serve_ui(
    address: Address, artifacts: Path, host: str = "127.0.0.1", port: int | None = None
) -> Server:
    """Start the MLflow server on the store at `address` and wait until it answers.

    A free port is taken where none is given, and another one, once, where the server does not
    answer there: somebody else may have taken it in between. Raises AutotuneError with the
    server's last line when it ends instead.
    """
    if port is None:
        with suppress(_NoAnswer):
            return _serve(address, artifacts, host, _free_port(host))
    return _serve(address, artifacts, host, port or _free_port(host))


def _serve(address: Address, artifacts: Path, host: str, port: int) -> Server:
    store = address.reveal()
    output = tempfile.TemporaryFile()
    process = subprocess.Popen(
        _command(artifacts, host, port),
        env=_environment(store),
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    server = Server(process, f"http://{host}:{port}", output)
    try:
        _wait_until_up(server, address)
    except BaseException:
        server.stop()
        raise
    return server


def _command(artifacts: Path, host: str, port: int) -> list[str]:
    folder = artifacts.absolute()
    return [
        *(sys.executable, "-m", "autotune.tracking.server", "server"),
        *("--artifacts-destination", str(folder), "--host", host, "--port", str(port)),
        *("--workers", "1", "--uvicorn-opts", "--log-level warning"),
        *(("--app-name", _APP) if _is_installed() else ()),
    ]


def _is_installed() -> bool:
    """Whether MLflow finds app.py: not where autotune is on Python's path without being
    installed."""
    return bool(entry_points(group="mlflow.app", name=_APP))


def _environment(store: str) -> Mapping[str, str]:
    """The store may hold a password: everyone on the machine sees what a command line says."""
    quiet = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        # Its job runner serves the evaluation of language models, in processes of its own.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    return {**quiet, **os.environ, "MLFLOW_BACKEND_STORE_URI": store}


def _free_port(host: str) -> int:
    with socket.socket() as free:
        free.bind((host, 0))
        return int(free.getsockname()[1])


def _wait_until_up(server: Server, store: Address) -> None:
    deadline = time.monotonic() + _SLOWEST_START
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            why = store.scrub(server.last_line())
            raise AutotuneError(f"the MLflow server did not start: {why}")
        try:
            with urllib.request.urlopen(f"{server.address}/health", timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    said = store.scrub(server.last_line())
    raise _NoAnswer(f"the MLflow server does not answer at {server.address}; it said: {said}")


def run_page(address: str, experiment: str, run: str) -> str:
    place = f"{address.rstrip('/')}/#/experiments/{experiment}/runs/{run}"
    return f"{place}?workflowType=machine_learning"


def page(server: str, uid: str) -> str:
    """The page of the study `uid` on the MLflow server `server`: its trials, the best one first.

    On a server that runs app.py also its columns and charts. The server's front page where it does
    not know the study or refuses the login. A login in `server` is used, and is no part of the
    answer.
    """
    front = without_login(server.rstrip("/"))
    wanted = {"max_results": 1, "filter": f"tags.`autotune.uid` = '{uid}'"}
    try:
        found = _ask(server.rstrip("/"), "experiments/search", wanted).get("experiments")
    except urllib.error.HTTPError:
        return front
    if not found:
        return front
    experiment = found[0]["experiment_id"]
    place = f"{front}{PATH}/{experiment}"
    if _is_there(place):
        return place
    tags = {tag["key"]: tag["value"] for tag in found[0].get("tags", [])}
    return page_address(front, experiment, from_tag(tags.get(TAG, "")))


def _is_there(place: str) -> bool:
    try:
        with urllib.request.urlopen(place, timeout=30):
            return True
    except OSError:
        return False


def _ask(address: str, method: str, body: Mapping[str, Any]) -> dict[str, Any]:
    front = without_login(address)
    request = urllib.request.Request(
        f"{front}/api/2.0/mlflow/{method}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", **_login(address)},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            parsed: dict[str, Any] = json.load(answer)
            return parsed
    except urllib.error.HTTPError:
        raise
    except OSError as error:
        raise AutotuneError(f"the MLflow server at {front} does not answer: {error}") from error


def _login(address: str) -> dict[str, str]:
    """The header that MLflow's client sends: a login in the address, or else in its variables."""
    parts = urlsplit(address)
    user = unquote(parts.username or "") or os.environ.get("MLFLOW_TRACKING_USERNAME", "")
    password = unquote(parts.password or "") or os.environ.get("MLFLOW_TRACKING_PASSWORD", "")
    if user:
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        return {"Authorization": f"Basic {login}"}
    token = os.environ.get("MLFLOW_TRACKING_TOKEN", "")
    return {"Authorization": f"Bearer {token}"} if token else {}
