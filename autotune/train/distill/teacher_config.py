"""Who teaches. Every teacher is a finished network: read from disk, or trained once and cached."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import ModelConfig
from autotune.train.models.initializers import InitializerConfig
from autotune.train.recipe import Recipe

__all__ = [
    "SelfTeacher",
    "TeacherConfig",
    "TorchvisionTeacher",
    "TrainedTeacher",
]

Count = Annotated[int, Field(ge=1)]


class TorchvisionTeacher(Config):
    """One of torchvision's classifiers with weights from a file of your own."""

    name: Literal["torchvision"] = "torchvision"
    arch: str
    """torchvision's name of it, such as resnet18."""
    weights: str
    """A .safetensors file, or a .pth file of plain tensors, with a head for the data's classes."""
    inputs: Literal["data", "imagenet"] = "data"
    """What it was trained on: images normalised as the student's are, or as torchvision's
    ImageNet weights want them. Grey images become three equal channels."""


class TrainedTeacher(Recipe):
    """A network trained first, on the student's data; its best epoch by val_loss teaches."""

    name: Literal["trained"] = "trained"
    model: ModelConfig
    """The network."""
    initializer: InitializerConfig | None = None
    """How its weights are drawn. None: as torch does it."""
    activation: ActivationConfig | None = None
    """Between its layers. None: the model's own."""


class SelfTeacher(Config):
    """Born again, Furlanello et al. 2018: the student's own config, trained first by itself."""

    name: Literal["self"] = "self"
    generations: Annotated[int, Field(ge=1, le=100)] = 1
    """Teachers in a row: each but the first was itself taught by the one before."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the teachers' trainings, whatever the trial's own seed."""


TeacherConfig = Annotated[
    Exported | StudyBest | TorchvisionTeacher | TrainedTeacher | SelfTeacher,
    Field(discriminator="name"),
]
