"""TrainConfig: everything that decides one training, and nothing about tuning. Free of torch."""

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
    """Which report's weights are kept."""

    metric: str = "val_loss"
    """The metric that decides."""
    goal: Annotated[Goal, Field(strict=False)] = Goal.MINIMIZE
    """Whether lower or higher is better."""
    at: Literal["best", "last"] = "best"
    """best: the weights of the best report by the metric; last: those of the last report."""


class _Limited(Config):
    _absent: ClassVar[tuple[str, ...]] = ("timeout",)
    """Keys that are omitted when empty."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, serialize: Any) -> dict[str, Any]:
        values: dict[str, Any] = serialize(self)
        silent = {**dict.fromkeys(self._absent), "parallel": _ALONE}
        return {k: v for k, v in values.items() if k not in silent or v != silent[k]}


class TrainConfig(_Limited):
    """One training, complete: the same config and threads give the same curve."""

    data: DataConfig
    """The data set."""
    model: ModelConfig
    """The network."""
    epochs: Count
    """Passes over the training split. Learning-rate schedules span all of them."""
    reports_per_epoch: Count = 1
    """Reports an epoch. A step is an epoch or one of these shares; after each step the network is
    evaluated and may be stopped, and a scheduler's rungs count steps. Settings in epochs stay in
    epochs."""
    initializer: InitializerConfig | None = None
    """How weights are initialized, matched to the activation; biases start at 0. Default: the
    model's own way."""
    activation: ActivationConfig | None = None
    """Activation between layers. Default: relu, gelu in vit and convnext; custom and torchvision
    models bring their own."""
    loss: LossConfig = CrossEntropyLoss()
    """The loss. It also decides between classification and regression: mse, mae and huber predict
    numbers, which are standardized for training and evaluated in their own units."""
    optimizer: OptimizerConfig = AdamW()
    """The optimizer."""
    lr_schedule: LrScheduleConfig = Constant()
    """How the learning rate changes during training."""
    lr_scaling: Literal["none", "linear", "sqrt"] = "none"
    """linear, sqrt: optimizer.lr is for batches of 256 and is scaled with `batch_size`. linear is
    for SGD, Goyal et al. 2017; sqrt for Adam and its relatives, Malladi et al. 2022."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = None
    """Learning rate of each block as a share of the next block's; the head has the full rate."""
    average: AverageConfig = NoAverage()
    """A running average of the weights, which replaces them for evaluation and export."""
    prune: PruneConfig = NoPruning()
    """Pruning: which weights become 0 during training."""
    augment: AugmentConfig | None = None
    """Random changes of the training samples."""
    batch_size: Count = 64
    """Samples an optimizer step."""
    accumulate: Count = 1
    """Number of parts in which a batch is computed, to save memory. Results are equal up to
    rounding."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target spread over all classes, during training only."""
    clip_norm: Annotated[float, Field(gt=0)] | None = None
    """Maximum L2 norm of the gradient. Default: no clipping."""
    metrics: Annotated[tuple[MetricName, ...], Field(strict=False)] = ()
    """Additional metrics. On the validation split: balanced_accuracy, f1, auroc (all three: the
    mean over the classes), log_loss, ece; for a regression mae. Of the training: grad_norm (mean
    over a step, before clipping) and memory (peak in MB: of the step on a GPU, of the process on a
    CPU). Costs: params, flops (a forward pass of one sample), latency_ms (the same, measured),
    model_bytes and seconds (of training so far)."""
    precision: Literal["fp32", "tf32", "bf16", "fp16"] = "fp32"
    """Precision of the computation; weights are fp32. tf32: matrix products on a GPU are rounded.
    bf16 and fp16: autocast; fp16 needs a GPU."""
    channels_last: bool = False
    """Store images channels last: faster convolutions in bf16 and fp16."""
    compile: bool = False
    """Use torch.compile: about a minute at first, then faster steps. Needs a C++ compiler."""
    cudnn_benchmark: bool = False
    """On a GPU, time convolution algorithms and use the fastest: last bits may differ between
    runs."""
    transfer: TransferConfig | None = None
    """Pretrained weights that the network starts from. Default: none."""
    distill: DistillConfig | None = None
    """A teacher that the network also learns from. Default: none, only labels."""
    seed: Seed = 0
    """Seed of the weights, the order of samples and dropout."""
    threads: Threads = 1
    """CPU threads of torch. Another number may change the last bits of a result."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """auto: cuda when there is one."""
    parallel: ParallelConfig = ParallelConfig()
    """Number of processes, and how they divide the training."""
    monitor: Monitor = Monitor()
    """Which report's weights are the result."""
    timeout: Duration | None = None
    """Maximum working time, such as 90s, 10m or 2h; longer is failed(timeout) and the process is
    ended. Time before a pause, a crash or a retry counts. Default: no limit. It may change between
    starts of a study."""

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
        """The number of reports of a complete training: the step of the last one."""
        return self.epochs * self.reports_per_epoch

    def epoch(self, step: int) -> int:
        """The epoch, from 1, that `step` belongs to."""
        return 1 + (step - 1) // self.reports_per_epoch


