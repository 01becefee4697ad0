"""Trials that learn, fail and die on cue: functions for `trial: {function: ...}`."""

import ctypes
import multiprocessing
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from autotune.engine.worker.function import FunctionTrial

__all__ = [
    "asks",
    "breaks_at_the_end",
    "counts",
    "dies",
    "draws",
    "exhausts",
    "finishes",
    "forks",
    "goes_on",
    "hangs",
    "hangs_in_c",
    "hangs_when_stopped",
    "keeps",
    "keeps_a_pool",
    "lasts_beside_a_process",
    "learns",
    "leaves",
    "meets_a_full_disk",
    "mistypes",
    "moves_away",
    "naps",
    "raises",
    "repeats",
    "returns",
    "says_nothing",
    "shares_memory",
    "turns_nan",
]

Config = dict[str, Any]
_POOLS: list[Any] = []


def learns(config: Config, trial: FunctionTrial) -> None:
    """A curve that depends on the config alone."""
    for epoch in range(trial.step + 1, config["epochs"] + 1):
        trial.report(epoch, loss=config.get("lr", 1.0) / epoch, depth=epoch)


def draws(config: Config, trial: FunctionTrial) -> None:
    """A curve of the global generator, which the engine seeds."""
    for epoch in range(1, config["epochs"] + 1):
        trial.report(epoch, loss=random.random())


def counts(config: Config, trial: FunctionTrial) -> None:
    """Sums 1, 2, 3, ... in its checkpoint, so that a step lost or done twice shows."""
    total = state["total"] if (state := trial.load()) else 0
    for epoch in range(trial.step + 1, config["epochs"] + 1):
        total += epoch
        trial.save(epoch, {"total": total})
        trial.report(epoch, total=total)


def goes_on(config: Config, trial: FunctionTrial) -> None:
    """Reports until it is stopped, and leaves a note when it is."""
    epoch = 0
    try:
        while True:
            epoch += 1
            trial.report(epoch, loss=1.0 / epoch)
    except Exception:  # what users write; it must not catch a stop
        pass
    finally:
        (trial.folder / "stopped").write_text(str(epoch))


def finishes(config: Config, trial: FunctionTrial) -> None:
    """Prints on its way, and saves what it has made behind its loop."""
    print(f"trial with {config.get('lr', 1.0)}")
    subprocess.run(["echo", "a child says so"], check=True)
    learns(config, trial)
    (trial.folder / "model.txt").write_text("made")
    print("made it", file=sys.stderr)


def breaks_at_the_end(config: Config, trial: FunctionTrial) -> None:
    learns(config, trial)
    raise ValueError("cannot save")


def returns(config: Config, trial: FunctionTrial) -> object:
    """Reports nothing."""
    return config["answer"]


def asks(config: Config, trial: FunctionTrial) -> None:
    """Ends by itself when it is stopped."""
    for epoch in range(1, config["epochs"] + 1):
        if trial.should_stop(epoch, loss=1.0 / epoch):
            (trial.folder / "stopped").write_text(str(epoch))
            return


def keeps(config: Config, trial: FunctionTrial) -> None:
    """Its losses are `losses`; each epoch names a file and a state."""
    for epoch in range(trial.step + 1, len(config["losses"]) + 1):
        file = trial.folder / "weights.txt"
        file.write_text(f"of epoch {epoch}")
        trial.keep(file)
        trial.keep({"epoch": epoch}, "state")
        trial.report(epoch, loss=config["losses"][epoch - 1])


def raises(config: Config, trial: FunctionTrial) -> None:
    trial.report(1, loss=1.0)
    raise ValueError("no such layer\nand more")


def hangs(config: Config, trial: FunctionTrial) -> None:
    trial.report(1, loss=1.0)
    while True:
        pass


def hangs_in_c(config: Config, trial: FunctionTrial) -> None:
    """Not even its thread can be interrupted; `gil`: nor can another one of its process run."""
    trial.report(1, loss=1.0)
    library = ctypes.PyDLL(None) if config.get("gil") else ctypes.CDLL(None)
    library.sleep(600)


def hangs_when_stopped(config: Config, trial: FunctionTrial) -> None:
    try:
        for epoch in range(1, 4):
            trial.report(epoch, loss=1.0)
    finally:
        while True:
            pass


