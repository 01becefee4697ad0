"""A small study in a scratch folder of its own, and the commands that run it there."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.faults import processes

__all__ = ["NAME", "STUDIES", "TRIALS", "Ended", "Engine", "Running", "Scene"]

Engine = Literal["inline", "ray"]

NAME, TRIALS, EPOCHS = "small", 12, 9
DEADLINE: Mapping[Engine, float] = {"inline": 120.0, "ray": 240.0}
"""Seconds after which a command counts as hung; undisturbed it takes a tenth."""

_REST = f"""
seed: 1
schedule: {{name: asha, grace: 1, eta: 3}}
search: {{name: random}}
budget: {{trials: {TRIALS}}}
confirm: {{top: 2, seeds: 2}}
"""
_FUNCTION = f"""
name: {NAME}
objective: {{metric: accuracy, goal: maximize}}
trial: {{function: "mine:run", epochs: {EPOCHS}}}
space:
  - x: {{type: float, low: 0, high: 1}}
    y: {{type: int, low: 0, high: 9}}
{_REST}"""
_NETWORK = f"""
name: {NAME}
objective: {{metric: val_accuracy, goal: maximize}}
trial:
  data: {{name: digits}}
  model: {{name: mlp}}
  epochs: {EPOCHS}
space:
  - model.width: {{type: int, low: 8, high: 32}}
    optimizer.lr: {{type: float, low: 1e-3, high: 1e-1, log: true}}
{_REST}"""
STUDIES = {"function": _FUNCTION, "network": _NETWORK}
"""A function of the user's own, without checkpoints, and a training, with checkpoints and a test
reading."""

_MINE = """
import time

def run(config, trial):
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(0.02)
        trial.report(epoch, accuracy=config["x"] * (1 - 0.5 ** epoch), loss=1 - config["x"])
"""

_COMMAND = """
import pathlib, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # as in a terminal, whoever starts this
signal.signal(signal.SIGHUP, signal.SIG_DFL)
pathlib.Path("begun").touch()
from autotune.cli import main
main()
"""

_UNCAUGHT = re.compile(
    r"Traceback|Fatal Python error|\*\*\* SIG|terminate called|core dumped|Check failed|"
    r"Exception ignored|Segmentation fault|^Aborted",
    re.MULTILINE,
)
_LOG_LINES = re.compile(
    r"^(?:\[?\d{4}-\d\d-\d\d[ T]\d\d:\d\d.*|\(?(?:raylet|gcs_server|pid=\d+).*|"
    r".*\b(?:WARNING|CRITICAL)\b.*|.*Warning: .*)$",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that is over."""

    code: int
    """Negative: the signal that killed it."""
    text: str
    """All that it and its children wrote to stdout and stderr."""
    hung: bool = False

    @property
    def uncaught(self) -> list[str]:
        """Lines of tracebacks and aborts."""
        return [line[:200] for line in self.text.splitlines() if _UNCAUGHT.search(line)]

    @property
    def log_lines(self) -> list[str]:
        """A library's own words, which no user should see."""
        return [found[:200] for found in _LOG_LINES.findall(self.text)]


class Running:
    """A command in a session of its own, as a terminal would start it."""

    def __init__(self, scene: "Scene", arguments: tuple[str, ...]) -> None:
        self._scene, self._log = scene, scene.folder / f"log-{len(scene.ended)}.txt"
        (scene.folder / "begun").unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, *arguments],
                cwd=scene.folder,
                env=scene.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._began = time.monotonic()

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    @property
    def hung(self) -> bool:
        return not self.over and time.monotonic() - self._began > DEADLINE[self._scene.engine]

    def end(self) -> Ended:
        """Waits for its end, bounded: one that hangs is killed with all its children."""
        while not self.over and not self.hung:
            time.sleep(0.01)
        hung = not self.over
        if hung:
            processes.end_all(self._scene.folder)
        ended = Ended(self.process.wait(), self._log.read_text(errors="replace"), hung)
        self._scene.ended.append(ended)
        return ended


@dataclass
class Scene:
    """`settings` are `--set` overrides of the study; they are stored with it at its first start."""

    folder: Path
    study: str
    engine: Engine
    settings: list[str] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    """Every command so far."""

    def __post_init__(self) -> None:
        self.temporary.mkdir(parents=True)
        (self.folder / f"{NAME}.yaml").write_text(STUDIES[self.study])
        (self.folder / "mine.py").write_text(_MINE)

    @property
    def runs(self) -> Path:
        return self.folder / "runs"

    @property
    def journal(self) -> Path:
        return self.runs / NAME / "journal.log"

    @property
    def store(self) -> Path:
        return self.runs / "mlflow.db"

    @property
    def temporary(self) -> Path:
        """At most 23 characters, so that Ray's folder lies in it: its sockets have long names, and
        paths of sockets are short."""
        return self.folder / "t"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("AUTOTUNE_", "RAY_"))}
        return {**kept, "TMPDIR": str(self.temporary), "AUTOTUNE_FAULTS": str(self.folder)}

    @property
    def name(self) -> str:
        return NAME

    @property
    def begun(self) -> bool:
        """The study is on disk, so that it can be resumed."""
        return (self.runs / NAME / "study.yaml").exists()

    def sync(self) -> Running:
        """What a note tells the user to do about events that MLflow has not got."""
        return Running(self, ("sync", NAME))

    def start(self) -> Running:
        """The command that a user would type now: run, or resume where there is a study."""
        if self.begun:
            return Running(self, ("resume", NAME, "--engine", self.engine))
        sets = [word for setting in self.settings for word in ("--set", setting)]
        return Running(self, ("run", f"{NAME}.yaml", "--engine", self.engine, *sets))

    def copy_store(self, database: Path) -> None:
        """MLflow's database is there already and holds a study of the same name: making a new one
        takes a third of a run."""
        self.runs.mkdir()
        shutil.copy(database, self.store)

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