class FunctionConfig(_Limited):
    """A user's own trial function. All other keys are the user's and reach it as written."""

    model_config = ConfigDict(extra="allow")

    _absent: ClassVar[tuple[str, ...]] = ("timeout", "epochs", "monitor")

    function: Reference
    """The function, as "my.train:run"; the working directory is searched first."""
    epochs: Count | None = None
    """Maximum number of reports. Default: the function decides when it ends, and `config` has no
    epochs."""
    seed: Seed = 0
    """For the function to use."""
    threads: Threads = 1
    """CPU threads of torch while it runs."""
    monitor: Monitor | None = None
    """Which report's result is kept."""
    timeout: WrittenDuration | None = None
    """Maximum working time, such as 90s, 10m or 2h; longer is failed(timeout) and the process is
    ended. Time before a pause, a crash or a retry counts. Default: no limit. It may change between
    starts of a study."""


class CommandConfig(_Limited):
    """A user's own script. All other keys are the user's settings, which the command may use."""

    model_config = ConfigDict(extra="allow")

    _absent: ClassVar[tuple[str, ...]] = ("timeout", "epochs", "monitor", "metrics", "stop_grace")

    command: Annotated[str, Field(min_length=1)]
    """The command line, such as "python train.py --lr {optimizer.lr} {overrides}". It is split into
    arguments before values are inserted, without a shell. In braces: a parameter or a setting;
    {overrides}, all as key=value; {config}, the path of a JSON file with all; {checkpoint_dir},
    {keep_dir}, {folder}, {seed}, {epochs}. See docs/scripts.md."""
    metrics: dict[str, str] | None = None
    """Metric, or `epoch`, -> a regular expression with one group for its value, tried on each
    output line. Default: JSON lines such as {"epoch": 3, "val_accuracy": 0.91}, or autotune.report
    in the script."""
    stop_grace: WrittenDuration | None = None
    """Time between SIGTERM and SIGKILL when the script is stopped. Default: 10s."""
    epochs: Count | None = None
    """Maximum number of reports. Default: the script decides when it ends."""
    seed: Seed = 0
    """In {seed}, and AUTOTUNE_SEED in its environment."""
    threads: Threads = 1
    """OMP_NUM_THREADS in its environment."""
    monitor: Monitor | None = None
    """Which report's result is kept."""
    timeout: WrittenDuration | None = None
    """Maximum working time, such as 90s, 10m or 2h; longer is failed(timeout) and all processes are
    ended. Time before a pause, a crash or a retry counts. Default: no limit. It may change between
    starts of a study."""

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
    """The kind of a training config, given as plain values."""
    if "function" in config:
        return FunctionConfig
    return CommandConfig if "command" in config else TrainConfig


@dataclass(frozen=True, slots=True)
class Pace:
    """How a training counts its steps."""

    last: int | None
    """The last step; None: a function that ends by itself."""
    per_epoch: int = 1

    @property
    def unit(self) -> str:
        """The word for a step in messages."""
        return "epoch" if self.per_epoch == 1 else "step"


def is_own(config: Mapping[str, Any]) -> bool:
    """Whether the training is the user's own code, which ends by itself. `config` holds plain
    values and need not be valid."""
    return "function" in config or "command" in config


def pace(config: Mapping[str, Any]) -> Pace:
    """The pace of a training config as plain values; invalid ones count as unknown, or 1."""
    epochs = _count(config.get("epochs"))
    # A function reports when it likes, and such a key is its own.
    asked = None if is_own(config) else _count(config.get("reports_per_epoch"))
    per_epoch = asked or 1
    return Pace(epochs * per_epoch if epochs else None, per_epoch)


def processes(config: Mapping[str, Any]) -> int:
    """The number of processes of a training config as plain values; invalid ones count as 1."""
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
    """The metrics of each report; None if only the first report can tell."""
    return reported(config.loss.task, config.metrics) if isinstance(config, TrainConfig) else None


def apply(base: Mapping[str, Any], values: Mapping[str, Scalar]) -> AnyConfig:
    """The validated config of `base` with `values` (dotted path -> scalar).

    If a value changes the `name` of a section, base keys that only the old variant has are dropped.
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
