"""The floor: the bare loop in two processes. No tuner, no tracking."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

from benchmarks.glue.arm import Record, arguments
from benchmarks.glue.plan import Planned


def work(folder: Path, planned: list[Planned], queue: Any) -> None:
    from benchmarks.glue import bare

    bare.warm_up()
    record = Record()
    while (index := queue.get()) is not None:
        for step, metrics in enumerate(bare.train(planned[index]), start=1):
            record.add(index, step, metrics)
    record.write(folder)


def main() -> None:
    folder, planned = arguments()
    spawn = get_context("spawn")
    queue = spawn.SimpleQueue()
    workers = [spawn.Process(target=work, args=(folder, planned, queue)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for index in [*range(len(planned)), None, None]:
        queue.put(index)
    for worker in workers:
        worker.join()
    assert not any(worker.exitcode for worker in workers), "a worker failed"


if __name__ == "__main__":
    main()
