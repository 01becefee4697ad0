"""The first command of the README, as a user meets it: how long it takes, and how much memory.

    python -m benchmarks.quickstart [--repeats 3] [--trials 60] [--out FILE]

Each run is `autotune run quickstart` in a folder of its own: 60 trials of up to 27 epochs, early
stopping, confirmation, MLflow.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from autotune.study import history
from autotune.trial import State
from benchmarks.glue import harness

__all__ = ["measure"]

STUDY = "quickstart"


def measure(trials: int) -> dict[str, float]:
    """One run: seconds, MB, the winner's scores, and the machine's load just before."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="quickstart-") as name:
        runs = Path(name) / "runs"
        command = [str(Path(sys.executable).with_name("autotune")), "run", STUDY]
        log = Path(name) / "log.txt"
        try:
            watched = harness.watch_command(
                [*command, "--runs", str(runs), "--set", f"budget.trials={trials}"], log
            )
        except subprocess.CalledProcessError as error:
            raise SystemExit(f"{STUDY} failed:\n{error.output}") from None
        return {**_figures(watched, history.load(STUDY, runs)), "load_before": load}


def _figures(watched: harness.Watched, told: history.History) -> dict[str, float]:
    first = min(run.stamps[1]["at"] - run.reports[1].seconds for run in told.trials if run.reports)
    best = told.best()
    assert best is not None and best.mean is not None and best.test is not None
    return {
        "start_up_s": first - watched.began,
        "wall_s": watched.wall,
        "pss_mb": watched.peak_mb,
        "trials": len(told.trials),
        "pruned": sum(run.state == State.PRUNED for run in told.trials),
        "failed": sum(run.state == State.FAILED for run in told.trials),
        "epochs": sum(len(run.reports) for run in told.runs()),
        "confirmed_mean": best.mean,
        "test": best.test,
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quickstart")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--trials", type=int, default=60, help="the study's own number")
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args(arguments)
    conditions, runs = harness.conditions(), []
    for _ in range(given.repeats):
        runs.append(measure(given.trials))
        print(json.dumps(runs[-1]), flush=True)
    for key, unit in {"start_up_s": "s", "wall_s": "s", "pss_mb": "MB"}.items():
        values = [run[key] for run in runs]
        spread = f"{min(values):.1f} to {max(values):.1f}, n = {len(values)}"
        print(f"{key}: {statistics.median(values):.1f} {unit} ({spread})")
    if given.out:
        given.out.write_text(json.dumps({**conditions, "runs": runs}, indent=1) + "\n")


if __name__ == "__main__":
    main()
