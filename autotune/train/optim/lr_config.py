"""The learning-rate schedules: build(steps, steps_per_epoch) returns a Factor.

factor(step) multiplies optimizer.lr at that optimizer step, counted from 0. All except plateau are
pure functions of the step, so a resumed trial needs no state.
"""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from autotune.train.optim.lr_schedules import Factor, PlateauFactor

__all__ = [
    "Constant",
    "Cosine",
    "Exponential",
    "LrScheduleConfig",
    "MultiStep",
    "OneCycle",
    "Plateau",
    "Polynomial",
    "Step",
    "WarmRestarts",
]

Share = Annotated[float, Field(gt=0, lt=1)]
Gamma = Annotated[
    float, Field(gt=0, le=1, description="What the rate is multiplied by at each drop.")
]
Final = Annotated[
    float, Field(ge=0, lt=1, description="Share of optimizer.lr that the rate falls to.")
]


class ScheduleBase(Config):
    name: str
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of all steps in which the rate rises linearly to optimizer.lr."""


class Constant(ScheduleBase):
    """optimizer.lr throughout, after the warm-up."""

    name: Literal["constant"] = "constant"

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.constant(steps, self.warmup)


class Step(ScheduleBase):
    """Multiplied by `gamma` every `step_size` epochs."""

    name: Literal["step"] = "step"
    step_size: Annotated[int, Field(ge=1)] = 10
    """Epochs between two drops, counted from the start of training."""
    gamma: Gamma = 0.1

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        every = self.step_size * steps_per_epoch
        return lr_schedules.step(steps, self.warmup, every, self.gamma)


class MultiStep(ScheduleBase):
    """Multiplied by `gamma` at each milestone, He et al. 2016."""

    name: Literal["multi_step"] = "multi_step"
    milestones: Annotated[tuple[Share, ...], Field(strict=False, min_length=1)] = (0.5, 0.75)
    """Shares of the training after which the rate drops."""
    gamma: Gamma = 0.1

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        drops = [round(share * steps) for share in self.milestones]
        return lr_schedules.multi_step(steps, self.warmup, drops, self.gamma)


class Exponential(ScheduleBase):
    """A constant ratio from step to step, down to `final`."""

    name: Literal["exponential"] = "exponential"
    final: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """Final rate as a share of optimizer.lr."""

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.exponential(steps, self.warmup, self.final)


class Polynomial(ScheduleBase):
    """Down to `final` as (1 - progress) ** power; power 1 is a straight line."""

    name: Literal["polynomial"] = "polynomial"
    power: Annotated[float, Field(gt=0)] = 1.0
    """Above 1 the rate falls early, below 1 late."""
    final: Final = 0.0

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.polynomial(steps, self.warmup, self.power, self.final)


class Cosine(ScheduleBase):
    """Half a cosine down to `final`, Loshchilov & Hutter 2017 without restarts."""

    name: Literal["cosine"] = "cosine"
    final: Final = 0.0

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.cosine(steps, self.warmup, self.final)


class WarmRestarts(ScheduleBase):
    """Half cosines down to `final`, each from optimizer.lr again, Loshchilov & Hutter 2017."""

    name: Literal["warm_restarts"] = "warm_restarts"
    period: Annotated[int, Field(ge=1)] = 10
    """Epochs of the first fall (T_0 in the paper), counted from the end of the warm-up."""
    growth: Annotated[int, Field(ge=1)] = 2
    """The length of each fall as a multiple of the one before (T_mult in the paper)."""
    final: Final = 0.0

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        first = self.period * steps_per_epoch
        return lr_schedules.warm_restarts(steps, self.warmup, first, self.growth, self.final)


class OneCycle(ScheduleBase):
    """Up from lr / 25 to optimizer.lr, then down to almost 0, each by half a cosine. Smith & Topin
    2018; momentum is constant."""

    name: Literal["one_cycle"] = "one_cycle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of all steps in which the rate rises to optimizer.lr."""

    def build(self, steps: int, steps_per_epoch: int) -> "Factor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.one_cycle(steps, self.warmup)


class Plateau(ScheduleBase):
    """Multiplied by `gamma` when val_loss has not fallen for more than `patience` epochs."""

    name: Literal["plateau"] = "plateau"
    patience: Annotated[int, Field(ge=0)] = 5
    """Epochs without a better val_loss before a drop; less than 0.01 % better does not count."""
    gamma: Gamma = 0.1

    def build(self, steps: int, steps_per_epoch: int) -> "PlateauFactor":
        from autotune.train.optim import lr_schedules

        return lr_schedules.PlateauFactor(steps, self.warmup, self.patience, self.gamma)


LrScheduleConfig = Annotated[
    Constant
    | Step
    | MultiStep
    | Exponential
    | Polynomial
    | Cosine
    | WarmRestarts
    | OneCycle
    | Plateau,
    Field(discriminator="name"),
]
