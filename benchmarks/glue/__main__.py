"""python -m benchmarks.glue run | draw"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.glue import plan, run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.glue", description=run.__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("draw", help="write the list of trials to standard output")
    running = commands.add_parser("run", help="run the arms, interleaved, and write the figures")
    running.add_argument("--arms", default="a,b,c,d,e", help="letters or names; default: all")
    running.add_argument("--repeats", type=int, default=3)
    running.add_argument("--trials", type=int, default=24)
    running.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args(arguments)
    if given.command == "draw":
        plan.write(list(plan.draw()), sys.stdout)
        return 0
    return run.run(given.arms.split(","), given.repeats, given.trials, given.out)


if __name__ == "__main__":
    sys.exit(main())
