"""Transfer: which weights a training starts from, and which of them move. Free of torch."""

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


# Where weights come from. They must be of the same network, but for its head.


class FileSource(Config):
    """A file of weights, with the model's own names: a state dict, as torchvision's are."""

    name: Literal["file"] = "file"
    path: str
    """A .safetensors file, or a .pth file of plain tensors; package:file for one that an
    installed package carries."""


class TrainedSource(Recipe):
    """The same network trained first, on other data."""

    name: Literal["trained"] = "trained"
    data: DataConfig
    """What it is trained on."""


SourceConfig = Annotated[
    FileSource | Exported | StudyBest | TrainedSource, Field(discriminator="name")
]


# What moves. The head always learns.


class Scratch(Config):
    """The weights are not used: for a search over whether they help."""

    name: Literal["scratch"] = "scratch"


class Full(Config):
    """Fine-tuning: every weight moves."""

    name: Literal["full"] = "full"


class LinearProbe(Config):
    """The head alone learns; the rest is a fixed feature extractor."""

    name: Literal["linear_probe"] = "linear_probe"


class Freeze(Config):
    """The blocks nearest the input stay as they are (Yosinski et al. 2014)."""

    name: Literal["freeze"] = "freeze"
    blocks: Annotated[int, Field(ge=0)] = 1
    """How many, from the input. More than there are: all but the head."""


class Gradual(Config):
    """Howard & Ruder 2018: the head first, then one block more at a time, from the top."""

    name: Literal["gradual"] = "gradual"
    every: Count = 1
    """Epochs between one block and the next."""


class Discriminative(Config):
    """Howard & Ruder 2018: each block learns more slowly than the one above it."""

    name: Literal["discriminative"] = "discriminative"
    factor: Annotated[float, Field(gt=0, le=1)] = 0.38
    """Its rate as a share of the next block's: 1 / 2.6 in the paper."""


class L2Sp(Config):
    """Li et al. 2018: weights are pulled to where they started, and not to 0.

    Set `optimizer.weight_decay: 0` beside it: that pulls to 0.
    """

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
    """A training that starts from weights."""

    source: SourceConfig
    """Where the weights come from. Only what they leave open is drawn by `initializer`."""
    strategy: StrategyConfig = Full()
    """Which of them move, and how."""
    head: Literal["new", "keep"] = "new"
    """new: the last layer is drawn afresh, for the classes of `data`; keep: it is taken over,
    where the classes are the same."""
