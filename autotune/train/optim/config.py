"""The optimizers (torch's own) and the learning-rate schedules (pure functions of the step)."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

__all__ = [
    "AdaGrad",
    "Adam",
    "AdamW",
    "Constant",
    "Cosine",
    "Gd",
    "LrScheduleConfig",
    "Momentum",
    "Nesterov",
    "OneCycle",
    "OptimizerConfig",
    "RmsProp",
    "Sgd",
    "Step",
]

LearningRate = Annotated[float, Field(gt=0, description="Learning rate; a schedule multiplies it.")]
Decay = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0)]


class OptimizerBase(Config):
    """A knob left None is not passed on: torch's own default holds."""

    full_batch: ClassVar[bool] = False

    name: str
    lr: LearningRate
    weight_decay: float | None = Field(default=None, ge=0)
    """L2 penalty on the weights; decoupled from the gradient in adamw."""

    def knobs(self, **renamed: object) -> dict[str, Any]:
        """What torch is given: lr, weight decay and the variant's own knobs, by torch's names."""
        given = {"lr": self.lr, "weight_decay": self.weight_decay, **renamed}
        return {name: value for name, value in given.items() if value is not None}


class Gd(OptimizerBase):
    """Gradient descent: one step an epoch, over the whole train split whatever `batch_size`."""

    full_batch: ClassVar[bool] = True

    name: Literal["gd"] = "gd"
    lr: LearningRate = 0.1

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs())


class Sgd(OptimizerBase):
    """Stochastic gradient descent over mini-batches, without momentum."""

    name: Literal["sgd"] = "sgd"
    lr: LearningRate = 0.1

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs())


class Momentum(OptimizerBase):
    """SGD with heavy-ball momentum, Polyak 1964."""

    name: Literal["momentum"] = "momentum"
    lr: LearningRate = 0.05
    momentum: Decay = 0.9
    """Share of the last step that is kept."""

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs(momentum=self.momentum))


class Nesterov(OptimizerBase):
    """SGD with Nesterov's accelerated gradient, Sutskever et al. 2013."""

    name: Literal["nesterov"] = "nesterov"
    lr: LearningRate = 0.05
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the last step that is kept."""

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs(momentum=self.momentum, nesterov=True))


class AdaGrad(OptimizerBase):
    """Duchi et al. 2011."""

    name: Literal["adagrad"] = "adagrad"
    lr: LearningRate = 0.01
    lr_decay: float | None = Field(default=None, ge=0)
    """The rate is divided by 1 + lr_decay x steps."""
    eps: Epsilon | None = None
    """Added to the denominator."""

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import Adagrad

        return Adagrad(parameters, **self.knobs(lr_decay=self.lr_decay, eps=self.eps))


class RmsProp(OptimizerBase):
    """Tieleman & Hinton 2012."""

    name: Literal["rmsprop"] = "rmsprop"
    lr: LearningRate = 1e-3
    alpha: Decay | None = None
    """Decay of the running mean of squared gradients."""
    momentum: Decay | None = None
    """Share of the last step that is kept."""
    eps: Epsilon | None = None
    """Added to the denominator."""

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch.optim import RMSprop

        knobs = self.knobs(alpha=self.alpha, momentum=self.momentum, eps=self.eps)
        return RMSprop(parameters, **knobs)


class AdamBase(OptimizerBase):
    lr: LearningRate = 1e-3
    beta1: Decay = 0.9
    """Decay of the running mean of gradients."""
    beta2: Decay = 0.999
    """Decay of the running mean of squared gradients."""
    eps: Epsilon | None = None
    """Added to the denominator."""


class Adam(AdamBase):
    """Kingma & Ba 2015."""

    name: Literal["adam"] = "adam"

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch import optim

        return optim.Adam(parameters, **self.knobs(betas=(self.beta1, self.beta2), eps=self.eps))


class AdamW(AdamBase):
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""

    name: Literal["adamw"] = "adamw"

    def build(self, parameters: "Iterable[Tensor]") -> "Optimizer":
        from torch import optim

        return optim.AdamW(parameters, **self.knobs(betas=(self.beta1, self.beta2), eps=self.eps))


OptimizerConfig = Annotated[
    Gd | Sgd | Momentum | Nesterov | AdaGrad | RmsProp | Adam | AdamW,
    Field(discriminator="name"),
]


# Learning-rate schedules: build(steps, steps_per_epoch) answers factor(step): what optimizer.lr is
# multiplied by at that optimizer step, counted from 0. They keep no state, so a resumed trial
# needs none.

Factor = Callable[[int], float]


class ScheduleBase(Config):
    name: str
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of all steps in which the rate rises to optimizer.lr, linearly."""


class Constant(ScheduleBase):
    """optimizer.lr throughout, after the warm-up."""

    name: Literal["constant"] = "constant"

    def build(self, steps: int, steps_per_epoch: int) -> Factor:
        from autotune.train.optim import lr_schedules

        return lr_schedules.constant(steps, self.warmup)


class Step(ScheduleBase):
    """Multiplied by `gamma` every `step_size` epochs."""

    name: Literal["step"] = "step"
    step_size: Annotated[int, Field(ge=1)] = 10
    """Epochs between two drops, counted from the start of training."""
    gamma: Annotated[float, Field(gt=0, le=1)] = 0.1
    """What the rate is multiplied by at each drop."""

    def build(self, steps: int, steps_per_epoch: int) -> Factor:
        from autotune.train.optim import lr_schedules

        every = self.step_size * steps_per_epoch
        return lr_schedules.step(steps, self.warmup, every, self.gamma)


class Cosine(ScheduleBase):
    """Half a cosine down to `final`, Loshchilov & Hutter 2017 without restarts."""

    name: Literal["cosine"] = "cosine"
    final: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of optimizer.lr that the rate falls to."""

    def build(self, steps: int, steps_per_epoch: int) -> Factor:
        from autotune.train.optim import lr_schedules

        return lr_schedules.cosine(steps, self.warmup, self.final)


class OneCycle(ScheduleBase):
    """Up from lr / 25 to optimizer.lr, then down to almost nothing, each by half a cosine.

    Smith & Topin 2018; the momentum stays as it is.
    """

    name: Literal["one_cycle"] = "one_cycle"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.3
    """Share of all steps in which the rate rises to optimizer.lr."""

    def build(self, steps: int, steps_per_epoch: int) -> Factor:
        from autotune.train.optim import lr_schedules

        return lr_schedules.one_cycle(steps, self.warmup)


LrScheduleConfig = Annotated[Constant | Step | Cosine | OneCycle, Field(discriminator="name")]
