"""Does what a trial does before its first step, on a few samples: what fails here fails every
trial.

Run by `preflight` in a separate process, because user code may take long, print, change the working
directory, exit, or hold a GPU.
"""

import inspect
import json
import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

from autotune.engine.worker.function import takes_trial
from autotune.engine.worker.work import failure_of
from autotune.errors import InvalidInput, Problem, meant
from autotune.machine_faults import machine_fault
from autotune.train.command import split
from autotune.train.config import AnyConfig, CommandConfig, FunctionConfig, TrainConfig, kind_of
from autotune.train.data.config import CustomData, DataConfig
from autotune.train.distill.teacher_config import (
    SelfTeacher,
    TorchvisionTeacher,
    TrainedTeacher,
)
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.function import resolve
from autotune.train.models.config import CustomModel
from autotune.train.transfer.config import FileSource, TrainedSource
from autotune.trial import Reason

if TYPE_CHECKING:
    from torch import nn

    from autotune.train.data.base import Dataset

__all__ = ["Detail", "DryRun", "Note", "Step", "main"]

T = TypeVar("T")
At = tuple[str, ...]

ENOUGH = 10.0
"""Seconds after the first config in which another one is begun."""
SAMPLES = 2


@dataclass(frozen=True)
class Step:
    """The next step: announced before it is done, for the waiting process."""

    text: str
    path: At
    bounded: bool = True
    """False: the step ends by itself, however long it takes."""


@dataclass(frozen=True)
class Note:
    """What could not be checked; no error."""

    message: str
    path: tuple[str | int, ...] = ()


@dataclass(frozen=True)
class Detail:
    """What was made of the study's data, for `check` only."""

    message: str
    path: tuple[str | int, ...] = ()


Found = Step | Problem | Note | Detail
Finding = Iterator[Found]


class DryRun:
    """Checks one config after the other; data is read once."""

    def __init__(self, offline: bool) -> None:
        self._offline = offline
        self._data: dict[tuple[str, str, str], Dataset | None] = {}

    def __call__(self, config: AnyConfig) -> Finding:
        """Does what a trial of `config` does first, and reports all problems."""
        if isinstance(config, FunctionConfig):
            yield from _callable(config.function, ("function",), ({}, None))
            return
        if isinstance(config, CommandConfig):
            yield from _program(config.command)
            return
        yield from self._recipes(config)
        data, model = config.data, config.model
        able = loads = True
        if isinstance(data, CustomData) and _key(config) not in self._data:
            loads = yield from _callable(data.load, ("data", "load"), (), data.args)
        if isinstance(model, CustomModel):
            some = ((1, 1, 1), 1)
            able = yield from _callable(model.function, ("model", "build"), some, model.args)
        if loads:
            yield from self._read(config)
        if (read := self._data.get(_key(config))) is not None and able:
            yield from _assembled(config, read)
        else:
            yield from _files(config)

    def _recipes(self, config: TrainConfig) -> Finding:
        """The trainings that this one depends on, each with a config of its own."""
        from autotune.train.pretrain import pupil

        teacher = _teacher(config)
        if isinstance(teacher, TrainedTeacher):
            yield from _under(("distill", "teacher"), ("model",), self(pupil(config, teacher)))
        source = config.transfer.source if config.transfer else None
        if isinstance(source, TrainedSource):
            own = pupil(config, source, data=source.data)
            yield from _under(("transfer", "source"), ("data",), self(own))

    def _read(self, config: TrainConfig) -> Finding:
        """Reads the data of `config` into `_data`, or None if there is none."""
        import torch

        from autotune.train import setup
        from autotune.train.data import fetch
        from autotune.train.data.place import placed
        from autotune.train.data.preview import glance

        if _key(config) in self._data:
            return
        self._data[_key(config)] = None
        if config.device == "cuda" and not torch.cuda.is_available():
            yield _problem(("device",), "cuda needs a GPU, and torch sees none: set it to auto")
            return
        named, at = _source(config.data)
        fetched = "root" in at and not self._offline
        yield Step(f"reading {named}", at, bounded=not fetched)
        try:
            with fetch.offline() if self._offline else nullcontext():
                data = glance(config.data, config.loss.task)
            self._data[_key(config)] = placed(data, setup.device_of(config))
            if data.columns:
                yield Detail(_became(config, data), at)
        except fetch.NotFetched as error:
            yield from (Note(problem.message, problem.path) for problem in error.problems)
        except BaseException as error:
            yield from _told(error, at, f"{named} raised " if "load" in at else "")


