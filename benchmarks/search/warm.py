"""python -m benchmarks.search.warm: what a warm start from another task of LCBench is worth.

The earlier study: 50 whole trainings of another task, proposed by tpe. The new one: 10 whole
trainings, one worker. Normalized regret in % after 2, 5 and 10 of them, for each sampler without
(cold) and with (warm) the earlier study; each task with the next one in the list.
"""

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from autotune.engine import simulate
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.study.history import History
from autotune.trial import Assignment, Report
from benchmarks.search.lcbench import SPACE, TASKS, Lcbench
from benchmarks.search.score import interval

__all__: list[str] = []

METHODS = ("mfgp cold", "mfgp warm", "tpe cold", "tpe warm")
OURS = "mfgp warm"
BUDGETS = (2, 5, 10)
RESULTS = Path(__file__).parent / "results" / "warm.jsonl"


def search(task: Lcbench, sampler: str, trials: int, seed: int, old: History | None) -> History:
    spec = StudySpec.model_validate(
        {
            "name": task.name,
            "seed": seed,
            "objective": {"metric": "loss", "goal": "minimize"},
            "trial": {"function": "benchmarks.search.product:never", "epochs": task.epochs},
            "space": SPACE,
            "search": {"name": sampler, "warm_start": ["old"] if old else []},
            "schedule": {"name": "none"},
            "budget": {"trials": trials},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )

    def work(assignment: Assignment) -> Iterator[Report]:
        curve = task.curve(driven.history.trials[assignment.trial].params)
        for step, loss in enumerate(curve.losses, 1):
            yield Report(step, {"loss": loss}, 1.0)

    driven = state_machine.in_memory(spec, find=lambda name: old or History(spec, Path(), ""))
    simulate.run(driven, 1, work)
    return driven.history


def run(task: Lcbench, method: str, seed: int, old: History) -> list[float]:
    sampler, start = method.split()
    history = search(task, sampler, max(BUDGETS), seed, old if start == "warm" else None)
    known = task.reference
    losses = [run.value for run in history.trials if run.value is not None]
    best = [min(losses[:budget]) for budget in BUDGETS]
    return [min(100 * (y - known.best) / (known.median - known.best), 100.0) for y in best]


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means, and what mfgp's warm start is better by, paired, with its 95 % interval."""
    by = {(r["method"], r["task"], r["seed"]): r["regret"] for r in rows}
    lines = ["| method | runs | @2 | @5 | @10 | mfgp warm minus it @2 | @5 | @10 |"]
    lines += ["| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for method in METHODS:
        keys = sorted(k[1:] for k in by if k[0] == method and (OURS, *k[1:]) in by)
        theirs = np.array([by[method, *key] for key in keys])
        gap = np.array([by[OURS, *key] for key in keys]) - theirs
        ends = [interval(column, [task for task, _ in keys]) for column in gap.T]
        cells = [f"{x:.1f}" for x in theirs.mean(axis=0)] + [
            f"{g:+.1f} ({low:+.1f} to {high:+.1f})" if method != OURS else ""
            for g, (low, high) in zip(gap.mean(axis=0), ends, strict=True)
        ]
        lines.append(f"| {method} | {len(keys)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    folder = Path(os.environ["AUTOTUNE_BENCH_DATA"]) / "lcbench"
    rows = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    done = {(r["task"], r["method"], r["seed"]) for r in rows}
    tasks = {name: Lcbench(name, folder) for name in args.tasks}
    old = cache(lambda name, seed: search(tasks[name], "tpe", 50, 1000 + seed, None))
    with args.out.open("a") as file:
        for seed in range(args.seeds):
            for name, earlier in zip(args.tasks, (*args.tasks[1:], args.tasks[0]), strict=True):
                for method in args.methods:
                    if (name, method, seed) in done:
                        continue
                    scores = run(tasks[name], method, seed, old(earlier, seed))
                    row = {"task": name, "earlier": earlier, "method": method, "seed": seed}
                    rows.append({**row, "regret": [round(score, 2) for score in scores]})
                    file.write(json.dumps(rows[-1]) + "\n")
                    file.flush()
    print(table(rows))


if __name__ == "__main__":
    main()
