"""The teachers. Each is a finished network: read from disk, or trained once and cached."""

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
    """A torchvision classifier with weights from your own file."""

    name: Literal["torchvision"] = "torchvision"
    arch: str
    """Its torchvision name, such as resnet18."""
    weights: str
    """A .safetensors file, or a .pth file of plain tensors, with a head for the data's classes."""
    inputs: Literal["data", "imagenet"] = "data"
    """How its input was normalized: as the student's images, or for torchvision's ImageNet weights.
    Grey images become three equal channels."""


class TrainedTeacher(Recipe):
    """A network trained first, on the student's data; its best epoch by val_loss is the teacher."""

    name: Literal["trained"] = "trained"
    model: ModelConfig
    """The network."""
    initializer: InitializerConfig | None = None
    """How its weights are initialized. Default: as torch does."""
    activation: ActivationConfig | None = None
    """Activation between its layers. Default: the model's own."""


class SelfTeacher(Config):
    """Born again, Furlanello et al. 2018: the student's own config, trained first by itself."""

    name: Literal["self"] = "self"
    generations: Annotated[int, Field(ge=1, le=100)] = 1
    """Number of teachers in a row: each but the first is taught by the one before."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Seed of the teachers' trainings, whatever the trial's own seed."""


TeacherConfig = Annotated[
    Exported | StudyBest | TorchvisionTeacher | TrainedTeacher | SelfTeacher,
    Field(discriminator="name"),
]
