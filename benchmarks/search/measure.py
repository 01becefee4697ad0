"""Runs, each one stored as soon as it is over, so that a measurement may be broken off."""

import functools
import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.search.methods import METHODS
from benchmarks.search.suites import SUITES
from benchmarks.search.task import Task

__all__ = ["BUDGETS", "Job", "measure", "stored"]

BUDGETS = (2, 5, 10, 20, 50)
"""In full trainings: multiples of their median cost, shared by all workers."""


@dataclass(frozen=True, slots=True)
class Job:
    suite: str
    task: str
    method: str
    seed: int
    workers: int

    @property
    def key(self) -> tuple[str, str, int, int]:
        return self.task, self.method, self.seed, self.workers


def run(job: Job, folder: Path) -> dict[str, Any]:
    """One search, as plain values: times in full trainings, losses as normalized regret in %."""
    task = load(job.suite, job.task, folder)
    method = METHODS[job.method]
    reference = task.reference
    unit = reference.seconds / job.workers
    before = time.process_time()
    found = method.search(task, job.seed, job.workers, max(BUDGETS) * unit)
    spent = time.process_time() - before + found.elsewhere
    span = reference.median - reference.best
    return {
        **asdict(job),
        "trainings": [round(t / unit, 4) for t in found.seconds],
        "regret": [round(100 * (loss - reference.best) / span, 4) for loss in found.losses],
        "trials": found.trials,
        "trial_ms": None if SUITES[job.suite].trains else round(1000 * spent / found.trials, 2),
    }


@functools.cache
def load(suite: str, task: str, folder: Path) -> Task:
    return SUITES[suite].load(task, folder)


def stored(path: Path) -> Iterator[dict[str, Any]]:
    if path.exists():
        yield from map(json.loads, path.read_text().splitlines())


def measure(jobs: Iterable[Job], folder: Path, out: Path, processes: int) -> None:
    """Runs the jobs that `out` does not hold yet, and appends a line each to it."""
    done = {Job(**{k: row[k] for k in Job.__slots__}).key for row in stored(out)}
    todo = [job for job in jobs if job.key not in done]
    # The children inherit it: one thread each, since proposals are small matrices.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    with ProcessPoolExecutor(processes) as pool, out.open("a") as file:
        futures = {pool.submit(run, job, folder): job for job in todo}
        for count, future in enumerate(as_completed(futures), 1):
            row = future.result()
            file.write(json.dumps(row) + "\n")
            file.flush()
            last = row["regret"][-1]
            print(f"{count}/{len(todo)} {row['task']} {row['method']} {row['seed']}: {last:.1f}")
