"""How long our own bookkeeping takes as studies grow: a simulated study of N trials.

    python -m benchmarks.simulate_scale [--trials 1000 10000 100000] [--workers 1000]

Trials cost nothing but virtual seconds. Printed: real seconds, and microseconds an assignment.
"""

import argparse
import random
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autotune.engine import simulate
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study import state_machine

EPOCHS = 27


def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
    """A power rule with noise; the better a trial, the slower it is."""
    rng = random.Random(seed)
    level = sum((config[f"p{n}"] - 0.3) ** 2 for n in range(5))
    for step in range(1, EPOCHS + 1):
        yield {"val_loss": level + 1 / step + rng.uniform(0, 0.05)}, 1 + 1 / (0.1 + level)


def spec(trials: int, schedule: Mapping[str, Any]) -> StudySpec:
    one = {"type": "float", "low": 0.0, "high": 1.0}
    return StudySpec.model_validate(
        {
            "name": "scale",
            "objective": {"metric": "val_loss", "goal": "minimize"},
            "trial": {"function": "benchmarks.simulate_scale:curve", "epochs": EPOCHS},
            "space": Space.parse({f"p{n}": one for n in range(5)}),
            "search": {"name": "random"},
            "schedule": dict(schedule),
            "budget": {"trials": trials},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )


def measure(trials: int, workers: int, schedule: Mapping[str, Any]) -> str:
    began = time.perf_counter()
    driven = state_machine.in_memory(spec(trials, schedule))
    simulate.run(driven, workers, simulate.recorded(curve))
    seconds = time.perf_counter() - began
    runs = driven.history.trials
    assignments = sum(len(run.assignments) for run in runs)
    reports = sum(len(run.reports) for run in runs)
    return (
        f"{len(runs):>7} trials, {assignments} assignments, {reports} reports, {workers} workers: "
        f"{seconds:.1f} s, {seconds / assignments * 1e6:.0f} us an assignment; "
        f"{driven.elapsed():.0f} simulated seconds"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulate_scale")
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--schedule", default="asha")
    given = parser.parse_args(arguments)
    for trials in given.trials:
        print(measure(trials, given.workers, {"name": given.schedule}), flush=True)


if __name__ == "__main__":
    main()
