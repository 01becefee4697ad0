"""A user's own function as a trial: `run(config, trial)`, pulled like a generator.

    def run(config, trial):
        state = trial.load()                                    # None: start afresh
        for epoch in range(trial.step + 1, config["epochs"] + 1):
            ...
            trial.save(epoch, {"model": model.state_dict()})    # optional
            trial.report(epoch, val_accuracy=accuracy)

`trial.report` waits until the study has decided. A stop is raised there as a private BaseException,
so that `except Exception` in the function does not swallow it and `finally` still runs, for a
minute at most.

In a trial of several processes (`worker.processes`) the function runs in each of them. `report` and
`save` count in the first one, rank 0. Elsewhere `save` does nothing, and `report` waits for the
decision on that step, so that all of them stop at the same one.
"""

import io
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from autotune.engine.worker.place import ALONE, Place
from autotune.engine.worker.pulled import Channel, pulled
from autotune.engine.worker.time_limits import Watch
from autotune.errors import echo
from autotune.files import write_atomically
from autotune.train.function import resolve
from autotune.trial import Assignment, Failure, Report

__all__ = ["FunctionTrial", "run_function"]

_KEPT = 2
"""Checkpoints on disk: the newest may be ahead of the journal, the one before never is."""

Function = Callable[[dict[str, Any], "FunctionTrial"], object]


class FunctionTrial:
    """What a user's function sees of its trial."""

    def __init__(
        self, assignment: Assignment, channel: Channel | None = None, place: Place = ALONE
    ) -> None:
        self.seed: int = assignment.seed
        self.folder: Path = Path(assignment.folder)
        """A folder of this trial's own; it outlives the worker."""
        self._checkpoint = _newest(self.folder, assignment.from_step)
        self.step: int = _step(self._checkpoint) if self._checkpoint else 0
        """Epochs that need not run again: the step of what `load` returns, 0 for a fresh start."""
        self.rank: int = place.rank
        """The number of this process among the trial's, from 0."""
        self.world_size: int = place.world_size
        """How many processes the trial has."""
        self._local_rank = place.local_rank
        self._channel = channel or Channel()
        self._since = time.perf_counter()

    @property
    def device(self) -> str:
        """This process's own, as torch names it: cuda:0, cuda:1, ..., or cpu."""
        import torch

        if not torch.cuda.is_available():
            return "cpu"
        return f"cuda:{self._local_rank % torch.cuda.device_count()}"

    def report(self, epoch: int, **metrics: float) -> None:
        """Tell the study what `epoch` (counted from 1) came to; does not return when it stops."""
        seconds = time.perf_counter() - self._since
        self._channel.obey()
        numbers = {} if self.rank else {n: _number(n, value) for n, value in metrics.items()}
        self._channel.report(Report(_whole(epoch), numbers, seconds))
        self._since = time.perf_counter()

    def save(self, epoch: int, state: Any) -> None:
        """Keep `state` as it is after `epoch`; call it before `report`. The two newest are kept.

        Tensors, numbers, strings, None, and dicts, lists and tuples of them: what can be read
        back without running code from disk.
        """
        if self.rank:
            return
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


def run_function(
    path: str, assignment: Assignment, watch: Watch | None = None, place: Place = ALONE
) -> Generator[Report | Failure, None, None]:
    """The reports of `package.module:function`, as `pulled` says; whatever it raises is raised."""
    function: Function = resolve(path)
    _seed(assignment.seed)

    def work(channel: Channel) -> None:
        trial = FunctionTrial(assignment, channel, place)
        trial.folder.mkdir(parents=True, exist_ok=True)
        function(dict(assignment.config), trial)

    return pulled(work, f"{assignment.label} ({path})", watch)


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
