"""python -m benchmarks.search.several: several objectives and constraints, on LCBench.

Problems: `cost` wants a low loss and a cheap training, `size` a low loss and few units
(max_units * num_layers), `bound` a low loss for a training that costs at most the median.
A method is a sampler and a scheduler, 4 simulated workers. A score is in %, higher is better, after
20 and 50 full trainings: the area that the reported points dominate between the median random
training and the best loss with the least cost, which is on a logarithmic scale; of `bound` 100
minus the regret of the best feasible report.
"""

import argparse
import json
import math
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autotune.engine import simulate
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.tracking.base import Event, RunReported
from autotune.trial import Assignment, Report, Scalar
from benchmarks.search.lcbench import SPACE, TASKS, Lcbench
from benchmarks.search.score import interval

__all__ = ["area"]

METHODS = [f"{s} {p}" for p in ("none", "asha") for s in ("mfgp", "tpe", "nsga2", "random")]
PROBLEMS = ("cost", "size", "bound")
BUDGETS = (20, 50)
WORKERS = 4
RESULTS = Path(__file__).parent / "results" / "several.jsonl"


class Problem:
    """A task with its second metric."""

    def __init__(self, task: Lcbench, name: str) -> None:
        self.task, self.name = task, name
        rng = random.Random(1)
        others = sorted(self.other(SPACE.sample(rng)) for _ in range(200))
        self.least, self.median = others[0], others[100]

    def other(self, params: Mapping[str, Scalar]) -> float:
        if self.name == "size":
            return float(params["max_units"]) * float(params["num_layers"])  # type: ignore[arg-type]
        return self.task.curve(params).seconds[-1]

    def scoring(self) -> dict[str, Any]:
        loss, other = ({"metric": name, "goal": "minimize"} for name in ("loss", "other"))
        if self.name == "bound":
            return {"objective": loss, "constraints": [f"other <= {self.median}"]}
        return {"objective": [loss, other]}

    def score(self, seen: Sequence[tuple[float, float]]) -> float:
        """Of (loss, other) pairs."""
        known = self.task.reference
        scaled = [((loss - known.best) / (known.median - known.best), by) for loss, by in seen]
        if self.name == "bound":
            return 100 * max((1 - y for y, by in scaled if by <= self.median), default=0.0)
        span = math.log(self.median / self.least)
        return 100 * area([(y, math.log(by / self.least) / span) for y, by in scaled])


def area(points: Sequence[tuple[float, float]]) -> float:
    """What `points` dominate of the unit square; coordinates below 0 count as 0."""
    total, height = 0.0, 1.0
    for x, y in sorted((max(x, 0.0), max(y, 0.0)) for x, y in points):
        if x < 1 and y < height:
            total += (1 - x) * (height - y)
            height = y
    return total


def run(problem: Problem, method: str, seed: int) -> list[float]:
    """The scores at BUDGETS."""
    seen: list[tuple[float, tuple[float, float]]] = []

    def heard(event: Event) -> None:
        if isinstance(event, RunReported):
            told = event.report.metrics
            seen.append((driven.elapsed(), (told["loss"], told["other"])))

    def work(assignment: Assignment) -> Iterator[Report]:
        params = driven.history.trials[assignment.trial].params
        curve, other = problem.task.curve(params), problem.other(params)
        assert assignment.to_step is not None
        for step in range(assignment.from_step, assignment.to_step):
            spent = curve.seconds[step] - (curve.seconds[step - 1] if step else 0.0)
            yield Report(step + 1, {"loss": curve.losses[step], "other": other}, spent)

    unit = problem.task.reference.seconds / WORKERS
    driven = state_machine.in_memory(_spec(problem, method, seed, max(BUDGETS) * unit), [heard])
    simulate.run(driven, WORKERS, work)
    return [problem.score([y for at, y in seen if at <= b * unit]) for b in BUDGETS]


def _spec(problem: Problem, method: str, seed: int, seconds: float) -> StudySpec:
    sampler, scheduler = method.split()
    return StudySpec.model_validate(
        {
            "name": problem.task.name,
            "seed": seed,
            **problem.scoring(),
            "trial": {"function": "benchmarks.search.product:never", "epochs": 51},
            "space": SPACE,
            "search": {"name": sampler},
            "schedule": {"name": scheduler},
            "budget": {"time": seconds},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Means, and the difference of mfgp with the same scheduler, paired, with its 95 % interval."""
    by = {(r["problem"], r["method"], r["task"], r["seed"]): r["scores"] for r in rows}
    lines = ["| problem | method | runs | @20 | @50 | mfgp minus it @20 | @50 |"]
    lines += ["| --- | --- | ---: | ---: | ---: | ---: | ---: |"]
    for problem in PROBLEMS:
        for method in METHODS:
            ours = f"mfgp {method.split()[1]}"
            keys = sorted(k for k in by if k[:2] == (problem, method))
            keys = [k for k in keys if (problem, ours, *k[2:]) in by]
            if not keys:
                continue
            theirs = np.array([by[k] for k in keys])
            gap = np.array([by[problem, ours, *k[2:]] for k in keys]) - theirs
            ends = [interval(column, [k[2] for k in keys]) for column in gap.T]
            cells = [f"{x:.1f}" for x in theirs.mean(axis=0)] + [
                f"{g:+.1f} ({low:+.1f} to {high:+.1f})"
                for g, (low, high) in zip(gap.mean(axis=0), ends, strict=True)
            ]
            cells[2:] = cells[2:] if method != ours else ["", ""]
            lines.append(f"| {problem} | {method} | {len(keys)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS[:6])
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    folder = Path(os.environ["AUTOTUNE_BENCH_DATA"]) / "lcbench"
    rows = [json.loads(line) for line in args.out.open()] if args.out.exists() else []
    done = {(r["problem"], r["task"], r["method"], r["seed"]) for r in rows}
    tasks = {name: Lcbench(name, folder) for name in args.tasks}
    problems = {(p, name): Problem(task, p) for name, task in tasks.items() for p in PROBLEMS}
    with args.out.open("a") as file:
        for seed in range(args.seeds):
            for (name, task), problem in problems.items():
                for method in args.methods:
                    if (name, task, method, seed) in done:
                        continue
                    scores = [round(score, 3) for score in run(problem, method, seed)]
                    row = {"problem": name, "task": task, "method": method, "seed": seed}
                    rows.append({**row, "scores": scores})
                    file.write(json.dumps(rows[-1]) + "\n")
                    file.flush()
    print(table(rows))


if __name__ == "__main__":
    main()
