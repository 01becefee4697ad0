"""python -m benchmarks.search run --suite lcbench --quick

Prints the tables of autotune and its peers; `report` writes docs/search-benchmarks.md and its
pictures from all stored runs; `venvs --folder F` makes the environments of the peers that need one
of their own, which `run` finds in the folder AUTOTUNE_BENCH_VENVS.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.search.measure import Job, measure, stored
from benchmarks.search.methods import BELIEFS, METHODS, Method
from benchmarks.search.peers import venvs
from benchmarks.search.plot import picture
from benchmarks.search.report import document, pictured, summary
from benchmarks.search.suites import SUITES, Suite

RESULTS = Path(__file__).parent / "results"
DOCUMENT = Path(__file__).parents[2] / "docs" / "search-benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search", description=__doc__)
    parser.add_argument("command", choices=["run", "report", "venvs"])
    parser.add_argument("--suite", choices=list(SUITES), default="lcbench")
    quick = "few tasks, 1 seed, no slow methods, nothing stored"
    parser.add_argument("--quick", action="store_true", help=quick)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), help="all, if not given")
    parser.add_argument("--folder", type=Path, help="where `venvs` makes the environments")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=4, help="simulated ones")
    parser.add_argument("--processes", type=int, default=2)
    args = parser.parse_args(arguments)
    if args.command == "venvs":
        if args.folder is None:
            parser.error("venvs needs --folder")
        venvs.make(args.folder.absolute())
        return 0
    if args.command == "report":
        _report(RESULTS, DOCUMENT)
        return 0
    path = RESULTS / f"{args.suite}-w{args.workers}.jsonl"
    suite = SUITES[args.suite]
    methods = _methods(args.methods, args.quick, suite)
    folder = _data(suite)
    if folder is None:
        return 0
    tasks, seeds = (suite.quick, 1) if args.quick else (suite.tasks, args.seeds)
    jobs = [
        Job(args.suite, task, method, seed, args.workers)
        for seed in range(args.first_seed, args.first_seed + seeds)
        for method in methods
        for task in tasks
    ]
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / "quick.jsonl" if args.quick else path
        out.parent.mkdir(exist_ok=True)
        measure(jobs, folder, out, args.processes)
        print(summary(list(stored(out))))
    return 0


def _report(results: Path, page: Path) -> None:
    sections = _results(results)
    page.write_text(document(sections))
    (page.parent / "images").mkdir(exist_ok=True)
    for (suite, workers), rows in sections.items():
        name, shown = pictured(suite, workers, rows)
        if shown:
            (page.parent / "images" / name).write_bytes(picture(shown))


def _results(folder: Path) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """All that is stored, by suite, in the order of SUITES, and by workers."""
    names = {path: path.stem.rsplit("-w", 1) for path in folder.glob("*-w*.jsonl")}
    found = {(suite, int(workers)): path for path, (suite, workers) in names.items()}
    order = list(SUITES)
    keys = sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    return {key: list(stored(found[key])) for key in keys}


def _methods(named: Sequence[str] | None, quick: bool, suite: Suite) -> list[str]:
    """Those to run; the others are named."""
    chosen = list(named or (name for name in METHODS if name not in BELIEFS))
    left_out: dict[str, Callable[[Method], bool]] = {
        "not in AUTOTUNE_BENCH_VENVS": lambda method: not method.installed,
        "nothing can be stopped early here": lambda method: method.stops and not suite.curves,
        "too slow for --quick": lambda method: method.slow and quick and not named,
    }
    for why, holds in left_out.items():
        if names := [name for name in chosen if holds(METHODS[name])]:
            print(f"skipped, {why}: {', '.join(names)}", file=sys.stderr)
            chosen = [name for name in chosen if name not in names]
    return chosen


def _data(suite: Suite) -> Path | None:
    """The folder with the suite's data; None, and one line why, when the suite cannot run."""
    if suite.package and find_spec(suite.module) is None:
        cure = "pip install 'autotune[bench]'"
        print(f"skipped: needs the package {suite.package} ({cure})", file=sys.stderr)
        return None
    named = os.environ.get("AUTOTUNE_BENCH_DATA")
    if suite.file is None or (named and (Path(named) / suite.file).exists()):
        return Path(named or ".")
    where = f"a folder with {suite.file} ({suite.where})"
    print(f"skipped: AUTOTUNE_BENCH_DATA must name {where}, but got {named!r}", file=sys.stderr)
    return None


if __name__ == "__main__":
    sys.exit(main())