class Unusual(BaseException):
    """What `except Exception` does not see, and another process cannot unpickle."""


def leaves(config: Config, trial: FunctionTrial) -> None:
    """Ends by something else than an Exception."""
    trial.report(1, loss=1.0)
    match config["by"]:
        case "SystemExit":
            sys.exit("no data")
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "GeneratorExit":
            raise GeneratorExit
        case "StopIteration":
            next(iter(()))
        case _:
            raise Unusual("of my own")


def forks(config: Config, trial: FunctionTrial) -> None:
    """Leaves four processes behind, their numbers in `processes`: the last has its own session."""
    sleep = ["sleep", "600"]
    if (forked := os.fork()) == 0:
        time.sleep(600)
        os._exit(0)
    shell = f"{' '.join(sleep)} > /dev/null & echo $!"
    orphan = int(subprocess.check_output(shell, shell=True))
    child, daemon = (
        os.posix_spawnp("sleep", sleep, os.environ, setsid=own) for own in (False, True)
    )
    (trial.folder / "processes").write_text(f"{forked} {orphan} {child} {daemon}")
    if config.get("dies"):
        os.kill(daemon, 9)
        os.kill(os.getpid(), 9)
    trial.report(1, loss=1.0)


def moves_away(config: Config, trial: FunctionTrial) -> None:
    """Reports 0 where the working directory was `config["from"]`, and leaves it for another."""
    trial.report(1, loss=float(os.getcwd() != config["from"]))
    os.chdir("/")
    trial.report(2, loss=0.0)


def turns_nan(config: Config, trial: FunctionTrial) -> None:
    trial.report(1, loss=1.0)
    trial.report(2, loss=float("nan"))


def exhausts(config: Config, trial: FunctionTrial) -> None:
    """Out of memory, as numpy or (`message`) as torch says it."""
    if message := config.get("message"):
        raise RuntimeError(message)
    raise MemoryError


def dies(config: Config, trial: FunctionTrial) -> None:
    """Kills its process, once where `once` is true."""
    trial.report(trial.step + 1, loss=1.0)
    mark = Path(trial.folder) / "died"
    if not (config.get("once") and mark.exists()):
        mark.touch()
        os.kill(os.getpid(), 9)
    for epoch in range(trial.step + 2, config["epochs"] + 1):
        trial.report(epoch, loss=1.0)


def naps(config: Config, trial: FunctionTrial) -> None:
    for epoch in range(1, config["epochs"] + 1):
        time.sleep(config["seconds"])
        trial.report(epoch, loss=1.0)


def repeats(config: Config, trial: FunctionTrial) -> None:
    for epoch in config["steps"]:
        trial.report(epoch, loss=1.0)


def meets_a_full_disk(config: Config, trial: FunctionTrial) -> None:
    """The system's own error, of a device that is always full."""
    trial.report(1, loss=1.0)
    with Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"weights")


def mistypes(config: Config, trial: FunctionTrial) -> None:
    trial.report(1, loss="low")  # type: ignore[arg-type]


def says_nothing(config: Config, trial: FunctionTrial) -> None:
    time.sleep(config.get("seconds", 0.0))


def lasts_beside_a_process(config: Config, trial: FunctionTrial) -> None:
    """Needs its process, and leaves it behind."""
    pid = os.posix_spawnp("sleep", ["sleep", "600"], os.environ)
    (trial.folder / "process").write_text(str(pid))
    for epoch in range(1, config["epochs"] + 1):
        assert os.waitpid(pid, os.WNOHANG) == (0, 0), "it is there"
        trial.report(epoch, loss=1.0)


def keeps_a_pool(config: Config, trial: FunctionTrial) -> None:
    """Made by the first trial of a process, for all of them."""
    if not _POOLS:
        _POOLS.append(multiprocessing.get_context("fork").Pool(1))
    trial.report(1, loss=float(sum(_POOLS[0].map(abs, [1, 2]))))


def shares_memory(config: Config, trial: FunctionTrial) -> None:
    """Python starts a process for it; `tracker` is its number."""
    from multiprocessing import resource_tracker, shared_memory

    block = shared_memory.SharedMemory(create=True, size=1)
    block.close()
    block.unlink()
    tracker: Any = resource_tracker._resource_tracker
    trial.report(1, tracker=tracker._pid)
