"""The parts of `augment` in their order, and whether they fit the data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, assert_never

from torch import Generator, Tensor
from torch.nn.functional import one_hot

from autotune.errors import InvalidInput, Problem
from autotune.train.augment import automatic, basic
from autotune.train.augment import config as configs
from autotune.train.augment import mix as mixing
from autotune.train.augment.config import (
    AugmentConfig,
    Basic,
    MixBase,
    MixConfig,
    PolicyBase,
    PolicyConfig,
)
from autotune.train.augment.draws import Part
from autotune.train.augment.mix import Mix
from autotune.train.augment.synthetic import pool as pools
from autotune.train.augment.synthetic.pool import Pool
from autotune.train.augment.table import Table
from autotune.train.batch import Batch
from autotune.train.data.base import Dataset

__all__ = ["Pipeline", "build", "build_mix", "build_policy"]

Change = Callable[[Tensor, Any], Tensor]
"""change(x, generator); all but Table's take a part of a batch with a Part of the draws."""


@dataclass(frozen=True)
class Pipeline:
    """augment(batch, generator); a part that is None is left out."""

    pool: Pool | None
    change: Change | None
    """Of images or of rows, as the data are."""
    mix: Mix | None
    classes: int
    """0 in a regression."""

    @property
    def alone(self) -> bool:
        """Whether a sample is changed without a look at the others: then a part of a batch can be
        changed as it would be within the whole, by `draws.Part`."""
        return self.pool is None and self.mix is None and not isinstance(self.change, Table)

    def on_part(self, batch: Batch, part: Part) -> Batch:
        """`batch` is a part; only where it is `alone`."""
        assert self.change is not None
        return batch._replace(x=self.change(batch.x, part))

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
    """augment(batch, generator), or None where nothing would change.

    Raises InvalidInput with every part that does not fit the data.
    """
    if found := list(misfits(config, data)):
        raise InvalidInput(found)
    synthetic, policy = config.synthetic, config.policy
    pool = pools.build(synthetic, data) if synthetic is not None and synthetic.ratio else None
    change = build_policy(policy, data)
    if config.table is not None and (config.table.noise or config.table.mask):
        change = Table(config.table, data)
    mix = build_mix(config.mix, len(data.categories))
    if pool is None and change is None and mix is None:
        return None
    return Pipeline(pool, change, mix, data.classes)


def build_policy(config: PolicyConfig, data: Dataset) -> Change | None:
    """The registry of policies: policy(x, generator), from images (B, C, H, W) to images."""
    match config:
        case configs.NoPolicy():
            return None
        case configs.Basic():
            return basic.Basic(config, data)
        case configs.RandAugment():
            return automatic.RandAugment(config, data)
        case configs.TrivialAugment():
            return automatic.TrivialAugment(config, data)
        case configs.AugMix():
            return automatic.AugMix(config, data)
        case _:
            assert_never(config)


def build_mix(config: MixConfig, codes: int = 0) -> Mix | None:
    """The registry of mixing: mix(x, target, generator).

    The target, one or more numbers a sample, must be such that a mean of two makes sense: class
    probabilities. The last `codes` columns of a table are categories.
    """
    match config:
        case configs.NoMix():
            return None
        case configs.MixUp():
            return mixing.MixUp(config.alpha, config.probability, codes)
        case configs.CutMix():
            return mixing.CutMix(config.alpha, config.probability)
        case configs.Both():
            alphas = config.mixup_alpha, config.cutmix_alpha
            return mixing.Both(*alphas, config.switch, config.probability)
        case _:
            assert_never(config)


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
