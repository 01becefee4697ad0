"""The memory of worker processes that hold one data set: one copy on the machine, or one each?

    python benchmarks/memory.py [--workers 4] [--root /usr/share/datasets/fashion-mnist]

Each worker prepares fashion_mnist and reads all of it, as an epoch does. Printed: the resident and
the proportional set size (PSS: a page that k processes hold counts 1/k) of the workers together,
beside that of as many workers that hold no data. The files are Debian's dataset-fashion-mnist, or
torchvision's.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

MB = 1024  # kB, as the kernel counts

WORKER = """
import sys, time, torch
from autotune.train import loop
from autotune.train.data.base import prepare
from autotune.train.data.config import FashionMnistData
loop.warm_up()
began = time.perf_counter()
if sys.argv[1]:
    data = prepare(FashionMnistData(root=sys.argv[1]), "cpu")
    float(sum(part.x.sum() for part in (data.train, data.val, data.test)))
print(time.perf_counter() - began, flush=True)
sys.stdin.read()
"""


def hold(root: str, workers: int, cache: str) -> tuple[list[float], float, float]:
    """Seconds to the first sum of each worker, and (resident, proportional) MB of all."""
    environment = {**os.environ, "AUTOTUNE_CACHE": cache}
    started = []
    try:
        seconds = []
        for _ in range(workers):
            worker = subprocess.Popen(
                [sys.executable, "-c", WORKER, root],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
            )
            started.append(worker)
            assert worker.stdout is not None
            seconds.append(float(worker.stdout.readline()))
        sizes = [rollup(worker.pid) for worker in started]
        return seconds, sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes)
    finally:
        for worker in started:
            worker.communicate("")


def rollup(pid: int) -> tuple[float, float]:
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = dict(re.findall(r"^(\w+): +(\d+) kB", text, re.MULTILINE))
    return int(fields["Rss"]) / MB, int(fields["Pss"]) / MB


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--root", default="/usr/share/datasets/fashion-mnist")
    options = parser.parse_args(arguments)
    if not any(Path(options.root).rglob("train-images-idx3-ubyte*")):
        print(f"skipped: Fashion-MNIST is not in {options.root} (see --root)")
        return
    with tempfile.TemporaryDirectory() as cache:
        _, rss, pss = hold("", options.workers, cache)
        seconds, rss_with, pss_with = hold(options.root, options.workers, cache)
        (file,) = Path(cache).glob("data-*/data.safetensors")
        size = file.stat().st_size / 2**20
    print(
        f"{options.workers} workers, {time.strftime('%Y-%m-%d')}; the prepared file: {size:.0f} MB"
    )
    print(f"without data: resident {rss:.0f} MB, proportional {pss:.0f} MB")
    print(f"with it:      resident {rss_with:.0f} MB, proportional {pss_with:.0f} MB")
    print(f"copies of the data on the machine: {(pss_with - pss) / size:.2f}")
    print("seconds to the data, worker by worker:", ", ".join(f"{s:.2f}" for s in seconds))


if __name__ == "__main__":
    main()
