"""Peers that need environments of their own: each a process that is asked a line at a time."""

import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.search.clock import Work
from benchmarks.search.peers.told import read, told
from benchmarks.search.task import Task

__all__ = ["PeerProcess"]

_HERE = Path(__file__).parent


class PeerProcess:
    """A `Peer` of the clock: a server's script run by `python`, the peer's own interpreter."""

    def __init__(self, python: Path, script: Path, start: Mapping[str, Any], task: Task) -> None:
        """`start` holds method, seed, workers and trainings. Raises RuntimeError, here as in every
        question, with what the process last said if it has died."""
        self.task = task
        self._folder = tempfile.TemporaryDirectory()
        self._said = Path(self._folder.name) / "stderr"
        self._command = [str(python), str(script)]
        with self._said.open("w") as said:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder.name,  # what a peer writes goes with it
                env={**os.environ, "PYTHONHASHSEED": "0", "PYTHONPATH": str(_HERE)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        try:
            self._question("start", epochs=task.epochs, space=told(task.space), **start)
        except BaseException:
            self.close()
            raise

    def ask(self) -> Work:
        answer = self._question("ask")
        params = read(self.task.space, answer["params"])
        return Work(answer["key"], params, answer["first"], answer["last"])

    def report(self, work: Work, epoch: int, loss: float) -> bool:
        return bool(self._question("report", key=work.key, epoch=epoch, loss=loss))

    def done(self, work: Work, losses: list[float]) -> None:
        self._question("done", key=work.key, losses=losses)

    def spent(self) -> float:
        """Seconds of the processor since the process was ready for its first question."""
        return float(self._question("spent"))

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        if self._process.stdout:
            self._process.stdout.close()
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _question(self, name: str, **arguments: Any) -> Any:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({name: arguments}) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has died: there is no answer either
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            raise RuntimeError(f"{' '.join(self._command)} died at {name!r}:\n{self._last_words()}")
        return json.loads(answer)

    def _last_words(self) -> str:
        return "\n".join(self._said.read_text().splitlines()[-20:])