def _became(config: TrainConfig, data: "Dataset") -> str:
    """A table's columns as the network sees them."""
    from autotune.train.models.embedding import widths

    count = len(data.columns) - len(data.categories)
    marks = [name for name in data.columns[:count] if name.endswith(" is missing")]
    numbers = [name for name in data.columns[:count] if name not in marks]
    sizes = widths(data.categories, getattr(config.model, "embedding", None))
    named = zip(data.columns[count:], data.categories, sizes, strict=True)
    learned = [f"{name} ({values - 1} values: a vector of {size})" for name, values, size in named]
    parts = [("numbers", numbers), ("gaps marked", marks), ("categories", learned)]
    columns, inputs = len(data.columns) - len(marks), count + sum(sizes)
    said = "; ".join(f"{what}: {', '.join(names)}" for what, names in parts if names)
    return f"{columns} columns -> {inputs} inputs; {said}"


def _callable(
    reference: str, at: At, given: tuple[Any, ...], args: Mapping[str, Any] | None = None
) -> Generator[Found, None, bool]:
    """Whether the function exists and accepts its arguments."""
    module = reference.partition(":")[0]
    yield Step(f"importing {module}", at)
    try:
        function = resolve(reference, at)
    except BaseException as error:
        yield from _told(error, at, f"importing {module!r} raised ")
        return False
    if at == ("function",) and _is_lazy(function):
        yield _problem(at, f"{reference} must be a plain function, not a generator or `async`")
        return False
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function of C has no signature
        return True
    try:
        if at != ("function",) or takes_trial(function):
            signature.bind(*given, **(args or {}))
    except TypeError as error:
        rule = _LAWS[str(at[-1])]
        yield _problem(at, f"{reference} must take {rule}, but is {_shown(function)}: {error}")
        return False
    return True


def _program(command: str) -> Finding:
    """Whether the program exists, and the Python script that it should run."""
    program, *arguments = split(command)
    if not shutil.which(program):
        yield _problem(("command",), f"there is no program {program!r} here, or on the PATH")
    elif re.match(r"python[\d.]*$", os.path.basename(program)) and arguments:
        script = arguments[0]
        if script.endswith(".py") and "{" not in script and not os.path.isfile(script):
            near = [path for path in os.listdir() if path.endswith(".py")]
            said = f"there is no file {script!r} in {os.getcwd()}{meant(script, sorted(near))}"
            yield _problem(("command",), said)


_LAWS = {
    "function": "(config, trial), or (config) where it returns its metrics",
    "load": "`data.args` by name",
    "build": "(shape, outputs) and `model.args` by name",
}


def _is_lazy(function: Callable[..., Any]) -> bool:
    inner = inspect.unwrap(function)
    return inspect.isgeneratorfunction(inner) or inspect.iscoroutinefunction(inner)


def _shown(function: Callable[..., Any]) -> str:
    """build(shape, width=8) at my_net.py:12"""
    inner = inspect.unwrap(function)
    text = f"{getattr(inner, '__name__', '')}{inspect.signature(function)}"
    code = getattr(inner, "__code__", None)
    text = text if len(text) <= 100 else text[:97] + "..."
    return f"{text} at {_short(code.co_filename)}:{code.co_firstlineno}" if code else text


def _short(path: str) -> str:
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def _assembled(config: TrainConfig, data: "Dataset") -> Finding:
    """Whether the network can be built, returns valid output, and fits the rest of the training."""
    from autotune.train import setup

    custom = config.model.function if isinstance(config.model, CustomModel) else ""
    at = ("model", "build") if custom else ("model",)
    yield Step("building the network", at)
    try:
        model = setup.build(config, data)
    except BaseException as error:
        yield from _told(error, at, f"{custom} raised " if custom else "")
        return
    if custom:
        yield Step("running the network on two samples", at)
        misfit = next(_answers(config, model, data), None)
        if misfit is not None:
            yield misfit
            return
    yield Step("building what trains the network", ())
    try:
        yield from _around(config, data, model)
    except BaseException as error:
        yield from _told(error, at if custom else (), "the training cannot begin: ")


def _answers(config: TrainConfig, model: "nn.Module", data: "Dataset") -> Finding:
    """Problems of the output of the user's network for a few samples."""
    from torch import Tensor

    assert isinstance(config.model, CustomModel)

    at, network = ("model", "build"), f"the network of {config.model.function}"
    x = data.train.x[:SAMPLES]
    try:
        model.to(x.device).train()
        answer = model(x)
    except BaseException as error:
        shape = tuple(x.shape[1:])
        yield from _told(error, at, f"{network} fails on samples of shape {shape}: ")
        return
    if not isinstance(answer, Tensor):
        yield _problem(at, f"{network} must answer a tensor, but gives {type(answer).__name__}")
        return
    wanted, given = (len(x), data.outputs), tuple(answer.shape)
    if given != wanted:
        each = f"a number for each of the {data.classes} classes" if data.classes else "one number"
        rule = f"for {len(x)} samples {network} must answer {wanted}, {each}"
        yield _problem(at, f"{rule}, but gives {given}")
    elif not answer.requires_grad:
        yield _problem(at, f"{network} has no weight that can learn")


