"""The MLflow server as a program: `mlflow` itself, which ends when its parent does.

python -m autotune.tracking.server server --port 5000 ...
"""

import os
import runpy
import signal
import sys
import threading

from autotune.errors import AutotuneError
from autotune.tracking.mlflow import database_note
from autotune.tracking.ui import NOTE

__all__: list[str] = []


def _serve_until_parent_ends() -> None:
    """stdin is a pipe that nobody writes to: it closes when the parent ends, however it ends."""

    def watch() -> None:
        while os.read(0, 1):  # a thread in sys.stdin.read would keep Python from ending
            pass
        os.killpg(0, signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
    _make_ready(os.environ["MLFLOW_BACKEND_STORE_URI"])
    runpy.run_module("mlflow", run_name="__main__", alter_sys=True)


def _make_ready(store: str) -> None:
    """MLflow would make a database in its place, where a kill leaves half of it."""
    try:
        if note := database_note(store):
            print(f"{NOTE}{note}", flush=True)
    except AutotuneError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _serve_until_parent_ends()
