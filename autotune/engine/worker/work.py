"""Runs an assignment in a worker, whatever its process."""

import gc
import math
import sys
import sysconfig
import traceback
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from autotune.engine.worker.children import no_processes_left
from autotune.engine.worker.command import run_command
from autotune.engine.worker.distributed_env import ALONE, Place
from autotune.engine.worker.function import run_function
from autotune.engine.worker.output import write_traceback
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.usage import with_usage
from autotune.engine.worker.work_thread import Channel, pulled
from autotune.errors import AutotuneError
from autotune.machine_faults import machine_fault
from autotune.train.config import is_own
from autotune.train.function import same_folder
from autotune.trial import Assignment, Failure, Fault, Purpose, Reason, Reply, Report

__all__ = ["failure_of", "warm_up", "work"]

_MEMORY_WORDS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_LONGEST = 500
"""Maximum characters of a message."""


def work(
    assignment: Assignment, watch: Watch | None = None, place: Place = ALONE
) -> Generator[Reply, None, None]:
    """The reports of `assignment`, then nothing, or the Failure or Fault that ended it; never an
    exception: what the user's code raises is one failed trial, sys.exit and KeyboardInterrupt
    included. Where the terminal's Ctrl-C can strike here, the caller tells it by its own handler.

    The work is done as reports are pulled. Closing the generator stops it; all that the work had
    started, processes included, has ended when `close` returns, and the working directory is what
    it was. Everything of a step is on disk before its report.

    `watch` has the time limits kept here, for engines that cannot end this process: work that
    exceeds one is answered with a Failure. Raises Hanging on `close` where it does not end even so.

    `place`: of this process among those of the trial. What another than the first reports is not
    looked at: its step alone counts, and it may as well report nothing.
    """
    replies = _reports(assignment, watch, place)
    if place.rank == 0:
        replies = _checked(assignment, replies)
        if assignment.system_metrics:
            replies = with_usage(replies)
    with same_folder(), no_processes_left(), closing(replies):
        while (reply := _next(replies, assignment.log)) is not None:
            _free_memory_after(reply)
            yield reply


def _next(replies: Iterator[Reply], log: str) -> Reply | None:
    try:
        return next(replies, None)
    except BaseException as error:
        ending = _ending(error)
        write_traceback(log, error)
        traceback.clear_frames(error.__traceback__)
        return ending


def warm_up(assignment: Assignment) -> None:
    """Import torch, if `assignment` trains with it, so that the first step is not slower, outside
    of any time limit. A function's own module is user code: its import is part of the work."""
    if not is_own(assignment.config):
        from autotune.train.loop import warm_up as warm_up_training

        warm_up_training()


def _ending(error: BaseException) -> Failure | Fault:
    """A machine fault is no outcome, whoever's code met it."""
    if not (fault := machine_fault(error)):
        return failure_of(error)
    fault = _shown(fault)
    return Fault(f"{fault} ({place})" if (place := _place(error)) else fault)


def failure_of(error: BaseException) -> Failure:
    """The reason and one line: type, message and place in the user's code."""
    text = _text(error)
    if text == "generator raised StopIteration" and error.__cause__:
        error, text = error.__cause__, ""  # Python has replaced it on its way through ours
    if _is_out_of_memory(error, text):
        reason = Reason.OOM
    elif isinstance(error, FloatingPointError):
        reason = Reason.NAN
    else:
        reason = Reason.EXCEPTION
    if isinstance(error, AutotuneError | FloatingPointError):
        return Failure(reason, _shown(text))
    first = next((line for line in text.splitlines() if line.strip()), "")
    name = _shown(type(error).__name__)
    said = f"{name}: {_shown(first)}" if first else name
    return Failure(reason, f"{said} ({place})" if (place := _place(error)) else said)


def _text(error: BaseException) -> str:
    """Its message, by user code that may fail as well."""
    try:
        return str(error)
    except BaseException as another:
        return f"(no message: its __str__ raised {type(another).__name__})"


