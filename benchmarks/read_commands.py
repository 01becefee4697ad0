"""What `show` and `best` take on a large study, as whole commands, Python's start included.

    python -m benchmarks.read_commands [--trials 2000] [--repeats 5] [--out FILE]

The study: a training of 15 parameters, 9 reports of 5 metrics a trial, three trials retrained on
three seeds, its journal in a file. Its curves are computed, not trained. Printed: wall and
processor seconds of each command; the aim is 1.5 s of wall time for 2,000 trials.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from autotune.engine import simulate
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study import state_machine

__all__ = ["NAME", "build", "measure"]

NAME, EPOCHS = "large", 9
COMMANDS = {"show": ("show", NAME), "show --json": ("show", NAME, "--json"), "best": ("best", NAME)}
SPACE = {
    "model.depth": {"type": "int", "low": 1, "high": 4},
    "model.width": {"type": "int", "low": 16, "high": 512, "log": True},
    "model.dropout": {"type": "float", "low": 0.0, "high": 0.5},
    "activation.name": {"type": "categorical", "choices": ["relu", "gelu", "silu"]},
    "initializer.name": {
        "type": "categorical",
        "choices": ["he_normal", "xavier_normal", "orthogonal"],
    },
    "optimizer.name": {"type": "categorical", "choices": ["adam", "adamw"]},
    "optimizer.lr": {"type": "float", "low": 1e-4, "high": 0.3, "log": True},
    "optimizer.beta1": {"type": "float", "low": 0.8, "high": 0.99},
    "optimizer.beta2": {"type": "float", "low": 0.9, "high": 0.9999},
    "optimizer.eps": {"type": "float", "low": 1e-10, "high": 1e-6, "log": True},
    "optimizer.weight_decay": {"type": "float", "low": 1e-6, "high": 0.1, "log": True},
    "batch_size": {"type": "categorical", "choices": [16, 32, 64, 128]},
    "label_smoothing": {"type": "float", "low": 0.0, "high": 0.2},
    "lr_schedule.name": {"type": "categorical", "choices": ["constant", "cosine"]},
    "clip_norm": {"type": "float", "low": 0.1, "high": 10.0, "log": True},
}


def build(runs: Path, trials: int, tracking: str = "none") -> None:
    """Journals a study of `trials` under `runs`, as a run of it would; tells no tracker."""
    driven = state_machine.start(spec(trials, tracking), runs)
    with mock.patch("os.fsync"):  # it is not what is measured
        try:
            simulate.run(driven, 1, simulate.recorded(curve))
        finally:
            driven.close()


def spec(trials: int, tracking: str) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": NAME,
            "objective": {"metric": "val_accuracy", "goal": "maximize"},
            "trial": {"data": {"name": "digits"}, "model": {"name": "mlp"}, "epochs": EPOCHS},
            "space": Space.parse(SPACE),
            "search": {"name": "random"},
            "schedule": {"name": "none"},
            "budget": {"trials": trials},
            "confirm": {"top": 3, "seeds": 3},
            "tracking": {"uri": tracking},
        }
    )


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    share = 1 / (1 + abs(config["optimizer"]["lr"] - 0.01)) - config["model"]["dropout"] / 10
    for step in range(1, EPOCHS + 1):
        score = share * (1 - 0.5**step)
        losses = {"train_loss": 1 - score, "val_loss": 1.1 - score}
        scores = {"train_accuracy": score, "val_accuracy": score * 0.99, "lr": 0.01 / step}
        yield {**losses, **scores}, 0.5


def measure(runs: Path, arguments: tuple[str, ...], first: str = "") -> tuple[float, float]:
    """Wall and processor seconds of one command, in a process that does `first`."""
    script = f"{first}from autotune.cli import main; main()"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-c", script, *arguments, "--runs", str(runs)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(arguments: Sequence[str] | None = None) -> None:
    from benchmarks.glue.harness import conditions

    parser = argparse.ArgumentParser(prog="python -m benchmarks.read_commands")
    parser.add_argument("--trials", type=int, default=2_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args(arguments)
    about, runs = conditions(), {name: list[tuple[float, float]]() for name in COMMANDS}
    with tempfile.TemporaryDirectory(prefix="read-") as folder:
        build(Path(folder), given.trials)
        about["journal_mb"] = round((Path(folder) / NAME / "journal.log").stat().st_size / 1e6, 1)
        for _ in range(given.repeats):
            for name, arguments in COMMANDS.items():
                runs[name].append(measure(Path(folder), arguments))
    for name, measured in runs.items():
        walls, spent = zip(*measured, strict=True)
        spread = f"{min(walls):.2f} to {max(walls):.2f}, n = {len(walls)}"
        processor = f"{statistics.median(spent):.2f} s of processor"
        print(f"{name}: {statistics.median(walls):.2f} s ({spread}), {processor}", flush=True)
    print(f"{given.trials} trials, load {os.getloadavg()[0]:.1f}")
    if given.out:
        result = {**about, "trials": given.trials, "wall_and_processor_s": runs}
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
