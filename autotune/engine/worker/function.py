"""A user's own function as a trial: `run(config, trial)`, pulled like a generator.

    def run(config, trial):
        state = trial.load()                                    # None: start afresh
        for epoch in range(trial.step + 1, config["epochs"] + 1):
            ...
            trial.save(epoch, {"model": model.state_dict()})    # optional
            trial.report(epoch, val_accuracy=accuracy)
        torch.save(model.state_dict(), "model.pt")              # runs unless it was stopped early

`trial.report` waits until the study has decided. A stop is raised there as a private BaseException,
so that `except Exception` in the function does not swallow it and `finally` still runs, for a
minute at most. At the trial's last step it always returns.

In a trial of several processes (`worker.processes`) the function runs in each of them. `report`,
`save` and `keep` count in the first one, rank 0. Elsewhere `save` and `keep` do nothing, and
`report` waits for the decision on that step, so that all of them stop at the same one.
"""

import inspect
import io
import random
import sys
import time
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from autotune.engine.worker.distributed_env import ALONE, Place
from autotune.engine.worker.output import logged
from autotune.engine.worker.time_limits import Watch
from autotune.engine.worker.work_thread import Channel, Stop, pulled
from autotune.errors import echo
from autotune.files import write_atomically
from autotune.train.artifacts import Keeper
from autotune.train.function import resolve
from autotune.train.safe_state import check_plain
from autotune.trial import Assignment, Failure, Report

__all__ = ["FunctionTrial", "run_function", "takes_trial"]

_KEPT = 2
"""Checkpoints on disk: the newest may be ahead of the journal, the one before never is."""

Function = Callable[..., object]


class FunctionTrial:
    """What a user's function sees of its trial."""

    def __init__(
        self, assignment: Assignment, channel: Channel | None = None, place: Place = ALONE
    ) -> None:
        self.seed: int = assignment.seed
        """Its own: every trial and every retraining has another. The global generators of Python,
        NumPy and torch are seeded with it before the function is called."""
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
        self._assignment = assignment
        self._channel = channel or Channel()
        self._keeper = _keeper(assignment, place)
        self._last: Report | None = None
        self._since = time.perf_counter()

    @property
    def device(self) -> str:
        """This process's own, as torch names it: cuda:0, cuda:1, ..., or cpu."""
        import torch

        if not torch.cuda.is_available():
            return "cpu"
        return f"cuda:{self._local_rank % torch.cuda.device_count()}"

    def report(self, epoch: int, **metrics: float) -> None:
        """Tell the study what `epoch` (counted from 1) came to.

        Does not return where the study stops the trial early: the function is unwound, `finally`
        and `with` included. It always returns at the trial's last epoch.
        """
        if not self._told(epoch, metrics):
            raise Stop

    def should_stop(self, epoch: int, **metrics: float) -> bool:
        """`report` for code that ends by itself, such as a framework's callback: answers True
        where the study stops the trial, instead of unwinding the function. It has a minute then."""
        return not self._told(epoch, metrics)

    def save(self, epoch: int, state: Any) -> None:
        """A checkpoint: keep `state` as it is after `epoch`, to go on from there after a crash or
        a pause; call it before `report`. The two newest are kept.

        Tensors, numbers, strings, None, and dicts, lists and tuples of them: what can be read
        back without running code from disk.
        """
        if self.rank:
            return
        import torch

        check_plain(state, "state")
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

    def keep(self, what: Any, name: str = "") -> None:
        """Name what belongs to the result: `autotune export` hands it out. Call it before `report`:
        it is read there, and written to disk where that epoch is the best so far (the last, with
        `objective: {..., at: last}`). After the last `report`, or before `return {...}`, it is kept
        in any case. Called several times before a report, all of it is kept.

        `what` is the path of a file or folder; a torch module, or a state as `save` takes it. It is
        kept in the run's folder as kept/<epoch>/<name>: files and folders under their own name;
        a dict of tensors (a module's state_dict) as <name>.safetensors, any other state as
        <name>.pt, which torch.load reads with weights_only=True; `name` is `model` if not given.
        kept/<epoch>/kept.json says of which epoch and metrics it is (see `train.artifacts.load`).
        """
        if self.rank == 0:
            self._keeper.add(what, name)

    def _told(self, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """Whether the study wants more."""
        seconds = time.perf_counter() - self._since
        self._channel.obey()
        numbers = {} if self.rank else {n: _number(n, value) for n, value in metrics.items()}
        self._last = Report(_whole(epoch), numbers, seconds)
        self._keeper.reported(self._last.step, numbers)
        more = self._channel.ask(self._last)
        self._since = time.perf_counter()
        return more

    def _end(self, answer: object) -> None:
        """The function has returned `answer`: its report, where it has made none."""
        if answer is not None and self._last is None:
            last = self._assignment.to_step or 1
            self._told(last, _returned(answer, self._assignment.config.get("monitor")))
        step, metrics = self._assignment.from_step, dict[str, float]()
        if self._last:
            step, metrics = self._last.step, dict(self._last.metrics)
        self._keeper.reported(step, metrics, last=True)


def _keeper(assignment: Assignment, place: Place) -> Keeper:
    monitor, step = assignment.config.get("monitor"), assignment.from_step
    folder = Path(assignment.folder)
    if place.rank:  # nothing of it is kept, nor removed
        folder = folder / f"rank-{place.rank}"
    return Keeper(folder, assignment.trial, monitor, step)


def run_function(
    path: str, assignment: Assignment, watch: Watch | None = None, place: Place = ALONE
) -> Generator[Report | Failure, None, None]:
    """The reports of `package.module:function`, as `pulled` says; whatever it raises is raised."""
    function: Function = resolve(path)
    _seed(assignment.seed)

    def work(channel: Channel) -> None:
        with logged(assignment.log):
            trial = FunctionTrial(assignment, channel, place)
            trial.folder.mkdir(parents=True, exist_ok=True)
            config = dict(assignment.config)
            trial._end(function(config, trial) if takes_trial(function) else function(config))

    return pulled(work, f"{assignment.label} ({path})", watch)


def takes_trial(function: Callable[..., Any]) -> bool:
    """False for a function of `config` alone, which returns its metrics."""
    try:
        signature = inspect.signature(function)
        signature.bind({})
    except (TypeError, ValueError):  # it needs more, or is of C and tells nothing of itself
        return True
    places = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD", "VAR_POSITIONAL")
    takes = [one for one in signature.parameters.values() if one.kind.name in places]
    return len(takes) > 1 or takes[0].kind.name == "VAR_POSITIONAL"


def _returned(answer: object, monitor: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        return {str(name): value for name, value in answer.items()}
    if monitor and hasattr(answer, "__float__"):
        return {monitor["metric"]: answer}
    name = monitor["metric"] if monitor else "val_accuracy"
    raise TypeError(
        f"the function returned {echo(answer)} and reported nothing: it must return its metrics,"
        f' such as {{"{name}": 0.9}}, or call trial.report(epoch, {name}=0.9)'
    )


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
