"""TrainConfig: all that decides one training, and nothing of tuning. Free of torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticCustomError

from autotune.errors import InvalidInput, echo
from autotune.train.augment.config import AugmentConfig
from autotune.train.base import Config
from autotune.train.data.config import DataConfig, Reference
from autotune.train.distill.config import DistillConfig
from autotune.train.duration import Duration, WrittenDuration, in_seconds
from autotune.train.invalid import misplaced, problems
from autotune.train.losses.config import CrossEntropyLoss, LossConfig
from autotune.train.metrics import MetricName, advice, misfits, reported
from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import ModelConfig
from autotune.train.models.initializers import InitializerConfig
from autotune.train.optim.average_config import AverageConfig, NoAverage
from autotune.train.optim.config import AdamW, OptimizerConfig
from autotune.train.optim.lr_config import Constant, LrScheduleConfig
from autotune.train.parallel.config import ParallelConfig
from autotune.train.parallel.rules import refusals
from autotune.train.paths import merge
from autotune.train.prune.config import NoPruning, PruneConfig
from autotune.train.transfer.config import TransferConfig
from autotune.trial import Goal, Scalar

__all__ = [
    "METRICS",
    "AnyConfig",
    "CommandConfig",
    "FunctionConfig",
    "Monitor",
    "Pace",
    "TrainConfig",
    "apply",
    "is_own",
    "kind_of",
    "metrics",
    "pace",
    "processes",
    "timeout",
]

METRICS = reported("classification", ())

Seed = Annotated[int, Field(ge=0)]
Threads = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=1)]


_ALONE = ParallelConfig().model_dump()


class Monitor(Config):
    """Which report's weights a training is remembered by."""

    metric: str = "val_loss"
    """The metric that is watched."""
    goal: Annotated[Goal, Field(strict=False)] = Goal.MINIMIZE
    """Whether less or more of it is better."""
    at: Literal["best", "last"] = "best"
    """best: the weights of the best report by the metric; last: those of the last one."""


