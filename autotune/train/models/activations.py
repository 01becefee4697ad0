"""The nonlinearities between layers: configs, free of torch. build() answers a fresh module.

`gain` is the factor on 1 / sqrt(inputs) that weights need so that a signal keeps its spread: with
z standard normal, 1 / sqrt(E[f(z)^2]). Where torch.nn.init.calculate_gain has a value, it is that
one; for selu, which is made to need none, torch's own advice is 1. With gelu, silu and mish a
deviation grows from layer to layer whatever the gain (in 20 layers of 512 to 30, 800 and 10 times
the variance): deep networks of them want a normalisation.
"""

from math import sqrt
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "ActivationConfig",
    "Elu",
    "Gelu",
    "LeakyRelu",
    "Mish",
    "Prelu",
    "Relu",
    "Selu",
    "Silu",
    "Tanh",
]


class Relu(Config):
    name: Literal["relu"] = "relu"

    @property
    def gain(self) -> float:
        return sqrt(2)

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.ReLU()


class LeakyRelu(Config):
    """Maas et al. 2013."""

    name: Literal["leaky_relu"] = "leaky_relu"
    slope: float | None = Field(default=None, ge=0)
    """Slope below zero."""

    @property
    def gain(self) -> float:
        slope = 0.01 if self.slope is None else self.slope  # torch's own
        return sqrt(2 / (1 + slope**2))

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.LeakyReLU() if self.slope is None else nn.LeakyReLU(self.slope)


class Prelu(Config):
    """He et al. 2015: the slope below zero is learned, one for each layer."""

    name: Literal["prelu"] = "prelu"

    @property
    def gain(self) -> float:
        return sqrt(2 / (1 + 0.25**2))  # the initial slope is a quarter

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.PReLU()


class Elu(Config):
    """Clevert et al. 2016."""

    name: Literal["elu"] = "elu"
    alpha: float | None = Field(default=None, gt=0)
    """The limit far below zero is -alpha."""

    @property
    def gain(self) -> float:
        alpha = 1.0 if self.alpha is None else self.alpha
        # E[(e^z - 1)^2; z < 0] = e^2 P(z < -2) - 2 sqrt(e) P(z < -1) + 1/2 = 0.1449454
        return 1 / sqrt(0.5 + 0.1449454 * alpha**2)

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.ELU() if self.alpha is None else nn.ELU(self.alpha)


class Selu(Config):
    """Klambauer et al. 2017: with lecun_normal weights, drives mean and variance towards 0 and
    1."""

    name: Literal["selu"] = "selu"

    @property
    def gain(self) -> float:
        return 1.0

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.SELU()


class Gelu(Config):
    """Hendrycks & Gimpel 2016."""

    name: Literal["gelu"] = "gelu"

    @property
    def gain(self) -> float:
        return 1.5335304  # by numerical integration, as for silu and mish

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.GELU()


class Silu(Config):
    """Also called swish: Ramachandran et al. 2017."""

    name: Literal["silu"] = "silu"

    @property
    def gain(self) -> float:
        return 1.6765325

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.SiLU()


class Mish(Config):
    """Misra 2020."""

    name: Literal["mish"] = "mish"

    @property
    def gain(self) -> float:
        return 1.4868476

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.Mish()


class Tanh(Config):
    name: Literal["tanh"] = "tanh"

    @property
    def gain(self) -> float:
        return 5 / 3

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.Tanh()


ActivationConfig = Annotated[
    Relu | LeakyRelu | Prelu | Elu | Selu | Gelu | Silu | Mish | Tanh, Field(discriminator="name")
]
