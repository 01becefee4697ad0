"""python -m benchmarks.search.cost: what a proposal costs as a study grows.

Median processor milliseconds of a proposal after 100, 1,000 and 10,000 trials, on a space of 10
parameters of which 2 are conditional; a third of the trials complete, the others stopped at their
second rung, 4 running. For mfgp also the largest: the one that fits the hyperparameters anew.
"""

import argparse
import random
import time
from collections.abc import Sequence

import numpy as np

from autotune.search import (
    Cmaes,
    Evolution,
    Gp,
    Mfgp,
    Nsga2,
    Nsga3,
    Random,
    SamplerSettings,
    Sobol,
    Tpe,
)
from autotune.space import Space
from autotune.trial import Goal, State, Trial, Trials

__all__ = ["history"]

SPACE = Space.parse(
    {
        **{name: {"type": "float", "low": 0.0, "high": 1.0} for name in ("a", "b", "c")},
        "lr": {"type": "float", "low": 1e-4, "high": 1.0, "log": True},
        "width": {"type": "int", "low": 16, "high": 512, "log": True},
        "depth": {"type": "int", "low": 1, "high": 6},
        "name": {"type": "categorical", "choices": ["sgd", "momentum", "adam", "adamw"]},
        "skip": {"type": "categorical", "choices": [True, False]},
        "momentum": {"type": "float", "low": 0.5, "high": 0.99, "when": {"name": "momentum"}},
        "every": {"type": "int", "low": 1, "high": 3, "when": {"skip": True}},
    }
)
SAMPLERS: Sequence[SamplerSettings] = (
    *(Random(), Sobol(), Tpe(), Gp(), Cmaes()),
    *(Nsga2(), Nsga3(), Mfgp(), Evolution()),
)
SIZES = (100, 1_000, 10_000)
LIMIT = 60.0
"""Seconds for one cell of the table; what takes longer is left out."""


def history(count: int) -> Trials:
    rng = random.Random(0)
    trials = []
    for number in range(count):
        params = SPACE.sample(rng)
        a, b = (params[name] for name in ("a", "b"))
        loss = (a - 0.3) ** 2 + (b - 0.6) ** 2 + 0.05 * rng.random()  # type: ignore[operator]
        state, steps = (State.COMPLETE, 27) if number % 3 == 0 else (State.PRUNED, 3)
        if number >= count - 4:
            state, steps = State.RUNNING, 1
        curve = {step: loss + 1 / step for step in range(1, steps + 1)}
        value = min(curve.values()) if state == State.COMPLETE else None
        trials.append(Trial(number, params, state, value=value, curve=curve))
    return Trials(trials)


def cell(config: SamplerSettings, count: int, repeats: int = 5) -> str:
    sampler = config.build(SPACE, Goal.MINIMIZE, 0)
    trials = history(count)
    spent: list[float] = []
    while len(spent) <= repeats and sum(spent) < LIMIT:
        before = time.process_time()
        sampler.propose(trials, count + len(spent))
        spent.append(time.process_time() - before)
    first, later = spent[0], spent[1:] or spent
    return f"{1000 * float(np.median(later)):.1f} ({1000 * first:.0f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    sizes = parser.parse_args(arguments).sizes
    print("Milliseconds a proposal: median of 5 (the first one, which fits and reads all trials)\n")
    print("| sampler | " + " | ".join(f"{size:,}" for size in sizes) + " |")
    print("| --- |" + " ---: |" * len(sizes))
    for config in SAMPLERS:
        name = config.name  # type: ignore[attr-defined]
        cells = []
        for size in sizes:
            slow = name == "gp" and size > 1_000
            cells.append("-" if slow else cell(config, size))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
