"""Who teaches. Every teacher is a finished network: read from disk, or trained once and cached."""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config
from autotune.train.models.activations import ActivationConfig
from autotune.train.models.config import ModelConfig
from autotune.train.models.initializers import InitializerConfig
from autotune.train.recipe import Recipe

__all__ = [
    "ExportedTeacher",
    "SelfTeacher",
    "StudyTeacher",
    "TeacherConfig",
    "TorchvisionTeacher",
    "TrainedTeacher",
]

Count = Annotated[int, Field(ge=1)]


class ExportedTeacher(Config):
    """A folder that `autotune export` wrote."""

    name: Literal["exported"] = "exported"
    folder: str
    """The folder, with its config.json and model.safetensors."""


class StudyTeacher(Config):
    """The best of a finished study, exported into its own folder.

    `autotune export STUDY -o RUNS/STUDY/best` comes first: the winner is then fixed, whatever
    becomes of the study.
    """

    name: Literal["study"] = "study"
    study: str
    """Its name."""
    runs: str = "runs"
    """The folder of studies that it lies in."""


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
    generations: Count = 1
    """Teachers in a row: each but the first was itself taught by the one before."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Of the teachers' trainings, whatever the trial's own seed."""


TeacherConfig = Annotated[
    ExportedTeacher | StudyTeacher | TorchvisionTeacher | TrainedTeacher | SelfTeacher,
    Field(discriminator="name"),
]
