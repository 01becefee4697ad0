"""The base of optimizer configs, and those that follow the plain gradient."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.optimizer import ParamsT

__all__ = [
    "Decay",
    "Epsilon",
    "Gd",
    "LearningRate",
    "Momentum",
    "Nesterov",
    "OptimizerBase",
    "Sgd",
]

LearningRate = Annotated[float, Field(gt=0, description="Learning rate; a schedule multiplies it.")]
Decay = Annotated[float, Field(ge=0, lt=1)]
Epsilon = Annotated[float, Field(gt=0)]


class OptimizerBase(Config):
    """Settings left None are not passed on, so the optimizer's own defaults hold.

    build(parameters) takes tensors, or groups as autotune.train.optim.groups makes them.
    """

    full_batch: ClassVar[bool] = False
    """Each step uses the whole training split."""
    own_decay: ClassVar[bool] = False
    """With `weight_decay` None the optimizer's own default decays weights."""
    matrices: ClassVar[bool] = False
    """Hidden layers' matrices are stepped differently, so they need a group of their own."""

    name: str
    lr: LearningRate
    weight_decay: float | None = Field(default=None, ge=0)
    """L2 penalty on the weights, not on biases and norms.

    Decoupled from the gradient in adamw, nadam, radam, lion and muon.
    """

    def decays(self) -> bool:
        return self.own_decay if self.weight_decay is None else self.weight_decay > 0

    def knobs(self, **renamed: object) -> dict[str, Any]:
        """The arguments for torch: lr, weight decay and the variant's own, by torch's names."""
        given = {"lr": self.lr, "weight_decay": self.weight_decay, **renamed}
        return {name: value for name, value in given.items() if value is not None}


class Gd(OptimizerBase):
    """Gradient descent: one step an epoch, over the whole train split whatever `batch_size`."""

    full_batch: ClassVar[bool] = True

    name: Literal["gd"] = "gd"
    lr: LearningRate = 0.1

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs())


class Sgd(OptimizerBase):
    """Stochastic gradient descent over mini-batches, without momentum."""

    name: Literal["sgd"] = "sgd"
    lr: LearningRate = 0.1

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs())


class Momentum(OptimizerBase):
    """SGD with heavy-ball momentum, Polyak 1964."""

    name: Literal["momentum"] = "momentum"
    lr: LearningRate = 0.05
    momentum: Decay = 0.9
    """Share of the last step that is kept (momentum)."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs(momentum=self.momentum))


class Nesterov(OptimizerBase):
    """SGD with Nesterov's accelerated gradient, Sutskever et al. 2013."""

    name: Literal["nesterov"] = "nesterov"
    lr: LearningRate = 0.05
    momentum: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the last step that is kept (momentum)."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import SGD

        return SGD(parameters, **self.knobs(momentum=self.momentum, nesterov=True))
