"""What proposing costs where trials are very short: a simulated study by auto, and by mfgp alone.

    python -m benchmarks.short_trials [--trials 5000] [--milliseconds 10] [--searches auto mfgp]

Trials cost nothing but virtual time, `--milliseconds` each. Printed: processor seconds spent on
proposing, their share of proposing and virtual time together, and what auto decided at last.
"""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autotune.engine import simulate
from autotune.search.base import Sampler
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.trial import Scalar, Trial


class Timed:
    """A sampler, and the processor seconds it took."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler, self.seconds = sampler, 0.0

    def propose(self, trials: Sequence[Trial], number: int) -> dict[str, Scalar] | None:
        began = time.process_time()
        params = self.sampler.propose(trials, number)
        self.seconds += time.process_time() - began
        return params


def spec(search: str, trials: int) -> StudySpec:
    one = {"type": "float", "low": 0.0, "high": 1.0}
    return StudySpec.model_validate(
        {
            "name": "short",
            "objective": {"metric": "loss", "goal": "minimize"},
            "trial": {"function": "benchmarks.short_trials:never", "epochs": 1},
            "space": Space.parse({f"p{n}": one for n in range(10)}),
            "search": {"name": search},
            "budget": {"trials": trials},
            "confirm": {"top": 0},
            "tracking": {"uri": "none"},
        }
    )


def measure(search: str, trials: int, milliseconds: float) -> str:
    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        loss = sum((config[f"p{n}"] - 0.3 - n / 20) ** 2 for n in range(10))
        yield {"loss": loss}, milliseconds / 1000

    driven = state_machine.in_memory(spec(search, trials))
    timed = driven._sampler = Timed(driven._sampler)
    simulate.run(driven, 1, simulate.recorded(curve))
    share = timed.seconds / (timed.seconds + driven.elapsed())
    best = driven.history.leaderboard.best()
    return (
        f"{search}: {timed.seconds:.1f} s on proposing, {share:.0%} of the time, "
        f"best {best:.2g}; {driven.history.sampler_switch.why}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.short_trials")
    parser.add_argument("--trials", type=int, default=5_000)
    parser.add_argument("--milliseconds", type=float, default=10.0)
    parser.add_argument("--searches", nargs="+", default=["auto", "mfgp"])
    given = parser.parse_args(arguments)
    for search in given.searches:
        print(measure(search, given.trials, given.milliseconds), flush=True)


if __name__ == "__main__":
    main()
