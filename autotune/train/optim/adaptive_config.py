"""Optimizers with a step size of their own for each weight, or each matrix."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from autotune.train.optim.sgd_config import Decay, Epsilon, LearningRate, OptimizerBase

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.optimizer import ParamsT

__all__ = [
    "AdaDelta",
    "AdaGrad",
    "Adam",
    "AdamW",
    "Lion",
    "Muon",
    "NAdam",
    "RAdam",
    "RmsProp",
    "ScheduleFree",
]


class AdaGrad(OptimizerBase):
    """Duchi et al. 2011."""

    name: Literal["adagrad"] = "adagrad"
    lr: LearningRate = 0.01
    lr_decay: float | None = Field(default=None, ge=0)
    """The rate is divided by 1 + lr_decay x steps."""
    eps: Epsilon | None = None
    """Added to the denominator."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import Adagrad

        return Adagrad(parameters, **self.knobs(lr_decay=self.lr_decay, eps=self.eps))


class AdaDelta(OptimizerBase):
    """Zeiler 2012: steps in the units of the weights, so `lr` is about 1."""

    name: Literal["adadelta"] = "adadelta"
    lr: LearningRate = 1.0
    rho: Decay | None = None
    """Decay of the running means of squared gradients and squared steps."""
    eps: Epsilon | None = None
    """Under both roots; it sets the size of the first steps."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch.optim import Adadelta

        return Adadelta(parameters, **self.knobs(rho=self.rho, eps=self.eps))


class RmsProp(OptimizerBase):
    """Tieleman & Hinton 2012."""

    name: Literal["rmsprop"] = "rmsprop"
    lr: LearningRate = 1e-3
    alpha: Decay | None = None
    """Decay of the running mean of squared gradients."""
    momentum: Decay | None = None
    """Share of the last step that is kept (momentum)."""
    eps: Epsilon | None = None
    """Added to the denominator."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
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

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch import optim

        return optim.Adam(parameters, **self.knobs(betas=(self.beta1, self.beta2), eps=self.eps))


class AdamW(AdamBase):
    """Adam with decoupled weight decay, Loshchilov & Hutter 2019."""

    own_decay: ClassVar[bool] = True

    name: Literal["adamw"] = "adamw"

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch import optim

        return optim.AdamW(parameters, **self.knobs(betas=(self.beta1, self.beta2), eps=self.eps))


class NAdam(AdamBase):
    """Adam with Nesterov's momentum, Dozat 2016; decoupled weight decay."""

    name: Literal["nadam"] = "nadam"

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch import optim

        knobs = self.knobs(betas=(self.beta1, self.beta2), eps=self.eps)
        return optim.NAdam(parameters, decoupled_weight_decay=True, **knobs)


class RAdam(AdamBase):
    """Rectified Adam, Liu et al. 2020: a warm-up of its own; decoupled weight decay."""

    name: Literal["radam"] = "radam"

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from torch import optim

        knobs = self.knobs(betas=(self.beta1, self.beta2), eps=self.eps)
        return optim.RAdam(parameters, decoupled_weight_decay=True, **knobs)


class Lion(OptimizerBase):
    """Sign of the momentum, Chen et al. 2023: wants a third to a tenth of adamw's rate."""

    name: Literal["lion"] = "lion"
    lr: LearningRate = 1e-4
    beta1: Decay = 0.9
    """Share of the momentum, beside the gradient, in the sign that is stepped by."""
    beta2: Decay = 0.99
    """Decay of the momentum."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from autotune.train.optim import lion

        return lion.Lion(parameters, **self.knobs(betas=(self.beta1, self.beta2)))


class Muon(AdamBase):
    """Orthogonalised momentum for hidden layers' matrices, Jordan et al. 2024; adamw for the rest.

    The matrices' steps are as large as adamw's (Liu et al. 2025), so one `lr` serves both. A
    convolution's kernel is one matrix, a row for each output channel.
    """

    own_decay: ClassVar[bool] = True
    matrices: ClassVar[bool] = True

    name: Literal["muon"] = "muon"
    momentum: Decay = 0.95
    """Decay of the momentum of matrices (Nesterov)."""
    rest: Annotated[float, Field(gt=0)] = 1.0
    """Rate of adamw (the last layer, embeddings, norms, biases) as a multiple of lr."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from autotune.train.optim import muon

        knobs = self.knobs(betas=(self.beta1, self.beta2), eps=self.eps, momentum=self.momentum)
        return muon.Muon(muon.split(parameters, self.rest), **knobs)


class ScheduleFree(AdamBase):
    """AdamW that averages its iterates in place of a falling rate, Defazio et al. 2024.

    Goes best with the constant schedule and a warm-up. Evaluated are the averaged weights.
    """

    name: Literal["schedule_free"] = "schedule_free"
    lr: LearningRate = 2.5e-3
    beta1: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Where the gradient is taken: this share of the average, the rest of the iterate."""

    def build(self, parameters: "ParamsT") -> "Optimizer":
        from schedulefree import AdamWScheduleFree

        knobs = self.knobs(betas=(self.beta1, self.beta2), eps=self.eps)
        optimizer: Optimizer = AdamWScheduleFree(parameters, **knobs)
        return optimizer
