"""The parts of `augment` in their order, and whether they fit the data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Generator, Tensor
from torch.nn.functional import one_hot

from autotune.errors import InvalidInput, Problem
from autotune.train.augment.config import AugmentConfig, Basic, MixBase, PolicyBase
from autotune.train.augment.mix import Mix
from autotune.train.augment.synthetic.pool import Pool
from autotune.train.batch import Batch
from autotune.train.data.base import Dataset

__all__ = ["Pipeline", "build"]

Change = Callable[[Tensor, Generator], Tensor]


@dataclass(frozen=True)
class Pipeline:
    """augment(batch, generator); a part that is None is left out."""

    pool: Pool | None
    change: Change | None
    """Of images or of rows, as the data are."""
    mix: Mix | None
    classes: int
    """0 in a regression."""

    def __call__(self, batch: Batch, generator: Generator) -> Batch:
        x, target = batch.x, batch.target
        if self.pool is not None:
            x = self.pool(x, batch.y, generator)
        if self.change is not None:
            x = self.change(x, generator)
        if self.mix is not None:
            x, target = self.mixed(self.mix, x, target, generator)
        return batch._replace(x=x, target=target)

    def mixed(
        self, mix: Mix, x: Tensor, target: Tensor, generator: Generator
    ) -> tuple[Tensor, Tensor]:
        if self.classes and target.ndim == 1:
            target = one_hot(target, self.classes).to(x.dtype)  # (B, classes)
        columns = target.view(len(target), -1)
        x, columns = mix(x, columns, generator)
        return x, columns.view(target.shape)


def build(config: AugmentConfig, data: Dataset) -> Pipeline | None:
    if found := list(misfits(config, data)):
        raise InvalidInput(found)
    synthetic, policy = config.synthetic, config.policy
    pool = synthetic.build(data) if synthetic is not None and synthetic.ratio else None
    change: Change | None = policy.build(data) if policy.name != "none" else None
    if config.table is not None and (config.table.noise or config.table.mask):
        change = config.table.build(data)
    mix = config.mix.build(len(data.categories)) if config.mix.name != "none" else None
    if pool is None and change is None and mix is None:
        return None
    return Pipeline(pool, change, mix, data.classes)


def misfits(config: AugmentConfig, data: Dataset) -> Iterator[Problem]:
    """A line for each part that cannot be used on the data."""
    shape, policy, mix, generated = data.shape, config.policy, config.mix, config.synthetic
    images = len(shape) == 3
    rows = f"images, but the samples of `data` are {shape}"
    if isinstance(policy, PolicyBase) and not images:
        yield problem(f"{policy.name} needs {rows}: use `augment.table`", "policy", "name")
    elif isinstance(policy, PolicyBase) and shape[0] not in (1, 3) and coloured(policy):
        why = f"changes colours, for which images of 1 or 3 channels are needed, not {shape[0]}"
        yield problem(f"{policy.name} {why}: use basic without them", "policy", "name")
    if config.table is not None and len(shape) != 1:
        yield problem(
            f"needs rows of a table, but the samples of `data` are {shape}: use `augment.policy`",
            "table",
        )
    if mix.name in ("cutmix", "both") and not images:
        yield problem(f"{mix.name} needs {rows}: use mixup", "mix", "name")
    if isinstance(mix, MixBase) and not data.classes and mix.targets is None:
        why = "on a regression needs a rule for the targets: set `augment.mix.targets: linear`"
        yield problem(f"{mix.name} {why}", "mix", "name")
    if generated is not None and not images:
        yield problem(f"needs {rows}", "synthetic")
    elif generated is not None and not data.classes:
        yield problem("makes samples of classes, which a regression has not", "synthetic")


def coloured(policy: PolicyBase) -> bool:
    if not isinstance(policy, Basic):
        return True
    return any(
        (policy.brightness, policy.contrast, policy.saturation, policy.hue, policy.grayscale)
    )


def problem(message: str, *path: str) -> Problem:
    part = ".".join(path).removesuffix(".name")
    return Problem(f"`augment.{part}` {message}", ("augment", *path))
