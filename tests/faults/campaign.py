"""Many attempts, some at once; each is written as soon as it is over, and none is made twice."""

import json
import platform
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from importlib import metadata
from itertools import count
from pathlib import Path
from typing import Any

from tests.faults.attempt import Attempt, Known, attempt
from tests.faults.kinds import KINDS
from tests.faults.moments import watched
from tests.faults.scene import Engine, Scene
from tests.faults.verify import outcome

__all__ = ["Campaign", "stored", "table"]

PROBLEMS = ("lost", "doubled", "hung", "uncaught", "left_over", "exit_code", "untracked")
"""The columns of the table; other problems are counted together."""
PACKAGES = ("autotune", "mlflow", "optuna", "ray", "torch")


class Campaign:
    def __init__(self, out: Path, parallel: int = 2) -> None:
        self.out, self._parallel = out, parallel
        # Short, for Ray: see Scene.temporary.
        self._folder = Path(tempfile.mkdtemp(prefix="af", dir="/tmp"))
        self._folder.chmod(0o755)  # a server may run as another user
        self._numbers = count()
        self._known: dict[tuple[str, Engine], Known] = {}
        self._lock = threading.Lock()

    def run(self, kind: str, strikes: int, first: int = 0) -> list[Attempt]:
        """Attempts of seeds from `first` on, until so many `strikes`; what `out` holds counts.

        A seed whose study is over before the moment comes has tried nothing.
        """
        done = [row for row in stored(self.out) if row["kind"] == kind and row["seed"] >= first]
        left = strikes - sum(bool(row["moments"]) for row in done)
        known = {row["seed"] for row in done}
        seeds = (seed for seed in range(first, first + 3 * strikes) if seed not in known)
        made: list[Attempt] = []
        with ThreadPoolExecutor(self._parallel) as pool:
            while left > 0:
                batch = [seed for _, seed in zip(range(left), seeds, strict=False)]
                if not batch:
                    break
                new = list(pool.map(partial(self._one, kind), batch))
                made += new
                left -= sum(bool(one.moments) for one in new)
        return made

    def close(self, keep: bool = True) -> None:
        """Folders of attempts with a problem stay, to be looked into, unless told otherwise."""
        for known in self._known.values():
            shutil.rmtree(known.database.parents[1])
        if not keep:
            shutil.rmtree(self._folder)
            return
        if not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _one(self, kind: str, seed: int) -> Attempt:
        folder = self._folder / str(next(self._numbers))
        done = attempt(kind, seed, folder, self.known)
        with self._lock, self.out.open("a") as file:
            file.write(json.dumps({**asdict(done), "at": commit()}) + "\n")
        said = "; ".join(f"{name}: {found[0]}" for name, found in done.problems.items())
        said += f"; see {folder}" if said else ""
        when = ", ".join(done.moments) or "over before it was struck"
        print(f"{kind} {seed} ({done.study}, {done.engine}): {when}: {said or 'sound'}", flush=True)
        return done

    def known(self, study: str, engine: Engine) -> Known:
        """Of one undisturbed run, made when it is first asked for."""
        with self._lock:
            if (study, engine) not in self._known:
                scene = Scene(self._folder / f"u{study[0]}{engine[0]}", study, engine)
                self._known[study, engine] = Known(watched(scene), outcome(scene), scene.store)
            return self._known[study, engine]


def stored(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()] if out.exists() else []


def commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def table(rows: Sequence[dict[str, Any]]) -> str:
    """What was struck and what was found, as Markdown."""
    lines = ["| fault | strikes | " + " | ".join(PROBLEMS) + " | other |".replace("_", " ")]
    lines += ["| --- |" + " ---: |" * (len(PROBLEMS) + 2)]
    for kind in KINDS:
        if ours := [row for row in rows if row["kind"] == kind and row["moments"]]:
            lines.append("| " + " | ".join([kind, *map(str, _counts(ours))]) + " |")
    lines.append(
        "| all | " + " | ".join(map(str, _counts([r for r in rows if r["moments"]]))) + " |"
    )
    return "\n".join([*lines, "", _conditions(rows)])


def _counts(rows: Sequence[dict[str, Any]]) -> Iterator[int]:
    """Strikes, then attempts with each problem."""
    yield sum(len(row["moments"]) for row in rows)
    yield from (sum(name in row["problems"] for row in rows) for name in PROBLEMS)
    yield sum(bool(row["problems"].keys() - set(PROBLEMS)) for row in rows)


def _conditions(rows: Sequence[dict[str, Any]]) -> str:
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    commits = ", ".join(sorted({row["at"] for row in rows}))
    return f"Python {platform.python_version()}, {versions}; commits {commits}"
