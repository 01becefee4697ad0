"""What a trial that is a script costs beyond the script started by hand.

    python -m benchmarks.command [--pairs 20] [--out FILE]

Paired: each pair starts the same script twice, in random order: with subprocess.run, its output
into a file, and as an assignment in this process, guard, metrics and log included. The script
prints ten reports. The aim is at most 0.3 s a trial. What a study adds beside that (journal,
decisions) is the same for all kinds of trials: benchmarks.orchestration.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from autotune.engine.worker.work import work
from autotune.trial import Assignment, Purpose, Report
from benchmarks.glue.harness import conditions

__all__ = ["main", "pair"]

_SCRIPT = """
import json
for epoch in range(1, 11):
    print(json.dumps({"epoch": epoch, "acc": epoch / 10}))
"""


def pair(folder: Path, order: random.Random) -> tuple[float, float]:
    """Seconds by hand, and as a trial."""
    script = folder / "train.py"
    script.write_text(_SCRIPT)
    ways = [_by_hand, _as_trial]
    order.shuffle(ways)
    taken = {way: way(script) for way in ways}
    return taken[_by_hand], taken[_as_trial]


def _by_hand(script: Path) -> float:
    began = time.perf_counter()
    with script.with_suffix(".out").open("wb") as out:
        subprocess.run([sys.executable, str(script)], stdout=out, check=True)
    return time.perf_counter() - began


def _as_trial(script: Path) -> float:
    monitor = {"metric": "acc", "goal": "maximize", "at": "best"}
    command = {"command": f"{sys.executable} {script}", "epochs": 10, "monitor": monitor}
    assignment = Assignment(
        number=0,
        trial=0,
        purpose=Purpose.SEARCH,
        config=command,
        seed=0,
        from_step=0,
        to_step=10,
        folder=str(script.parent / "run"),
        label="trial-0000",
        log=str(script.parent / "run.log"),
    )
    began = time.perf_counter()
    replies = list(work(assignment))
    taken = time.perf_counter() - began
    assert [type(reply) for reply in replies] == [Report] * 10, replies
    return taken


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.command")
    parser.add_argument("--pairs", type=int, default=20)
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args(arguments)
    order = random.Random(0)
    with tempfile.TemporaryDirectory(prefix="command-") as folder:
        pair(Path(folder), order)  # what is read from disk once
        pairs = [pair(Path(folder), order) for _ in range(given.pairs)]
    more = [trial - hand for hand, trial in pairs]
    hand, trial = (statistics.median(one[side] for one in pairs) for side in (0, 1))
    spread = f"{min(more):.3f} to {max(more):.3f}, n = {len(more)}"
    print(f"by hand {hand:.3f} s, as a trial {trial:.3f} s (medians)")
    print(f"more: {statistics.median(more):.3f} s ({spread}), load {os.getloadavg()[0]:.1f}")
    if given.out:
        result = {**conditions(), "pairs_s": pairs, "more_s": statistics.median(more)}
        given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