class _Limited(Config):
    _absent: ClassVar[tuple[str, ...]] = ("timeout",)
    """Keys that are not written where they hold nothing."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: Any) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        silent = {**dict.fromkeys(self._absent), "parallel": _ALONE}
        return {k: v for k, v in values.items() if k not in silent or v != silent[k]}


class TrainConfig(_Limited):
    """One training, complete: the same config and threads give the same curve."""

    data: DataConfig
    """What is learnt from."""
    model: ModelConfig
    """The network."""
    epochs: Count
    """Passes over the train split. Learning-rate schedules span all of them."""
    reports_per_epoch: Count = 1
    """Steps in an epoch. At the end of each the network is judged and reported, and may be stopped
    or go on later; a scheduler's rungs count them. What is said in epochs stays in epochs."""
    initializer: InitializerConfig | None = None
    """How weights are drawn, to suit the activation; biases become 0. None: the model's own way."""
    activation: ActivationConfig | None = None
    """Between the layers. None: relu, gelu in vit and convnext; custom and torchvision models
    bring their own."""
    loss: LossConfig = CrossEntropyLoss()
    """What is made small. It decides between classes and numbers: mse, mae and huber predict
    numbers, which are standardised while they are learnt and judged in their own units."""
    optimizer: OptimizerConfig = AdamW()
    """What turns gradients into steps."""
    lr_schedule: LrScheduleConfig = Constant()
    """How the learning rate moves during training."""
    lr_scaling: Literal["none", "linear", "sqrt"] = "none"
    """linear, sqrt: optimizer.lr is for batches of 256, and grows so with `batch_size`.

    linear is for SGD, Goyal et al. 2017; sqrt for Adam and its kin, Malladi et al. 2022.
    """
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Each block learns at this share of the next one's rate, the head at all of it."""
    average: AverageConfig = NoAverage()
    """A running average of the weights, judged and kept in their place."""
    prune: PruneConfig = NoPruning()
    """Which weights become 0 during training."""
    augment: AugmentConfig | None = None
    """Random changes to the training samples."""
    batch_size: Count = 64
    """Samples an optimizer step sees."""
    accumulate: Count = 1
    """Parts a batch is computed in, to save memory: the step is the same but for rounding."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes, in training only."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """The gradient is shortened to this L2 norm. None: never."""
    metrics: Annotated[tuple[MetricName, ...], Field(strict=False)] = ()
    """What is reported beyond the standard ones. Of the validation split: balanced_accuracy, f1,
    auroc (all three: the mean over the classes), log_loss, ece; in a regression mae. Of the
    training: grad_norm (the mean over a step, before clipping) and memory (the peak in MB: of
    the step on a GPU, of the process on a CPU). Of its cost: params, flops (a forward of one
    sample), latency_ms (the same, measured), model_bytes and seconds (of training so far)."""
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    """What a network computes in; its weights are fp32. tf32: products on a GPU are rounded. bf16
    and fp16: so is all that can bear it; fp16 needs a GPU."""
    channels_last: bool = False
    """Images lie in memory pixel by pixel: convolutions in bf16 and fp16 are faster so."""
    compile: bool = False
    """By torch.compile: a minute or so at first, then faster steps. Needs a C++ compiler."""
    cudnn_benchmark: bool = False
    """On a GPU, convolutions are timed and the fastest taken: another run may take others, whose
    last bits differ."""
    transfer: TransferConfig | None = None
    """Weights that the network starts from. None: they are drawn."""
    distill: DistillConfig | None = None
    """A teacher that the network learns from, beside the labels. None: the labels alone."""
    seed: Seed = 0
    """Draws the weights, the order of samples and dropout."""
    threads: Threads = 1
    """CPU threads of torch. Another number may change the last bits of a result."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda when there is one."""
    parallel: ParallelConfig = ParallelConfig()
    """In how many processes it is trained, and how they share the work."""
    monitor: Monitor = Monitor()
    """Which report's weights are kept as the result."""
    timeout: Duration | None = None
    """The longest it may work, such as 90s, 10m or 2h; longer is failed(timeout) and its process
    ended. What it worked before a pause, a crash or a retry counts. None: no limit. In a study it
    may change from one start to the next."""

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.activation is not None and self.model.name in ("custom", "torchvision"):
            message = f"`activation` has no effect on a {self.model.name} model: remove it"
            raise misplaced(message, "activation")
        if self.prune.name != "none" and self.monitor.at != "last":
            # The best epoch may be one before the target, or the next one, was reached.
            message = "`prune` needs `monitor.at: last` (in a study `objective: {..., at: last}`)"
            raise misplaced(message, "prune", "name")
        if self.optimizer.full_batch and self.reports_per_epoch > 1:
            rule = "`reports_per_epoch` must be 1 with gd, whose epoch is one batch"
            message = f"{rule}, but got {self.reports_per_epoch}"
            raise misplaced(message, "reports_per_epoch")
        start = self.transfer.strategy.name if self.transfer else ""
        if start == "discriminative" and self.layer_decay is not None:
            message = "`layer_decay` is what `transfer.strategy` discriminative sets: remove one"
            raise misplaced(message, "layer_decay")
        task, metric = self.loss.task, self.monitor.metric
        if task == "regression" and self.label_smoothing > 0:
            message = f"`label_smoothing` has no effect with loss {self.loss.name}: remove it"
            raise misplaced(message, "label_smoothing")
        if strange := misfits(task, self.metrics):
            message = f"`metrics`: {strange[0]} does not fit a {task} (loss {self.loss.name})"
            raise misplaced(message, "metrics")
        if metric not in reported(task, self.metrics):
            cure = advice(metric, task, self.metrics)
            message = f"`monitor.metric` {echo(metric)} is not reported{cure}"
            raise misplaced(message, "monitor", "metric")
        return self

    @model_validator(mode="after")
    def _fits_its_processes(self) -> Self:
        for found in refusals(self):
            raise misplaced(found.message, *found.path)
        if self.precision == "fp16" and self.device == "cpu":
            message = "`precision` fp16 needs a GPU, and `device` is cpu: use bf16 or fp32"
            raise misplaced(message, "precision")
        return self

    @property
    def steps(self) -> int:
        """How many reports a whole training makes: the step of the last one."""
        return self.epochs * self.reports_per_epoch

    def epoch(self, step: int) -> int:
        """The epoch, from 1, that `step` is a part of."""
        return 1 + (step - 1) // self.reports_per_epoch


class FunctionConfig(_Limited):
    """A user's own trial function; every other key is its own, and all reach it as written."""

    model_config = ConfigDict(extra="allow")

    _absent: ClassVar[tuple[str, ...]] = ("timeout", "epochs", "monitor")

    function: Reference
    """The function, as "my.train:run"; the working directory is searched first."""
    epochs: Count | None = None
    """Reports it will make at most. None: it ends by itself, and its `config` has no epochs."""
    seed: Seed = 0
    """For the function to use."""
    threads: Threads = 1
    """CPU threads of torch while it runs."""
    monitor: Monitor | None = None
    """Which report the training is remembered by."""
    timeout: WrittenDuration | None = None
    """The longest it may work, such as 90s, 10m or 2h; longer is failed(timeout) and its process
    ended. What it worked before a pause, a crash or a retry counts. None: no limit. In a study it
    may change from one start to the next."""


