"""The networks, and two families they are made with: activations and initializers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue

from autotune.train.base import Config
from autotune.train.data.config import Reference

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "ActivationConfig",
    "CnnModel",
    "CustomModel",
    "Elu",
    "Gelu",
    "HeNormal",
    "HeUniform",
    "InitializerConfig",
    "LeakyRelu",
    "MlpModel",
    "ModelConfig",
    "Normal",
    "Orthogonal",
    "Relu",
    "Silu",
    "Tanh",
    "XavierNormal",
    "XavierUniform",
]

Count = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]


# Activations: build() answers a fresh module.


class Relu(Config):
    name: Literal["relu"] = "relu"

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.ReLU()


class LeakyRelu(Config):
    name: Literal["leaky_relu"] = "leaky_relu"
    slope: float | None = Field(default=None, ge=0)
    """Slope below zero."""

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.LeakyReLU() if self.slope is None else nn.LeakyReLU(self.slope)


class Elu(Config):
    name: Literal["elu"] = "elu"
    alpha: float | None = Field(default=None, gt=0)
    """The value far below zero is -alpha."""

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.ELU() if self.alpha is None else nn.ELU(self.alpha)


class Gelu(Config):
    name: Literal["gelu"] = "gelu"

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.GELU()


class Silu(Config):
    name: Literal["silu"] = "silu"

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.SiLU()


class Tanh(Config):
    name: Literal["tanh"] = "tanh"

    def build(self) -> "nn.Module":
        from torch import nn

        return nn.Tanh()


ActivationConfig = Annotated[
    Relu | LeakyRelu | Elu | Gelu | Silu | Tanh, Field(discriminator="name")
]


# Initializers: build() answers a function that fills one weight tensor of two or more dimensions.


class XavierUniform(Config):
    """Glorot & Bengio 2010: keeps the variance of tanh-like layers, forward and backward."""

    name: Literal["xavier_uniform"] = "xavier_uniform"

    def build(self) -> "Callable[[Tensor], Tensor]":
        from torch.nn import init

        return init.xavier_uniform_


class XavierNormal(Config):
    """Glorot & Bengio 2010, drawn from a normal distribution."""

    name: Literal["xavier_normal"] = "xavier_normal"

    def build(self) -> "Callable[[Tensor], Tensor]":
        from torch.nn import init

        return init.xavier_normal_


class HeUniform(Config):
    """He et al. 2015: keeps the variance of ReLU layers, forward."""

    name: Literal["he_uniform"] = "he_uniform"

    def build(self) -> "Callable[[Tensor], Tensor]":
        from autotune.train.models import initializers

        return initializers.he_uniform


class HeNormal(Config):
    """He et al. 2015, drawn from a normal distribution."""

    name: Literal["he_normal"] = "he_normal"

    def build(self) -> "Callable[[Tensor], Tensor]":
        from autotune.train.models import initializers

        return initializers.he_normal


class Normal(Config):
    name: Literal["normal"] = "normal"
    std: float = Field(default=0.02, gt=0)
    """Standard deviation of every weight, whatever the layer's size."""

    def build(self) -> "Callable[[Tensor], Tensor]":
        from autotune.train.models import initializers

        return initializers.normal(self.std)


class Orthogonal(Config):
    """Saxe et al. 2014: a (semi-)orthogonal matrix."""

    name: Literal["orthogonal"] = "orthogonal"

    def build(self) -> "Callable[[Tensor], Tensor]":
        from torch.nn import init

        return init.orthogonal_


InitializerConfig = Annotated[
    XavierUniform | XavierNormal | HeUniform | HeNormal | Normal | Orthogonal,
    Field(discriminator="name"),
]


# Networks: build(shape, classes, activation) answers a module of (B, *shape) -> (B, classes).


class MlpModel(Config):
    """Fully connected layers over the flattened input."""

    name: Literal["mlp"] = "mlp"
    depth: Count = 2
    """Hidden layers."""
    width: Count = 128
    """Units of each hidden layer."""
    dropout: Dropout = 0.0
    """Share of hidden units dropped while training."""

    def build(
        self, shape: tuple[int, ...], classes: int, activation: ActivationConfig | None
    ) -> "nn.Module":
        from autotune.train.models import mlp

        return mlp.build(self, shape, classes, activation or Relu())


class CnnModel(Config):
    """3 x 3 convolutions; each block halves the image and doubles the channels."""

    name: Literal["cnn"] = "cnn"
    blocks: Annotated[int, Field(ge=1, le=8)] = 2
    """Blocks of convolution, normalisation, activation and pooling."""
    channels: Count = 32
    """Channels of the first block."""
    dropout: Dropout = 0.0
    """Share of the last features dropped while training."""

    def build(
        self, shape: tuple[int, ...], classes: int, activation: ActivationConfig | None
    ) -> "nn.Module":
        from autotune.train.models import cnn

        return cnn.build(self, shape, classes, activation or Relu())


class CustomModel(Config):
    """Your own function: build(shape, classes, **args) -> torch.nn.Module giving logits.

    `shape` is that of one sample, such as (1, 28, 28). The module picks its own activation; an
    `initializer` in the config refills its weights, none leaves them as built.
    """

    name: Literal["custom"] = "custom"
    function: Reference = Field(alias="build")
    """The function, as "my.nets:build"; the working directory is searched first."""
    args: dict[str, JsonValue] = {}
    """Passed to it by name."""

    def build(
        self, shape: tuple[int, ...], classes: int, activation: ActivationConfig | None
    ) -> "nn.Module":
        from autotune.train.models import custom

        return custom.build(self, shape, classes)


ModelConfig = Annotated[MlpModel | CnnModel | CustomModel, Field(discriminator="name")]
