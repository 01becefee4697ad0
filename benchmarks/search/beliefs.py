"""python -m benchmarks.search.beliefs: what a good prior saves, and what a wrong one costs.

On LCBench's development tasks every parameter gets a `prior` of medium confidence: `good`, the
values of the best of 1,000 random whole trainings, `fair`, those of the third best of 100, or
`wrong`, those of the third worst. The promises: a good prior saves half of the budget, a wrong one
costs at most a fifth of it.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.search.lcbench import TASKS
from benchmarks.search.measure import Job, measure, stored
from benchmarks.search.methods import BELIEFS, OURS
from benchmarks.search.score import Table, interval, table

__all__ = ["main", "summary"]

RESULTS = Path(__file__).parent / "results" / "beliefs.jsonl"
BUDGETS = (5, 10, 20, 40)
SHARES = {"auto-good-prior": 0.5, "auto-fair-prior": 1.0, "auto-wrong-prior": 1.2}
"""Of the budget without a prior, at which no more regret is promised."""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--out", type=Path, default=RESULTS)
    args = parser.parse_args(arguments)
    jobs = [
        Job("lcbench", task, method, seed, 4)
        for seed in range(args.seeds)
        for method in (OURS, *BELIEFS)
        for task in args.tasks
    ]
    measure(jobs, Path(os.environ["AUTOTUNE_BENCH_DATA"]), args.out, args.processes)
    print(summary(args.out))


def summary(results: Path = RESULTS) -> str:
    """For each promise: regret in % without a prior at a budget, with it at its share of it."""
    runs = table(list(stored(results)), (OURS, *BELIEFS))
    head = "| | " + " | ".join(f"@{budget}" for budget in BUDGETS) + " |\n"
    lines = [head + "| --- |" + " --- |" * len(BUDGETS), _line("no prior", runs, _plain)]
    for name, share in SHARES.items():
        for part in sorted({1.0, share}):
            lines.append(_line(f"{name}, {part:g} of the budget", runs, _paired(name, part)))
    return "\n".join(lines)


def _line(title: str, runs: Table, cell: Callable[[Table, float], str]) -> str:
    return f"| {title} | " + " | ".join(cell(runs, budget) for budget in BUDGETS) + " |"


def _plain(runs: Table, budget: float) -> str:
    return f"{runs.regrets(budget)[OURS].mean():.1f}"


def _paired(name: str, share: float) -> Callable[[Table, float], str]:
    def cell(runs: Table, budget: float) -> str:
        values = runs.regrets(share * budget)[name]
        difference = values - runs.regrets(budget)[OURS]
        low, high = interval(difference, runs.tasks)
        return f"{values.mean():.1f}: {difference.mean():+.1f} ({low:+.1f} to {high:+.1f})"

    return cell


if __name__ == "__main__":
    main()
