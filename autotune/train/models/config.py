"""The networks: configs, free of torch. build.py says which module implements which."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, JsonValue, model_validator

from autotune.train.base import Config
from autotune.train.data.config import Reference
from autotune.train.invalid import misplaced
from autotune.train.models.activations import ActivationConfig, Gelu, Relu

__all__ = [
    "CnnModel",
    "ConnectedModel",
    "ConvnextModel",
    "CustomModel",
    "MlpModel",
    "ModelConfig",
    "Norm",
    "ResidualModel",
    "ResnetModel",
    "TorchvisionModel",
    "VitModel",
    "WideResnetModel",
]

Count = Annotated[int, Field(ge=1)]
Depth = Annotated[int, Field(ge=1, le=1000)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Norm = Literal["none", "batch", "layer", "group"]


class ResidualModel(Config):
    """A network of blocks that each add a branch to their input (He et al. 2016)."""

    usual: ClassVar[ActivationConfig] = Relu()
    """The activation if the training config names none."""

    name: str
    residual_scale: Literal["none", "rezero", "layer_scale"] = "none"
    """A learned factor on every branch. rezero: one, from 0 (Bachlechner et al. 2021); layer_scale:
    one a channel, from 0.1 (Touvron et al. 2021)."""
    stochastic_depth: Dropout = 0.0
    """Stochastic depth: share of samples that skip the last block during training, proportionally
    less in earlier blocks (Huang et al. 2016)."""
    zero_last: bool = False
    """Initialize the last layer of every branch at 0, so that blocks begin as the identity (Goyal
    et al. 2017), whatever the initializer."""

    @model_validator(mode="after")
    def _branches_can_learn(self) -> Self:
        if self.zero_last and self.residual_scale == "rezero":
            message = "`model.zero_last` with `model.residual_scale` rezero leaves no gradient: "
            raise misplaced(message + "both start a branch at 0; take one", "model", "zero_last")
        return self


class ConnectedModel(ResidualModel):
    """A network with three kinds of connections."""

    connections: Literal["plain", "residual", "dense"] = "plain"
    """plain: each layer sees the one before; residual: its output is added to its input; dense: its
    output is concatenated with its input (Huang et al. 2017)."""

    @model_validator(mode="after")
    def _has_branches(self) -> Self:
        if self.connections != "residual":
            for key in ("residual_scale", "stochastic_depth", "zero_last"):
                if getattr(self, key) not in ("none", 0, False):
                    message = f"`model.{key}` needs `model.connections: residual`"
                    cure = "; in a space, add `when: {model.connections: residual}`"
                    raise misplaced(message + cure, "model", key)
        return self


class MlpModel(ConnectedModel):
    """Fully connected layers over the flattened input.

    With residual connections, the first layer is followed by branches of normalization, activation
    and layer (Gorishniy et al. 2021).
    """

    name: Literal["mlp"] = "mlp"
    depth: Depth = 2
    """Number of hidden layers."""
    width: Count = 128
    """Units of each hidden layer."""
    embedding: Count | None = None
    """Length of the learned vector of a table's category. Default: it grows with the number of
    categories. No effect on other data."""
    norm: Norm = "none"
    """Normalization of every hidden layer, before its activation."""
    dropout: Dropout = 0.0
    """Dropout rate of hidden units."""


class CnnModel(ConnectedModel):
    """3 x 3 convolutions; each block halves the image and doubles the channels (Simonyan &
    Zisserman 2015)."""

    name: Literal["cnn"] = "cnn"
    blocks: Annotated[int, Field(ge=1, le=8)] = 2
    """Number of blocks of convolution, normalization, activation and pooling."""
    convs: Annotated[int, Field(ge=1, le=8)] = 1
    """Convolutions of each block."""
    channels: Count = 32
    """Channels of the first block."""
    norm: Norm = "group"
    """Normalization after every convolution. group gives the same numbers in whatever parts a batch
    is computed."""
    dropout: Dropout = 0.0
    """Dropout rate; before the head."""


class ResnetModel(ResidualModel):
    """He et al. 2016. With `stages: 4, width: 4, stem: large` it is their ResNet-18 (`depth: 2`),
    with `depth: 3, width: 1` their ResNet-20 for small images but for its shortcuts."""

    name: Literal["resnet"] = "resnet"
    block: Literal["basic", "bottleneck"] = "basic"
    """basic: two 3 x 3 convolutions; bottleneck: one, between two of 1 x 1, and four times the
    channels after it."""
    depth: Depth = 2
    """Blocks of each stage."""
    stages: Annotated[int, Field(ge=1, le=6)] = 3
    """Each but the first halves the image and doubles the channels."""
    width: Annotated[float, Field(gt=0)] = 1.0
    """The first stage has 16 channels times this."""
    stem: Literal["auto", "small", "large"] = "auto"
    """small: a 3 x 3 convolution; large: 7 x 7 in steps of 2, and pooling by 2; auto: large for
    images of 96 pixels or more."""
    norm: Norm = "batch"
    """Normalization after every convolution. batch uses only the part of a batch that is computed
    at once."""
    dropout: Dropout = 0.0
    """Dropout rate; before the head."""


class WideResnetModel(ResidualModel):
    """Zagoruyko & Komodakis 2016: three wide stages, normalisation and activation before the
    convolutions. `depth: 4, widen: 10` is their WRN-28-10."""

    name: Literal["wide_resnet"] = "wide_resnet"
    depth: Depth = 2
    """Blocks of each stage, a sixth of the paper's depth less 4."""
    widen: Count = 2
    """The stages have 16, 32 and 64 channels times this."""
    norm: Norm = "batch"
    """Normalization before every activation. batch uses only the part of a batch that is computed
    at once."""
    dropout: Dropout = 0.0
    """Dropout rate between the two convolutions of a block."""


