"""Everything that only a GPU can show, in at most 8 minutes.

    scripts/gpu-check [--dry] [--part NAME ...] [--out FILE]

Each part has a process and a time limit of its own; its figures are in the file as soon as they are
known. --dry runs on the CPU, in small, what can be run there, and names what it skips.
"""

import argparse
import multiprocessing
import os
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from autotune.engine.gpus import gpus
from benchmarks.gpu.epochs import epochs
from benchmarks.gpu.machine import machine
from benchmarks.gpu.marked import marked_tests
from benchmarks.gpu.memory import out_of_memory
from benchmarks.gpu.part import Part, run
from benchmarks.gpu.setting import NETWORKS
from benchmarks.gpu.sheet import Sheet
from benchmarks.gpu.steps import resumes, synchronisations
from benchmarks.gpu.together import together

__all__ = ["main"]

LONGEST = 470.0  # seconds, so that the whole command ends within 8 minutes
LIMITS = {"mlp": 45, "cnn": 60, "resnet": 75, "vit": 75}
PARTS = [
    Part("machine", 20, machine),
    Part("tests", 60, marked_tests),
    Part("synchronisations", 35, synchronisations),
    Part("resume", 35, resumes),
    Part("memory", 35, out_of_memory),
    Part("together", 45, together),
    *(Part(f"epochs-{name}", LIMITS[name], partial(epochs, name)) for name in NETWORKS),
]
"""The longest come last: what is cut short there is measured least."""


def main(arguments: Sequence[str] | None = None) -> int:
    names = [part.name for part in PARTS]
    parser = argparse.ArgumentParser(prog="scripts/gpu-check", description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="on the CPU, in small")
    parser.add_argument("--part", action="append", choices=names, help="this one alone; repeatable")
    parser.add_argument("--out", type=Path, help="default: benchmarks/gpu/DEVICE.json, none if dry")
    options = parser.parse_args(arguments)
    if not options.dry and not gpus():
        print("scripts/gpu-check needs a GPU, and found none: --dry needs none", file=sys.stderr)
        return 2
    chosen = [part for part in PARTS[1:] if part.name in (options.part or names)]
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as scratch:
        os.environ |= {"GPU_CHECK_SCRATCH": scratch, "AUTOTUNE_CACHE": f"{scratch}/cache"}
        sheet = Sheet(options.out, options.dry)
        for method in ("fork", "spawn"):  # torch is imported once where a fork may touch the GPU
            multiprocessing.set_start_method(method, force=True)
            if (first := _ended(PARTS[0], sheet, options.out)) == "ok":
                break
        ended = [first, *(_ended(part, sheet, options.out) for part in chosen)]
    bad = [outcome for outcome in ended if outcome != "ok" and not outcome.startswith("skipped")]
    if sheet.path:
        print(f"written to {sheet.path}")
    return 1 if bad else 0


def _ended(part: Part, sheet: Sheet, out: Path | None, began: float = time.monotonic()) -> str:
    """How a part ended. `began` is when this program did."""
    start = time.monotonic()
    limit = min(part.limit, began + LONGEST - start)
    if limit <= 0:
        outcome = "skipped: no time is left"
    else:
        outcome = run(part, sheet.dry, limit, partial(sheet.add, part.name))
    if part.name == "machine" and out is None and not sheet.dry:
        sheet.path = _file(str(sheet.machine.get("device", "gpu")))
    sheet.end(part.name, outcome, time.monotonic() - start)
    return outcome


def _file(device: str) -> Path:
    name = re.sub(r"\W+", "-", device.lower()).strip("-")
    return Path(__file__).with_name(f"{name}.json")


if __name__ == "__main__":
    sys.exit(main())
