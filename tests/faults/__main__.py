"""python -m tests.faults run | table"""

import argparse
import sys
from pathlib import Path

from tests.faults.campaign import Campaign, stored, table
from tests.faults.kinds import KINDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    commands = parser.add_subparsers(dest="command", required=True)
    running = commands.add_parser(
        "run", help="strike, resume and check; 1 where there is a problem"
    )
    running.add_argument("--kind", nargs="+", choices=list(KINDS), default=list(KINDS))
    running.add_argument("--count", type=int, help="strikes of each kind; default: the campaign's")
    running.add_argument("--first-seed", type=int, default=0, help="for several machines")
    running.add_argument("--parallel", type=int, default=2)
    running.add_argument(
        "--out", type=Path, default=Path("faults.jsonl"), help="what it holds is done"
    )
    showing = commands.add_parser("table", help="the results as Markdown")
    showing.add_argument("results", type=Path, nargs="+")
    given = parser.parse_args()
    if given.command == "table":
        print(table([row for path in given.results for row in stored(path)]))
        return 0
    campaign = Campaign(given.out.absolute(), given.parallel)
    made = [
        one
        for kind in given.kind
        for one in campaign.run(kind, given.count or KINDS[kind].count, given.first_seed)
    ]
    campaign.close()
    return int(any(one.problems for one in made))


if __name__ == "__main__":
    sys.exit(main())