class ConvnextModel(ResidualModel):
    """Liu et al. 2022, small: blocks of a depthwise 7 x 7 convolution, layer normalization, and a
    perceptron over the channels, with gelu by default."""

    usual: ClassVar[ActivationConfig] = Gelu()

    name: Literal["convnext"] = "convnext"
    depth: Depth = 2
    """Blocks of each stage."""
    stages: Annotated[int, Field(ge=1, le=6)] = 3
    """Each but the first halves the image and doubles the channels."""
    width: Count = 32
    """Channels of the first stage."""
    patch: Count = 2
    """Patch size of the stem; 4 in the paper, for 224 x 224."""
    residual_scale: Literal["none", "rezero", "layer_scale"] = "layer_scale"
    """A learned factor on every branch. rezero: one, from 0 (Bachlechner et al. 2021); layer_scale:
    one a channel, from 0.1 (Touvron et al. 2021)."""
    dropout: Dropout = 0.0
    """Dropout rate; before the head."""


class VitModel(ResidualModel):
    """The vision transformer (Dosovitskiy et al. 2021), with normalization before attention and
    perceptron, and gelu by default. Needs much data or strong augmentation."""

    usual: ClassVar[ActivationConfig] = Gelu()

    name: Literal["vit"] = "vit"
    patch: Count = 4
    """Side of a square patch in pixels; the image is padded to whole patches."""
    depth: Depth = 4
    """Blocks of attention and perceptron."""
    width: Count = 128
    """Size of the embedding, a multiple of `heads`; the perceptrons have four times as many
    units."""
    heads: Count = 4
    """Heads of each attention."""
    pool: Literal["mean", "token"] = "mean"
    """What is classified: the mean of all patches, or a class token as in the paper."""
    dropout: Dropout = 0.0
    """Dropout rate after every layer, and of the patches."""

    @model_validator(mode="after")
    def _heads_share(self) -> Self:
        if self.width % self.heads:
            rule = "`model.width` must be a multiple of `model.heads`"
            raise misplaced(f"{rule}, got {self.width} and {self.heads}", "model", "width")
        return self


class TorchvisionModel(Config):
    """Any classifier of torchvision.models by its name, randomly initialized, with its own
    activations. Its input and its head are adapted to the data."""

    usual: ClassVar[ActivationConfig] = (
        Relu()
    )  # most of them use it; an initializer's gain depends on it

    name: Literal["torchvision"] = "torchvision"
    arch: str = "resnet18"
    """Its torchvision name, such as efficientnet_b0."""
    dropout: Dropout | None = None
    """Dropout rate; before the head if the model has none. Default: the model's own."""


class CustomModel(Config):
    """Your own function: build(shape, outputs, **args) -> torch.nn.Module giving logits.

    `shape` is that of one sample, such as (1, 28, 28) or (58,); `outputs` is the number of classes,
    or 1 for a regression. The module takes a normalized float32 batch (N, *shape) and returns (N,
    outputs). docs/functions.md has an example. The module chooses its own activation. An
    `initializer` in the config reinitializes its weights with relu's gain; without one they stay as
    built.
    """

    usual: ClassVar[ActivationConfig] = Relu()

    name: Literal["custom"] = "custom"
    function: Reference = Field(alias="build")
    """The function, as "my.nets:build", of build(shape, outputs, **args) -> torch.nn.Module; the
    working directory is searched first."""
    args: dict[str, JsonValue] = {}
    """Arguments passed by name."""


ModelConfig = Annotated[
    MlpModel
    | CnnModel
    | ResnetModel
    | WideResnetModel
    | ConvnextModel
    | VitModel
    | TorchvisionModel
    | CustomModel,
    Field(discriminator="name"),
]
