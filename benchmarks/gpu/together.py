"""Four trainings of a small network at once on one GPU (`worker: {gpus: 0.25}`), beside one at a
time."""

import multiprocessing
import statistics
import time
from multiprocessing.connection import Connection
from pathlib import Path

from autotune.train import loop
from benchmarks.gpu.part import Tell
from benchmarks.gpu.setting import images, make, scratch

__all__ = ["together"]

AIM = 2.0
"""Trainings an hour, four at once beside one at a time, at least; for the small cnn."""


def together(dry: bool, tell: Tell) -> None:
    """The ratio is of trainings in the same time. Start-up and the first epoch are not counted."""
    count, rounds = (2, 1) if dry else (4, 5)
    path = images(scratch(), dry)
    pipes, processes = [], []
    for _ in range(count):
        ours, theirs = multiprocessing.Pipe()
        processes.append(multiprocessing.Process(target=_trained, args=(theirs, path, dry)))
        processes[-1].start()
        pipes.append(ours)
    _timed(pipes)  # warm
    ratios, alone, all_of_them = [], [], []
    for place in range(rounds):
        one, every = _timed(pipes[place % count :][:1]), _timed(pipes)
        ratios.append(count * one / every)
        alone.append(one)
        all_of_them.append(every)
    for pipe, process in zip(pipes, processes, strict=True):
        pipe.send(False)
        process.join()
    figure = {"at_once": count, "network": "cnn", "ratio": statistics.median(ratios), "n": rounds}
    figure |= {"low": min(ratios), "high": max(ratios), "pairs": ratios}
    figure |= {"one_s": statistics.median(alone), "all_s": statistics.median(all_of_them)}
    tell(figure if dry else figure | {"aim": AIM, "met": figure["ratio"] >= AIM})


def _timed(pipes: list[Connection]) -> float:
    """Seconds until all have trained."""
    began = time.perf_counter()
    for pipe in pipes:
        pipe.send(True)
    for pipe in pipes:
        pipe.recv()
    return time.perf_counter() - began


def _trained(pipe: Connection, path: Path, dry: bool) -> None:
    small = {} if dry else {"model": {"name": "cnn", "channels": 16}}
    config = make(path, "cnn", dry, epochs=2 if dry else 10, **small)
    while pipe.recv():
        for _ in loop.train(config, scratch()):
            pass
        pipe.send(None)
