"""A user's own function as a trial: `run(config, trial)` in one thread, pulled like a generator.

    def run(config, trial):
        state = trial.load()                                    # None: start afresh
        for epoch in range(trial.step + 1, config["epochs"] + 1):
            ...
            trial.save(epoch, {"model": model.state_dict()})    # optional
            trial.report(epoch, val_accuracy=accuracy)

`trial.report` waits until the study has decided. A stop is raised there as a private BaseException,
so that `except Exception` in the function does not swallow it and `finally` still runs.
"""

import io
import queue
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autotune.errors import echo
from autotune.files import write_atomically
from autotune.train.function import resolve
from autotune.trial import Assignment, Report

__all__ = ["FunctionTrial", "run_function"]

_KEPT = 2
"""Checkpoints on disk: the newest may be ahead of the journal, the one before never is."""

Function = Callable[[dict[str, Any], "FunctionTrial"], object]


class _Stop(BaseException):
    """The study has decided: unwinds the user's function."""


class FunctionTrial:
    """What a user's function sees of its trial."""

    def __init__(self, assignment: Assignment) -> None:
        self.seed: int = assignment.seed
        self.folder: Path = Path(assignment.folder)
        """A folder of this trial's own; it outlives the worker."""
        self._checkpoint = _newest(self.folder, assignment.from_step)
        self.step: int = _step(self._checkpoint) if self._checkpoint else 0
        """Epochs that need not run again: the step of what `load` returns, 0 for a fresh start."""
        self._reports: queue.SimpleQueue[Report | None] = queue.SimpleQueue()
        self._go_on: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._stopped = False
        self._error: BaseException | None = None
        self._since = time.perf_counter()

    def report(self, epoch: int, **metrics: float) -> None:
        """Tell the study what `epoch` (counted from 1) came to; does not return when it stops."""
        if not self._stopped:
            seconds = time.perf_counter() - self._since
            numbers = {name: _number(name, value) for name, value in metrics.items()}
            self._reports.put(Report(_whole(epoch), numbers, seconds))
            self._stopped = not self._go_on.get()
            self._since = time.perf_counter()
        if self._stopped:
            raise _Stop

    def save(self, epoch: int, state: Any) -> None:
        """Keep `state` as it is after `epoch`; call it before `report`. The two newest are kept.

        Tensors, numbers, strings, None, and dicts, lists and tuples of them: what can be read
        back without running code from disk.
        """
        import torch

        _check_plain(state, "state")
        buffer = io.BytesIO()
        torch.save(state, buffer)
        write_atomically(self.folder / f"function-{_whole(epoch)}.pt", buffer.getvalue())
        for old in sorted(self.folder.glob("function-*.pt"), key=_step)[:-_KEPT]:
            old.unlink()

    def load(self) -> Any:
        """What `save` kept at epoch `step`, or None."""
        if self._checkpoint is None:
            return None
        import torch

        return torch.load(self._checkpoint, map_location="cpu", weights_only=True)

    def _run(self, function: Function, config: dict[str, Any]) -> None:
        try:
            function(config, self)
        except _Stop:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._reports.put(None)


def run_function(path: str, config: Mapping[str, Any], assignment: Assignment) -> Iterator[Report]:
    """The reports of `package.module:function`, each as it comes.

    Closing the generator stops the function at its next report and waits until it has ended.
    Whatever the function raises is raised here.
    """
    function: Function = resolve(path)
    _seed(assignment.seed)
    trial = FunctionTrial(assignment)
    trial.folder.mkdir(parents=True, exist_ok=True)
    name = f"{assignment.label} {path}"
    thread = threading.Thread(
        target=trial._run, args=(function, dict(config)), name=name, daemon=True
    )
    thread.start()
    try:
        while (report := trial._reports.get()) is not None:
            yield report
            trial._go_on.put(True)
    finally:
        trial._go_on.put(False)
        thread.join()
    if trial._error is not None:
        raise trial._error


def _seed(seed: int) -> None:
    """The global generators: a worker runs many trials, and none may depend on the one before."""
    random.seed(seed)
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed(seed % 2**32)
    if torch := sys.modules.get("torch"):
        torch.manual_seed(seed)


def _number(name: str, value: Any) -> float:
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"metric {name!r} must be a number, but got {echo(value)}") from None


def _whole(epoch: Any) -> int:
    if isinstance(epoch, bool) or not hasattr(epoch, "__index__"):
        raise TypeError(f"the epoch must be a whole number from 1, but got {echo(epoch)}")
    return int(epoch)


def _step(file: Path) -> int:
    return int(file.stem.removeprefix("function-"))


def _newest(folder: Path, at_most: int) -> Path | None:
    files = [file for file in folder.glob("function-*.pt") if _step(file) <= at_most]
    return max(files, key=_step, default=None)


def _check_plain(state: Any, path: str) -> None:
    import torch

    if isinstance(state, Mapping):
        for key, value in state.items():
            _check_plain(value, f"{path}[{key!r}]")
    elif isinstance(state, list | tuple):
        for index, value in enumerate(state):
            _check_plain(value, f"{path}[{index}]")
    elif not isinstance(state, torch.Tensor | str | bytes | int | float | bool | None):
        raise TypeError(
            f"{path} must be a tensor, a number, a string or None, but it is"
            f" {type(state).__name__}; convert it (torch.as_tensor for arrays)"
        )