def _around(config: TrainConfig, data: "Dataset", model: "nn.Module") -> Finding:
    """Everything of a training besides its network, except other trainings and the optimizer, whose
    first one costs a second."""
    import torch

    from autotune.train import setup
    from autotune.train.augment.pipeline import misfits
    from autotune.train.distill import teachers
    from autotune.train.distill.context import DistillationContext
    from autotune.train.optim.groups import groups
    from autotune.train.parallel.stages import check_chain
    from autotune.train.precision import Precision
    from autotune.train.pretrain import nothing_first

    device = torch.device(setup.device_of(config))
    if config.augment is not None:
        yield from misfits(config.augment, data)
    setup.divided(config, len(data.train.y))
    if config.parallel.strategy == "pipeline" and config.parallel.processes > 1:
        check_chain(model, config.parallel.workers)
    Precision(config, device)
    plain = config.loss.build(data, config.label_smoothing).to(device)
    teacher, transfer = _teacher(config), config.transfer
    if teacher is not None and not isinstance(teacher, SelfTeacher | TrainedTeacher):
        teachers.find(teacher, DistillationContext(config, data, model, plain, nothing_first))
    left: dict[str, Any] = {"distill": None}
    if transfer is not None and isinstance(transfer.source, TrainedSource):
        left["transfer"] = None
    alone = config.model_copy(update=left)
    start = setup.started(alone, data, model.to(device), plain, nothing_first)
    decay = start.layer_decay or config.layer_decay
    groups(model, config.optimizer, decay, 1.0, start.loss.parameters())


def _files(config: TrainConfig) -> Finding:
    """Whether pretrained and teacher weights exist; without data they cannot be tried."""
    from autotune.train import weights

    transfer, teacher = config.transfer, _teacher(config)
    named: list[tuple[At, Any]] = [(("distill", "teacher"), teacher)]
    if transfer is not None and transfer.strategy.name != "scratch":
        named.append((("transfer", "source"), transfer.source))
    for at, source in named:
        yield Step("reading weights", at)
        try:
            if isinstance(source, Exported | StudyBest):
                place = (*at, source.key)
                weights.exported_weights(weights.folder_of(source, place), place)
            elif isinstance(source, FileSource):
                weights.read(source.path, (*at, "path"))
            elif isinstance(source, TorchvisionTeacher):
                weights.read(source.weights, (*at, "weights"))
        except BaseException as error:
            yield from _told(error, at)


def _teacher(config: TrainConfig) -> Any:
    """None for a training without distillation."""
    return getattr(config.distill, "teacher", None)


def _under(above: At, fields: Sequence[str], findings: Finding) -> Finding:
    """A finding in a config that stands in another one at `above`, as a finding of the latter."""
    for found in findings:
        if found.path and found.path[0] in fields and not isinstance(found, Step):
            key = found.path[0]
            message = found.message.replace(f"`{key}", f"`{_dotted(above)}.{key}", 1)
            found = replace(found, message=message, path=(*above, *found.path))
        yield found


def _told(error: BaseException, at: At, doing: str = "") -> Finding:
    """An exception as Problems; none for lack of memory, which is an outcome."""
    if isinstance(error, InvalidInput):
        yield from error.problems
    elif isinstance(error, KeyboardInterrupt):
        raise error
    elif fault := machine_fault(error):
        yield Note(f"could not be looked at: {fault}", at)
    elif (failure := failure_of(error)).reason is not Reason.OOM:
        yield _problem(at, doing + failure.message)


def _problem(at: At, message: str) -> Problem:
    return Problem(f"`{_dotted(at)}`: {message}" if at else message, at)


def _dotted(at: Sequence[object]) -> str:
    return ".".join(map(str, at))


def _key(config: TrainConfig) -> tuple[str, str, str]:
    return config.data.model_dump_json(), config.loss.task, config.device


def _source(data: DataConfig) -> tuple[str, At]:
    """The data's origin, and the path of its setting."""
    for key in ("load", "path", "root"):
        if hasattr(data, key):
            return str(getattr(data, key)), ("data", key)
    return data.name, ("data",)


def main() -> None:
    """Reads configs from stdin and writes one line of JSON for each finding."""
    answers = _quiet()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    run, first_done = DryRun(asked["offline"]), 0.0
    for index, fields in enumerate(asked["configs"]):
        if first_done and time.monotonic() > first_done + ENOUGH:
            break
        kind = kind_of(fields)
        for found in run(kind.model_validate_json(json.dumps(fields))):
            line = {"config": index, "kind": type(found).__name__, **asdict(found)}
            print(json.dumps(line), file=answers, flush=True)
        first_done = first_done or time.monotonic()
    os._exit(0)  # whatever threads the user's modules have started


def _end_with_parent() -> None:
    """However the parent has ended, kill -9 included."""
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(0.5)
    os.killpg(0, signal.SIGKILL)  # with what the user's code has started


def _quiet() -> TextIO:
    """The real stdout; user code, and what it imports, prints nowhere."""
    answers = os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    return answers
