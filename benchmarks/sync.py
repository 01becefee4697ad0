"""What `autotune sync` takes on a large study, as a whole command, Python's start included.

    python -m benchmarks.sync [--trials 2000] [--repeats 3] [--out FILE]

The study is that of benchmarks.read_commands. Measured: into a new database, which is made on the
way; again, when all of it is there; and, with --by-client, into a new one by MLflow's client alone,
as everything but many new runs in a file is written. The aim is 10 s of wall time for 2,000 trials.
"""

import argparse
import json
import os
import sqlite3
import statistics
import tempfile
from contextlib import closing
from pathlib import Path

from autotune.spec import MlflowTracking
from benchmarks.read_commands import NAME, build, measure

__all__ = ["run"]

_BY_CLIENT = "import autotune.tracking.mlflow as m; m._MANY = 10**9; "


def run(runs: Path, by_client: bool) -> dict[str, tuple[float, float]]:
    """Wall and processor seconds, by what was measured; stops where MLflow lacks a run."""
    found = {}
    if by_client:
        found["new, by MLflow's client"] = measure(runs, ("sync", NAME), _BY_CLIENT)
        _forget(runs)
    found["new"] = measure(runs, ("sync", NAME))
    found["again"] = measure(runs, ("sync", NAME))
    return found


def held(runs: Path) -> tuple[int, int]:
    """How many runs and values MLflow holds."""
    with closing(sqlite3.connect(runs / "mlflow.db")) as database:
        counts = (database.execute(f"SELECT count(*) FROM {t}") for t in ("runs", "metrics"))
        runs_held, values = (int(count.fetchone()[0]) for count in counts)
        return runs_held, values


def _forget(runs: Path) -> None:
    for file in runs.glob("mlflow.db*"):
        file.unlink()


def main() -> None:
    from benchmarks.glue.harness import conditions

    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync")
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--by-client", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args()
    about, measured = conditions(), dict[str, list[tuple[float, float]]]()
    with tempfile.TemporaryDirectory(prefix="sync-") as folder:
        runs = Path(folder)
        build(runs, given.trials, MlflowTracking().uri)
        for _ in range(given.repeats):
            _forget(runs)
            for name, seconds in run(runs, given.by_client).items():
                measured.setdefault(name, []).append(seconds)
        about["runs"], about["values"] = held(runs)
    for name, seconds in measured.items():
        walls, spent = zip(*seconds, strict=True)
        spread = f"{min(walls):.1f} to {max(walls):.1f}, n = {len(walls)}"
        processor = f"{statistics.median(spent):.1f} s of processor"
        print(f"{name}: {statistics.median(walls):.1f} s ({spread}), {processor}", flush=True)
    print(f"{given.trials} trials, {about['values']} values, load {os.getloadavg()[0]:.1f}")
    if given.out:
        result = {**about, "trials": given.trials, "wall_and_processor_s": measured}
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
