"""How honest the winner's score is: studies whose true values are known, run by the product itself.

    python -m benchmarks.winner [--draws 4000] [--out benchmarks/winner.json]

A draw is a simulated study. Each candidate has a true value; each training of it, in the search or
in the confirmation, scores that value plus normal noise of standard deviation 1, so every figure is
in standard deviations of one training. Told are, against the winner's true value, the bias of its
score and how often the 95 % t-interval covers it:

    search   what the search saw of it, the best of all trials
    chosen   the mean of the retrainings that chose it, the best of `top`: the score before there
             was a verification
    winner   the mean of the retrainings that did not choose it: its score now

`bound` is what is said of `chosen` where there is no verification (`confirm: {verify: 0}`).
"""

import argparse
import json
import math
import random
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotune.engine import simulate
from autotune.space import Space
from autotune.spec import StudySpec
from autotune.study import state_machine
from autotune.study.winner import Confirmed, selection_bias

__all__ = ["CELLS", "Cell", "Row", "measure", "table"]


@dataclass(frozen=True)
class Cell:
    """Candidates of known value; every one is a trial of the search."""

    name: str
    truths: tuple[float, ...]
    top: int
    seeds: int
    verify: int | None = None
    """None: as many as `seeds`."""


def normal(count: int) -> tuple[float, ...]:
    """Quantiles of a normal distribution as wide as the noise: a search of `count` trials."""
    rule = statistics.NormalDist()
    return tuple(rule.inv_cdf((i + 0.5) / count) for i in range(count))


CELLS = (
    Cell("2 equal", (0.0,) * 2, 2, 3),
    Cell("3 equal", (0.0,) * 3, 3, 3),
    Cell("3 equal, 2 seeds", (0.0,) * 3, 3, 2),
    Cell("3 equal, 5 seeds", (0.0,) * 3, 3, 5),
    Cell("3 equal, 3 seeds, 5 to verify", (0.0,) * 3, 3, 3, 5),
    Cell("5 equal", (0.0,) * 5, 5, 3),
    Cell("3, each 0.25 worse", (0.0, -0.25, -0.5), 3, 3),
    Cell("3, each 0.5 worse", (0.0, -0.5, -1.0), 3, 3),
    Cell("3, each 2 worse", (0.0, -2.0, -4.0), 3, 3),
    Cell("30 trials, the top 3 of them", normal(30), 3, 3),
)


@dataclass(frozen=True)
class Row:
    cell: Cell
    draws: int
    bias: Mapping[str, float]
    """search, chosen, winner."""
    error: Mapping[str, float]
    """The standard error of each bias."""
    coverage: Mapping[str, float]
    """chosen, winner: in per cent."""
    bound: float


def measure(cell: Cell, draws: int, first: int = 0) -> Row:
    """Of studies with the seeds `first`, `first` + 1, ..."""
    base = _spec(cell)
    found = [_draw(base.model_copy(update={"seed": first + n}), cell) for n in range(draws)]
    off = {key: [draw.off[key] for draw in found] for key in ("search", "chosen", "winner")}
    return Row(
        cell,
        draws,
        {key: statistics.fmean(values) for key, values in off.items()},
        {key: statistics.stdev(values) / math.sqrt(draws) for key, values in off.items()},
        {
            "chosen": 100 * statistics.fmean(draw.chosen_covers for draw in found),
            "winner": 100 * statistics.fmean(draw.winner_covers for draw in found),
        },
        statistics.fmean(draw.bound for draw in found),
    )


@dataclass(frozen=True)
class _Draw:
    off: Mapping[str, float]
    chosen_covers: bool
    winner_covers: bool
    bound: float


def _draw(spec: StudySpec, cell: Cell) -> _Draw:
    def curve(config: Mapping[str, Any], seed: int) -> Iterator[tuple[dict[str, float], float]]:
        yield {"score": cell.truths[config["x"]] + random.Random(seed).gauss(0, 1)}, 1.0

    driven = state_machine.in_memory(spec)
    simulate.run(driven, 1, simulate.recorded(curve))
    best = driven.history.best()
    assert best and best.chosen and best.verified
    truth = cell.truths[int(str(best.params["x"]))]
    told = {"search": best.value, "chosen": best.chosen.mean, "winner": best.verified.mean}
    return _Draw(
        {key: value - truth for key, value in told.items()},
        _covers(best.chosen, truth),
        _covers(best.verified, truth),
        selection_bias(driven.history.confirmed()) or 0.0,
    )


def _covers(group: Confirmed, truth: float) -> bool:
    assert group.interval
    return group.interval[0] <= truth <= group.interval[1]


def _spec(cell: Cell) -> StudySpec:
    return StudySpec.model_validate(
        {
            "name": "winner",
            "objective": {"metric": "score", "goal": "maximize"},
            "trial": {"function": "benchmarks.winner:curve", "epochs": 1},
            "space": Space.parse({"x": {"type": "int", "low": 0, "high": len(cell.truths) - 1}}),
            "search": {"name": "grid"},
            "schedule": {"name": "none"},
            "budget": {"trials": len(cell.truths)},
            "confirm": {"top": cell.top, "seeds": cell.seeds, "verify": cell.verify},
            "tracking": {"uri": "none"},
        }
    )


def table(rows: Sequence[Row]) -> str:
    """As it stands in benchmarks/README.md."""
    lines = [
        "| candidates | top × seeds + verify | bias: search | chosen (before) | winner (now) "
        "| bound | covered: chosen (before) | winner (now) |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cell = row.cell
        plan = f"{cell.top} × {cell.seeds} + {cell.seeds if cell.verify is None else cell.verify}"
        biases = " | ".join(f"{row.bias[k]:+.2f} ± {row.error[k]:.2f}" for k in row.bias)
        covered = " | ".join(f"{share:.1f} %" for share in row.coverage.values())
        lines.append(f"| {cell.name} | {plan} | {biases} | {row.bound:.2f} | {covered} |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.winner")
    parser.add_argument("--draws", type=int, default=4000)
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args(arguments)
    rows = [measure(cell, given.draws, n * given.draws) for n, cell in enumerate(CELLS)]
    print(table(rows))
    if given.out:
        from benchmarks.glue import harness

        content = {**harness.conditions(), "rows": [asdict(row) for row in rows]}
        given.out.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
