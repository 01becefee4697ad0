"""Servers that a study depends on, to be killed and started again: PostgreSQL and MLflow's."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

__all__ = ["MlflowServer", "Postgres", "Server", "postgres_is_there"]

_START = 90.0  # seconds that a server may take until it answers


class Server(Protocol):
    folder: Path
    settings: list[str]
    """What a study needs to be told to use it, as `--set` overrides."""

    def start(self) -> None:
        """Returns when it answers."""
        ...

    def kill(self) -> None:
        """SIGKILL, as the kernel does when memory is short."""
        ...


class _Process:
    """A server program: one process, its children in the same session."""

    def __init__(self, folder: Path, user: str | None = None) -> None:
        self.folder, self.port, self._user = folder, _free_port(), user
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, command: list[str]) -> None:
        with (self.folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                user=self._user,
                group=self._user,
            )
        limit = time.monotonic() + _START
        while not _answers(self.port):
            assert self._process.poll() is None, (self.folder / "log.txt").read_text()[-2000:]
            assert time.monotonic() < limit, f"{command[0]} does not answer"
            time.sleep(0.1)

    def kill(self) -> None:
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None


class MlflowServer(_Process):
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        super().__init__(folder)
        self.settings = [f"tracking.uri=http://127.0.0.1:{self.port}"]

    @property
    def database(self) -> Path:
        return self.folder / "mlflow.db"

    def start(self) -> None:
        store = ["--backend-store-uri", f"sqlite:///{self.database}"]
        artifacts = ["--artifacts-destination", str(self.folder / "artifacts")]
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self._run([sys.executable, "-m", "mlflow", "server", *store, *artifacts, *place])


class Postgres(_Process):
    """A cluster of its own. PostgreSQL refuses to run as root: then it is the user postgres."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        user = "postgres" if os.geteuid() == 0 else None
        super().__init__(folder, user)
        if user:
            _open_to(folder, user)
        self._data = folder / "data"
        command = [str(_programs() / "initdb"), "-D", str(self._data), "-U", "autotune"]
        command += ["--auth=trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(command, check=True, capture_output=True, user=user, group=user, cwd=folder)
        url = f"postgresql+psycopg://autotune@127.0.0.1:{self.port}/postgres"
        self.settings = [f"storage={url}"]

    def start(self) -> None:
        # What the killed server left: its children end by themselves, a moment later.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        place = ["-p", str(self.port), "-k", "", "-c", "listen_addresses=127.0.0.1"]
        self._run([str(_programs() / "postgres"), "-D", str(self._data), *place])

    def kill(self) -> None:
        super().kill()
        time.sleep(0.5)


def _open_to(folder: Path, user: str) -> None:
    """Lets `user` into a folder below those that only we may enter."""
    import shutil

    shutil.chown(folder, user, user)
    for parent in folder.parents:
        mode = parent.stat().st_mode
        if mode & 0o001 == 0:
            parent.chmod(mode | 0o001)


def postgres_is_there() -> bool:
    return any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _programs() -> Path:
    """The newest PostgreSQL as Debian lays it out."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda p: int(p.parent.name))
    assert found, "needs PostgreSQL's server programs (Debian: postgresql)"
    return found[-1]


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
