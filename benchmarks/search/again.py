"""python -m benchmarks.search.again: stored runs of autotune, run again; equal to the last digit?

A change that should change no result (moved files, other names, a faster way to the same numbers)
proves it with this: what is compared are the times, the losses and the number of trials.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.search.__main__ import RESULTS, _data
from benchmarks.search.measure import Job, run, stored
from benchmarks.search.methods import OURS
from benchmarks.search.suites import SUITES

__all__ = ["main"]

COMPARED = ("trainings", "regret", "trials")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.again", description=__doc__)
    simulated = [name for name, suite in SUITES.items() if not suite.trains]
    parser.add_argument("--suite", choices=simulated, default="lcbench")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--workers", type=int, default=4)
    args = parser.parse_args(arguments)
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    folder = _data(SUITES[args.suite])
    if folder is None:
        return 0
    rows = _spread(RESULTS / f"{args.suite}-w{args.workers}.jsonl", args.rows)
    different = [row for row in rows if not _equal(row, folder)]
    print(f"{len(rows) - len(different)} of {len(rows)} stored rows are equal")
    return 1 if different else 0


def _spread(path: Path, count: int) -> list[dict[str, Any]]:
    """`count` of our rows, evenly spaced."""
    ours = [row for row in stored(path) if row["method"] == OURS]
    return [ours[index * len(ours) // count] for index in range(min(count, len(ours)))]


def _equal(row: dict[str, Any], folder: Path) -> bool:
    new = run(Job(**{key: row[key] for key in Job.__slots__}), folder)
    changed = [key for key in COMPARED if new[key] != row[key]]
    said = f"differs in {', '.join(changed)}" if changed else "equal"
    print(f"{row['task']} seed {row['seed']}: {said}")
    return not changed


if __name__ == "__main__":
    sys.exit(main())
