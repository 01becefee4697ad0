"""Several processes beside one, on the CPU, each with one thread.

    python -m benchmarks.parallel [--pairs 15] [--epochs 3] [--out FILE]

Two questions, each answered by interleaved pairs, the first one first, then the other:

- What does `parallel` cost where there is one worker? ddp with `workers: 1` beside no `parallel` at
  all, on a small cnn. The aim: a ratio of 1.05 at most.
- What do two processes bring? ddp with `workers: 2` beside one process, on a cnn of 32 channels at
  batches of 128; and beside it what the machine has to give: two trainings at once in two processes
  that know nothing of each other, and one process with two threads. The aim: 1.5 times as fast.

Seconds are of the steps after the first one, without the start of the processes.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from autotune.testing.parallel import Ranks
from autotune.train.config import apply

TIMED = "benchmarks.parallel:timed"
DDP = {"strategy": "ddp", "workers": 2}


def timed(config: dict[str, Any], folder: str) -> float:
    """Seconds of the steps of a training but the first one; in the process of a rank."""
    from autotune.train import loop
    from autotune.train.config import TrainConfig

    made = TrainConfig.model_validate_json(json.dumps(config))
    return sum(report.seconds for report in list(loop.train(made, Path(folder)))[1:])


class Bench:
    def __init__(self, ranks: Ranks, folder: Path, epochs: int, samples: int) -> None:
        self.ranks, self.folder = ranks, folder
        path = folder / "images.npz"
        draw = np.random.default_rng(0)
        x = draw.normal(size=(samples, 1, 16, 16)).astype(np.float32)
        np.savez(path, x=x, y=np.arange(samples) % 10)
        self.base = {"data": {"name": "arrays", "path": str(path)}, "epochs": epochs + 1}

    def seconds(self, size: int, **given: Any) -> float:
        """Of one training; the slowest of `size` processes counts."""
        config = apply({**self.base, **given}, {}).model_dump(mode="json")
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            told = self.ranks.ask(TIMED, config, scratch, size=size)
        if bad := [answer for answer in told if not isinstance(answer, float)]:
            raise SystemExit(str(bad[0]))
        return max(told)


def ratios(pairs: int, first: Callable[[], float], second: Callable[[], float]) -> list[float]:
    """first / second, of interleaved pairs."""
    found = []
    for pair in range(pairs):
        runs = [first, second] if pair % 2 else [second, first]
        took = {run: run() for run in runs}
        found.append(took[first] / took[second])
    return found


def told(name: str, values: list[float]) -> dict[str, Any]:
    """The median, with an interval that holds the true one in 95 of 100 cases: order statistics."""
    ordered, count = sorted(values), len(values)
    reach = round(0.98 * count**0.5)
    low = ordered[max(0, count // 2 - reach)]
    high = ordered[min(count - 1, (count - 1) // 2 + reach)]
    middle = statistics.median(values)
    print(f"{name}: {middle:.3f} ({low:.3f} to {high:.3f}, n = {count})", flush=True)
    return {"what": name, "median": middle, "low": low, "high": high, "pairs": values}


def measured(bench: Bench, pairs: int, small: bool) -> list[dict[str, Any]]:
    cnn = {"name": "cnn", "channels": 8 if small else 32}
    large = {"model": cnn, "batch_size": 128}
    little = {"model": {"name": "cnn", "channels": 8}, "batch_size": 64}

    def one() -> float:
        return bench.seconds(1, **large)

    def two() -> float:
        return bench.seconds(2, **large, parallel=DDP)

    def apart() -> float:
        return bench.seconds(2, **large) / 2  # a training each: half the time for one

    def threads() -> float:
        return bench.seconds(1, **large, threads=2)

    def worker() -> float:
        return bench.seconds(1, **little, parallel={**DDP, "workers": 1})

    def plain() -> float:
        return bench.seconds(1, **little)

    for warm in (one, two):  # the first step of a process costs more
        warm()
    return [
        told("ddp with one worker / no parallel, seconds", ratios(pairs, worker, plain)),
        told("one process / two of ddp, seconds", ratios(pairs, one, two)),
        told("one process / two that are apart, seconds a training", ratios(pairs, one, apart)),
        told("one process / one of two threads, seconds", ratios(pairs, one, threads)),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    from benchmarks.glue.harness import conditions

    parser = argparse.ArgumentParser(prog="python -m benchmarks.parallel")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--samples", type=int, default=4_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, Ranks(2) as ranks:
        bench = Bench(ranks, Path(folder), options.epochs, options.samples)
        found = measured(bench, options.pairs, small=options.samples < 1_000)
    if options.out:
        about = {**conditions(), "epochs": options.epochs, "samples": options.samples}
        text = json.dumps({"conditions": about, "results": found}, indent=2)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
