"""Transfer: pretrained weights, and which of them are trained. Free of torch."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config
from autotune.train.data.config import DataConfig
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.recipe import Recipe

__all__ = [
    "Discriminative",
    "FileSource",
    "Freeze",
    "Full",
    "Gradual",
    "L2Sp",
    "LinearProbe",
    "Scratch",
    "SourceConfig",
    "StrategyConfig",
    "TrainedSource",
    "TransferConfig",
]

Count = Annotated[int, Field(ge=1)]
Strength = Annotated[float, Field(ge=0)]


# Sources of weights. They must be of the same network, except for its head.


class FileSource(Config):
    """A file of weights under the model's own names: a state dict, as torchvision's are."""

    name: Literal["file"] = "file"
    path: str
    """A .safetensors file, or a .pth file of plain tensors; package:file for one inside an
    installed package."""


class TrainedSource(Recipe):
    """The same network trained first, on other data."""

    name: Literal["trained"] = "trained"
    data: DataConfig
    """The data that it is trained on."""


SourceConfig = Annotated[
    FileSource | Exported | StudyBest | TrainedSource, Field(discriminator="name")
]


# What is trained. The head always is.


class Scratch(Config):
    """Ignore the weights; for a search over whether they help."""

    name: Literal["scratch"] = "scratch"


class Full(Config):
    """Fine-tuning: all weights are trained."""

    name: Literal["full"] = "full"


class LinearProbe(Config):
    """Only the head is trained; the rest is a fixed feature extractor."""

    name: Literal["linear_probe"] = "linear_probe"


class Freeze(Config):
    """The blocks nearest the input are frozen (Yosinski et al. 2014)."""

    name: Literal["freeze"] = "freeze"
    blocks: Annotated[int, Field(ge=0)] = 1
    """Number of frozen blocks, from the input. If larger than the network: all but the head."""


class Gradual(Config):
    """Howard & Ruder 2018: the head first, then one more block at a time, from the top."""

    name: Literal["gradual"] = "gradual"
    every: Count = 1
    """Epochs between one block and the next."""


class Discriminative(Config):
    """Howard & Ruder 2018: each block has a lower rate than the one above it."""

    name: Literal["discriminative"] = "discriminative"
    factor: Annotated[float, Field(gt=0, le=1)] = 0.38
    """A block's rate as a share of the next block's: 1 / 2.6 in the paper."""


class L2Sp(Config):
    """Li et al. 2018: weights are pulled towards their start instead of 0. Also set
    `optimizer.weight_decay: 0`, which pulls to 0."""

    name: Literal["l2_sp"] = "l2_sp"
    alpha: Strength = 0.1
    """Half of it times the squared distance from the start is added to the loss."""
    beta: Strength = 0.01
    """Half of it times the squared weights of the head, which has no start, is added too."""


StrategyConfig = Annotated[
    Scratch | Full | LinearProbe | Freeze | Gradual | Discriminative | L2Sp,
    Field(discriminator="name"),
]


class TransferConfig(Config):
    """Starts a training from given weights."""

    source: SourceConfig
    """The source of the weights. `initializer` applies only to the others."""
    strategy: StrategyConfig = Full()
    """Which weights are trained, and how."""
    head: Literal["new", "keep"] = "new"
    """new: the last layer is initialized for the classes of `data`; keep: it is taken over, if the
    classes are the same."""