class CommandConfig(_Limited):
    """A user's own script; every other key is a setting of its own, which the command may name."""

    model_config = ConfigDict(extra="allow")

    _absent: ClassVar[tuple[str, ...]] = ("timeout", "epochs", "monitor", "metrics", "stop_grace")

    command: Annotated[str, Field(min_length=1)]
    """The command line, such as "python train.py --lr {optimizer.lr} {overrides}". It is split into
    arguments before anything is put in; there is no shell. In braces: a parameter or a setting;
    {overrides}, every one as key=value; {config}, the path of a JSON file of them;
    {checkpoint_dir}, {folder}, {seed}, {epochs}. See docs/scripts.md."""
    metrics: dict[str, str] | None = None
    """Metric, or `epoch`, -> a regular expression whose group is its value, tried on each line that
    the script prints. None: JSON lines such as {"epoch": 3, "val_accuracy": 0.91}, or
    autotune.report in the script."""
    stop_grace: WrittenDuration | None = None
    """How long the script has from SIGTERM to SIGKILL where it is stopped. None: 10s."""
    epochs: Count | None = None
    """Reports it will make at most. None: it ends by itself."""
    seed: Seed = 0
    """In {seed}, and AUTOTUNE_SEED in its environment."""
    threads: Threads = 1
    """OMP_NUM_THREADS in its environment."""
    monitor: Monitor | None = None
    """Which report the training is remembered by."""
    timeout: WrittenDuration | None = None
    """The longest it may work, such as 90s, 10m or 2h; longer is failed(timeout) and its processes
    ended. What it worked before a pause, a crash or a retry counts. None: no limit. In a study it
    may change from one start to the next."""

    @field_validator("metrics")
    @classmethod
    def _are_patterns(cls, patterns: dict[str, str] | None) -> dict[str, str] | None:
        for name, pattern in (patterns or {}).items():
            try:
                groups = re.compile(pattern).groups
            except re.error as error:
                raise _unfit(name, f"is no regular expression: {error}") from None
            if groups != 1:
                raise _unfit(
                    name, f"must have one group, such as val_acc=([0-9.]+), but has {groups}"
                )
        return patterns


def _unfit(name: str, words: str) -> PydanticCustomError:
    return PydanticCustomError("pattern", "{rule}", {"rule": f"`metrics.{name}` {words}"})


AnyConfig = TrainConfig | FunctionConfig | CommandConfig


def kind_of(
    config: Mapping[str, Any],
) -> type[TrainConfig] | type[FunctionConfig] | type[CommandConfig]:
    """What a training config, as plain values, is."""
    if "function" in config:
        return FunctionConfig
    return CommandConfig if "command" in config else TrainConfig


@dataclass(frozen=True, slots=True)
class Pace:
    """How a training counts its steps."""

    last: int | None
    """The step at which it is complete; None: a function that ends by itself."""
    per_epoch: int = 1

    @property
    def unit(self) -> str:
        """What a step is called where one is told."""
        return "epoch" if self.per_epoch == 1 else "step"


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether the training is the user's own code, which ends by itself: `config` holds plain
    values, and need not be valid."""
    return "function" in config or "command" in config


def pace(config: Mapping[str, Any]) -> Pace:
    """Of a training config as plain values, which need not be valid: what is wrong counts as
    unknown, or 1."""
    epochs = _count(config.get("epochs"))
    # A function reports when it likes, and such a key is its own.
    asked = None if is_own(config) else _count(config.get("reports_per_epoch"))
    per_epoch = asked or 1
    return Pace(epochs * per_epoch if epochs else None, per_epoch)


def processes(config: Mapping[str, Any]) -> int:
    """How many processes a training config, as plain values, is trained in; what is wrong in them
    counts as 1."""
    parallel = config.get("parallel")
    if is_own(config) or not isinstance(parallel, Mapping):
        return 1
    return (_count(parallel.get("workers")) or 1) * (_count(parallel.get("data")) or 1)


def timeout(config: Mapping[str, Any]) -> float | None:
    """`timeout` of a training config as plain values, in seconds."""
    seconds = in_seconds(config.get("timeout"))
    return float(seconds) if isinstance(seconds, int | float) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and value > 0 else None


def metrics(config: AnyConfig) -> tuple[str, ...] | None:
    """The metrics that each report will carry; None where only the first report can tell."""
    return reported(config.loss.task, config.metrics) if isinstance(config, TrainConfig) else None


def apply(base: Mapping[str, Any], values: Mapping[str, Scalar]) -> AnyConfig:
    """The config that `values` (dotted path -> scalar) make of `base`, validated.

    Where a value changes the `name` of a part, base keys that only the old variant has are dropped.

    Raises InvalidInput with every mistake; the path of each Problem leads into `base`, or is the
    searched path split at its dots.
    """
    config = kind_of(base)
    merged, mistakes = merge(config, base, values)
    said = {problem.path for problem in mistakes}
    try:
        result = config.model_validate(merged)
    except ValidationError as error:
        found = problems(error, config, merged)
        mistakes += [problem for problem in found if problem.path not in said]
    if mistakes:
        raise InvalidInput(mistakes)
    return result
