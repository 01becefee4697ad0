"""Initializers: configs, free of torch.

build(gain) returns a function that fills one weight tensor of two or more dimensions; `gain` is
that of the activation between layers. Whatever the distribution, xavier_*, he_* and lecun_* give
every weight the variance of their paper.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "HeNormal",
    "HeUniform",
    "InitializerConfig",
    "LecunNormal",
    "LecunUniform",
    "Normal",
    "Orthogonal",
    "TruncatedNormal",
    "Uniform",
    "XavierNormal",
    "XavierUniform",
]

Fill = Callable[["Tensor"], "Tensor"]


class XavierUniform(Config):
    """Glorot & Bengio 2010: variance 2 gain^2 / (inputs + outputs), a compromise between preserving
    the variance of the signal forward and that of the gradient backward."""

    name: Literal["xavier_uniform"] = "xavier_uniform"

    def build(self, gain: float) -> Fill:
        from torch.nn import init

        return lambda weight: init.xavier_uniform_(weight, gain)


class XavierNormal(Config):
    """xavier_uniform, drawn from a normal distribution."""

    name: Literal["xavier_normal"] = "xavier_normal"

    def build(self, gain: float) -> Fill:
        from torch.nn import init

        return lambda weight: init.xavier_normal_(weight, gain)


class HeUniform(Config):
    """He et al. 2015: variance gain^2 / inputs, which preserves the variance of the signal."""

    name: Literal["he_uniform"] = "he_uniform"

    def build(self, gain: float) -> Fill:
        from autotune.train.models import weights

        return weights.uniform(gain)


class HeNormal(Config):
    """he_uniform, drawn from a normal distribution."""

    name: Literal["he_normal"] = "he_normal"

    def build(self, gain: float) -> Fill:
        from autotune.train.models import weights

        return weights.normal(gain)


class LecunUniform(Config):
    """LeCun et al. 1998: variance 1 / inputs, whatever the activation; made for selu and tanh."""

    name: Literal["lecun_uniform"] = "lecun_uniform"

    def build(self, gain: float) -> Fill:
        from autotune.train.models import weights

        return weights.uniform(1.0)


class LecunNormal(Config):
    """lecun_uniform, drawn from a normal distribution."""

    name: Literal["lecun_normal"] = "lecun_normal"

    def build(self, gain: float) -> Fill:
        from autotune.train.models import weights

        return weights.normal(1.0)


class Plain(Config):
    name: str
    std: float = Field(default=0.02, gt=0)
    """Standard deviation of every weight, whatever the layer and the activation."""


class Normal(Plain):
    name: Literal["normal"] = "normal"

    def build(self, gain: float) -> Fill:
        from torch.nn import init

        return lambda weight: init.normal_(weight, std=self.std)


class Uniform(Plain):
    """Between -1.73 std and 1.73 std."""

    name: Literal["uniform"] = "uniform"

    def build(self, gain: float) -> Fill:
        from torch.nn import init

        bound = 3**0.5 * self.std
        return lambda weight: init.uniform_(weight, -bound, bound)


class TruncatedNormal(Plain):
    """A normal distribution cut off at two of its standard deviations; `std` is the standard
    deviation after the cut."""

    name: Literal["truncated_normal"] = "truncated_normal"

    def build(self, gain: float) -> Fill:
        from autotune.train.models import weights

        return weights.truncated_normal(self.std)


class Orthogonal(Config):
    """Saxe et al. 2014: a (semi-)orthogonal matrix, times the gain."""

    name: Literal["orthogonal"] = "orthogonal"

    def build(self, gain: float) -> Fill:
        from torch.nn import init

        return lambda weight: init.orthogonal_(weight, gain)


InitializerConfig = Annotated[
    XavierUniform
    | XavierNormal
    | HeUniform
    | HeNormal
    | LecunUniform
    | LecunNormal
    | Normal
    | Uniform
    | TruncatedNormal
    | Orthogonal,
    Field(discriminator="name"),
]
