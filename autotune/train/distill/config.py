"""Distillation: what a student learns from a teacher, and who the teacher is. Free of torch."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from autotune.train.base import Config
from autotune.train.distill.teacher_config import SelfTeacher, TeacherConfig
from autotune.train.invalid import misplaced

__all__ = [
    "Attention",
    "Decoupled",
    "DistillConfig",
    "DistillSettings",
    "Hints",
    "NoDistillation",
    "Relational",
    "SoftTargets",
    "Tempered",
]

HIGHEST, LOWEST = 21.0, 1.0  # between which a learned temperature moves

Temperature = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Change = Literal["constant", "linear", "cosine"]


class NoDistillation(Config):
    """The student alone: for a search over whether a teacher helps at all."""

    name: Literal["none"] = "none"


class Taught(Config):
    name: str
    teacher: TeacherConfig = SelfTeacher()
    """Whom the student learns from: a trained network, which itself does not change."""


class Tempered(Taught):
    """Both networks' logits are divided by a temperature before they are compared."""

    temperature: Temperature = 4.0
    """Above 1, more is learnt from the classes that the teacher finds unlikely."""
    temperature_end: Temperature = 1.0
    """Where a linear or cosine schedule leads in the last epoch; else it has no effect."""
    temperature_schedule: Literal["constant", "linear", "cosine", "learned"] = "constant"
    """How it moves over the epochs. learned: between 1 and 21, so as to make the student's task
    ever harder (curriculum temperature, Li et al. 2023)."""

    @model_validator(mode="after")
    def _learnable(self) -> Self:
        learned = self.temperature_schedule == "learned"
        if learned and not LOWEST < self.temperature < HIGHEST:
            rule = f"must lie between {LOWEST:g} and {HIGHEST:g} where it is learned"
            message = f"`distill.temperature` {rule}, got {self.temperature:g}"
            raise misplaced(message, "distill", "temperature")
        return self


class SoftTargets(Tempered):
    """Hinton et al. 2015: (1 - alpha) x loss on the labels + alpha x T^2 x KL to the teacher."""

    name: Literal["soft_targets"] = "soft_targets"
    alpha: Share = 0.9
    """The teacher's share of the loss; the labels have the rest."""
    alpha_end: Share = 0.0
    """Where a linear or cosine schedule leads in the last epoch; else it has no effect."""
    alpha_schedule: Change = "constant"
    """How alpha moves over the epochs."""


class Decoupled(Tempered):
    """Zhao et al. 2022: loss on the labels + T^2 x (alpha x target + beta x non-target part of KL).

    The target part says how hard a sample is, the other how the wrong classes compare.
    """

    name: Literal["decoupled"] = "decoupled"
    alpha: Weight = 1.0
    """Weight of the part about the labelled class against all others."""
    beta: Weight = 8.0
    """Weight of the part about the other classes among themselves."""


class Weighted(Taught):
    """Loss on the labels + weight x distance of the two networks' features."""

    weight: Weight = 1.0
    """Of the distance of features in the loss."""
    weight_end: Weight = 0.0
    """Where a linear or cosine schedule leads in the last epoch; else it has no effect."""
    weight_schedule: Change = "constant"
    """How the weight moves over the epochs; falling to 0 it leaves the end to the labels."""


class Hints(Weighted):
    """FitNets, Romero et al. 2015: the student's features, projected, imitate the teacher's."""

    name: Literal["hints"] = "hints"
    at: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Where features are compared, as a share of either network's depth."""


class Attention(Weighted):
    """Zagoruyko & Komodakis 2017: where on the image the features of both networks are strong."""

    name: Literal["attention"] = "attention"
    weight: Weight = 1000.0
    """Of the mean squared difference of attention maps of length 1 in the loss."""
    points: Annotated[int, Field(ge=1, le=1000)] = 3
    """Maps compared, evenly over the depth of either network; equal ones count once."""


class Relational(Weighted):
    """RKD, Park et al. 2019: how samples lie to one another before the last layer.

    At most the first 128 samples of a batch are compared: the angles grow with the cube.
    """

    name: Literal["relational"] = "relational"
    distance: Weight = 25.0
    """Weight of the distances between pairs of samples."""
    angle: Weight = 50.0
    """Weight of the angles in triples of samples."""


DistillSettings = NoDistillation | SoftTargets | Decoupled | Hints | Attention | Relational
DistillConfig = Annotated[DistillSettings, Field(discriminator="name")]
