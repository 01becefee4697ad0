"""What cannot be done in several processes: refused by name, never done wrong in silence.

The rules are one list, which `check` asks and the table of docs/parallel.md is made from.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["Refusal", "pieces", "refusals"]

Path = tuple[str, ...]

SHARDED = ("fsdp", "tensor", "pipeline")
"""No process has the whole network."""
ALL = ("ddp", *SHARDED)
CHAINS = ("mlp", "cnn", "resnet", "wide_resnet", "convnext", "vit", "custom")
TENSOR = ("mlp", "convnext", "vit")


@dataclass(frozen=True)
class Refusal:
    """What a strategy cannot do, where it stands in the config, and why."""

    what: str
    """As the user writes it, such as `optimizer.name` muon."""
    why: str
    path: Path

    @property
    def message(self) -> str:
        return f"{self.what} cannot be used: {self.why}"


@dataclass(frozen=True)
class Rule:
    strategies: tuple[str, ...]
    path: Path
    met: Callable[[Any], bool]
    """Whether a TrainConfig, which imports this file, asks for it."""
    why: str


def named(*path: str, among: tuple[str, ...]) -> Callable[[Any], bool]:
    """Whether the part at `path` has one of the names."""
    return lambda config: chosen(config, path) in among


def chosen(config: Any, path: Path) -> Any:
    for key in path:
        config = getattr(config, key, None)
    return config


OPTIMIZER, PRUNE = ("optimizer", "name"), ("prune", "name")
DISTILL, TRANSFER = ("distill", "name"), ("transfer", "strategy", "name")
NORM = ("model", "norm")

RULES = (
    Rule(
        ALL,
        ("compile",),
        lambda config: bool(config.compile),
        "torch.compile does not see through the communication; set it to false",
    ),
    Rule(
        SHARDED,
        ("precision",),
        lambda config: bool(config.precision == "fp16"),
        "whether a step overflows is looked at in one process; choose bf16",
    ),
    Rule(
        ("fsdp",),
        ("channels_last",),
        lambda config: bool(config.channels_last),
        "its weights are cut into rows; set it to false",
    ),
    Rule(
        ("fsdp",),
        OPTIMIZER,
        named(*OPTIMIZER, among=("gd",)),
        "fsdp saves memory, which the full batch takes; choose sgd, or ddp",
    ),
    Rule(
        ("fsdp", "tensor"),
        OPTIMIZER,
        named(*OPTIMIZER, among=("muon",)),
        "it needs whole matrices, of which a process has a part; choose adamw, or ddp",
    ),
    Rule(
        ("fsdp",),
        ("average", "name"),
        named("average", "name", among=("ema", "swa")),
        "the average is a copy of the whole network; choose none, or ddp",
    ),
    Rule(
        ("fsdp", "tensor"),
        PRUNE,
        named(*PRUNE, among=("magnitude",)),
        "the smallest weights are found among whole layers; choose none, or ddp",
    ),
    Rule(
        ("pipeline",),
        ("prune", "scope"),
        lambda config: getattr(config.prune, "scope", "") == "global",
        "the smallest weights of all layers are in several processes; choose layer",
    ),
    Rule(
        ALL,
        DISTILL,
        named(*DISTILL, among=("relational",)),
        "it compares the samples of a batch with one another; choose soft_targets",
    ),
    Rule(
        SHARDED,
        DISTILL,
        named(*DISTILL, among=("hints", "attention")),
        "it looks into the layers, which several processes hold; choose soft_targets",
    ),
    Rule(
        SHARDED,
        TRANSFER,
        named(*TRANSFER, among=("l2_sp",)),
        "its penalty needs all weights; choose full",
    ),
    Rule(
        ("fsdp",),
        TRANSFER,
        named(*TRANSFER, among=("gradual",)),
        "which weights move is fixed when they are cut; choose full",
    ),
    Rule(
        ("pipeline",),
        NORM,
        named(*NORM, among=("batch",)),
        "each part of a batch would have statistics of its own; choose group or layer",
    ),
    Rule(
        ("tensor",),
        ("model", "name"),
        lambda config: config.model.name not in TENSOR,
        f"how its layers are cut is written for {', '.join(TENSOR)} only; choose ddp or pipeline",
    ),
    Rule(
        ("pipeline",),
        ("model", "name"),
        lambda config: config.model.name not in CHAINS,
        "it is no chain of layers (nn.Sequential); choose ddp or fsdp",
    ),
)


def refusals(config: Any) -> Iterator[Refusal]:
    """What is wrong with `parallel` in a TrainConfig."""
    parallel = config.parallel
    yield from _misplaced(parallel)
    if parallel.processes == 1 or parallel.strategy == "none":
        return
    for rule in RULES:
        if parallel.strategy in rule.strategies and rule.met(config):
            value = chosen(config, rule.path)
            came = "" if value is True else f" {value}"
            what = f"`{'.'.join(rule.path)}`{came} with `parallel.strategy` {parallel.strategy}"
            yield Refusal(what, rule.why, rule.path)
            return
    yield from _counts(config)


def _misplaced(parallel: Any) -> Iterator[Refusal]:
    if parallel.strategy == "none" and parallel.processes > 1:
        what = f"`parallel.workers` {parallel.workers} with `parallel.strategy` none"
        why = "one process has nobody to share with; set `parallel.strategy: ddp`"
        yield Refusal(what, why, ("parallel", "workers" if parallel.workers > 1 else "data"))
    elif parallel.strategy != "tensor" and parallel.data > 1:
        what = f"`parallel.data` with `parallel.strategy` {parallel.strategy}"
        yield Refusal(what, "it is for tensor; set `parallel.workers`", ("parallel", "data"))


def _counts(config: Any) -> Iterator[Refusal]:
    """More processes than there is work for, or than it can be divided among."""
    parallel, model = config.parallel, config.model
    workers, at = parallel.workers, ("parallel", "workers")
    size = config.batch_size
    if parallel.shares > size and not config.optimizer.full_batch:
        key = "data" if parallel.strategy == "tensor" else "workers"
        why = f"there are more than the {size} samples of `batch_size`; use at most {size}"
        yield Refusal(f"`parallel.{key}` {parallel.shares}", why, ("parallel", key))
    if parallel.strategy == "tensor":
        key = "heads" if model.name == "vit" else "width"
        if (whole := getattr(model, key)) % workers:
            why = f"`model.{key}` {whole} must be a multiple of it; use a divisor of {whole}"
            yield Refusal(f"`parallel.workers` {workers}", why, at)
    most = pieces(model)
    if parallel.strategy == "pipeline" and most is not None and workers > most:
        why = f"the network has {most} layers or blocks to divide; use at most {most}"
        yield Refusal(f"`parallel.workers` {workers}", why, at)


def pieces(model: Any) -> int | None:
    """Into how many stages a network can be cut; None: its own code has to tell."""
    if model.name == "mlp":
        return int(model.depth) + 1
    if model.name == "cnn":
        whole = model.connections == "residual"
        return int(model.blocks if whole else model.blocks * model.convs) + 1
    if model.name == "vit":
        return int(model.depth) + 2
    if model.name == "resnet":
        return int(model.stages * model.depth) + 2
    if model.name == "wide_resnet":
        return 3 * int(model.depth) + 2
    if model.name == "convnext":
        return int(model.stages * model.depth + model.stages - 1) + 2
    return None