def _shown(text: str) -> str:
    """One line for any terminal, file and database, at most `_LONGEST` characters long."""
    cut = f"… ({len(text):,} characters)" if len(text) > _LONGEST else ""
    line = " ".join(text[:_LONGEST].split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in line) + cut


def _reports(
    assignment: Assignment, watch: Watch | None, place: Place
) -> Generator[Report | Failure, None, None]:
    limits = watch if watch and watch.limited else None
    if threads := assignment.config.get("threads"):
        _set_threads(threads)
    if function := assignment.config.get("function"):
        yield from run_function(function, assignment, limits, place)
    elif "command" in assignment.config:
        yield from run_command(assignment, limits)
    elif limits:
        warm_up(assignment)
        yield from pulled(partial(_train_for, assignment), assignment.label, limits)
    else:
        yield from _train(assignment)


def _train_for(assignment: Assignment, channel: Channel) -> None:
    for report in _train(assignment):
        channel.report(report)


def _train(assignment: Assignment) -> Iterator[Report]:
    from autotune.train import loop
    from autotune.train.config import TrainConfig

    config = TrainConfig.model_validate({**assignment.config, "seed": assignment.seed})
    folder = Path(assignment.folder)
    last = assignment.to_step if assignment.to_step is not None else config.steps
    if assignment.purpose is Purpose.TEST:
        yield Report(last, loop.test(config, folder))
        return
    try:
        yield from loop.train(config, folder, assignment.from_step, last)
    except loop.NotFinite as error:
        raise FloatingPointError(str(error)) from error


def _checked(
    assignment: Assignment, replies: Generator[Report | Failure, None, None]
) -> Generator[Report | Failure, None, None]:
    """`replies` up to the first invalid one."""
    last = 0
    with closing(replies):
        for reply in replies:
            if isinstance(reply, Report):
                reply = _problem(assignment, reply, last) or reply
            yield reply
            if isinstance(reply, Failure):
                return
            last = reply.step
    if last == 0 and assignment.from_step == 0:  # at its last step no report may be left
        yield Failure(Reason.EXCEPTION, "ended without a report: call trial.report(epoch, ...)")


def _problem(assignment: Assignment, report: Report, last: int) -> Failure | None:
    if report.step <= last:
        rule = "the first epoch is 1" if last == 0 else "epochs must increase"
        came = f"epoch {report.step}" + (f" after {last}" if last else "")
        return Failure(Reason.EXCEPTION, f"{rule}, but it reported {came}")
    if assignment.to_step is not None and report.step > assignment.to_step:
        rule = f"no epoch may be beyond {assignment.to_step}, where the trial ends"
        return Failure(Reason.EXCEPTION, f"{rule}, but it reported epoch {report.step}")
    if not report.metrics:
        return Failure(Reason.EXCEPTION, f"reported no metric at epoch {report.step}")
    for name, value in report.metrics.items():
        if not math.isfinite(value):
            return Failure(Reason.NAN, f"{_shown(name)} is {value} at epoch {report.step}")
    return None


def _set_threads(threads: int) -> None:
    """Only if torch is loaded or about to be: a function may not need it."""
    if torch := sys.modules.get("torch"):
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)


def _is_out_of_memory(error: BaseException, text: str) -> bool:
    """By name and text: torch may not be loaded, and its allocators raise bare RuntimeErrors."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(word in text for word in _MEMORY_WORDS)


def _free_memory_after(reply: Reply) -> None:
    if isinstance(reply, Failure) and reply.reason is Reason.OOM:
        gc.collect()
        torch = sys.modules.get("torch")
        if torch is not None and torch.cuda.is_initialized():
            torch.cuda.empty_cache()


def _place(error: BaseException) -> str:
    """`file:line` of the innermost frame outside of autotune and libraries."""
    ours = [str(Path(__file__).parents[1] / room) for room in ("engine", "train", "files.py")]
    paths = sysconfig.get_paths()
    foreign = (*ours, paths["stdlib"], paths["purelib"], paths["platlib"], "<")
    frames: list[Any] = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not frame.filename.startswith(foreign)]
    return f"{own[-1].filename}:{own[-1].lineno}" if own else ""
