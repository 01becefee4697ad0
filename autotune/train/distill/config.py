"""Distillation: the strategy by which a student learns from a teacher, and the teacher. Free of
torch."""

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

HIGHEST, LOWEST = 21.0, 1.0  # the range of a learned temperature

Temperature = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]
Change = Literal["constant", "linear", "cosine"]


class NoDistillation(Config):
    """No distillation; for a search over whether a teacher helps."""

    name: Literal["none"] = "none"


class Taught(Config):
    name: str
    teacher: TeacherConfig = SelfTeacher()
    """The teacher: a trained network, which does not change."""


class Tempered(Taught):
    """Divides both networks' logits before they are compared."""

    temperature: Temperature = 4.0
    """Above 1, unlikely classes of the teacher have more influence."""
    temperature_end: Temperature = 1.0
    """Value of a linear or cosine schedule in the last epoch; otherwise no effect."""
    temperature_schedule: Literal["constant", "linear", "cosine", "learned"] = "constant"
    """How it changes over the epochs. learned: between 1 and 21, so that the student's task becomes
    harder (curriculum temperature, Li et al. 2023)."""

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
    """Value of a linear or cosine schedule in the last epoch; otherwise no effect."""
    alpha_schedule: Change = "constant"
    """How alpha changes over the epochs."""


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
    """Weight of the features' distance in the loss."""
    weight_end: Weight = 0.0
    """Value of a linear or cosine schedule in the last epoch; otherwise no effect."""
    weight_schedule: Change = "constant"
    """How the weight changes over the epochs; falling to 0, the last epochs use labels only."""


class Hints(Weighted):
    """FitNets, Romero et al. 2015: the student's features, projected, imitate the teacher's."""

    name: Literal["hints"] = "hints"
    at: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Where features are compared, as a share of either network's depth."""


class Attention(Weighted):
    """Zagoruyko & Komodakis 2017: where on the image the features of both networks are strong."""

    name: Literal["attention"] = "attention"
    weight: Weight = 1000.0
    """Weight of the mean squared difference of normalized attention maps."""
    points: Annotated[int, Field(ge=1, le=1000)] = 3
    """Number of maps compared, evenly spaced over the depth of each network; equal ones count
    once."""


class Relational(Weighted):
    """RKD, Park et al. 2019: relations between samples before the last layer.

    At most the first 128 samples of a batch are compared, because the cost of angles is cubic.
    """

    name: Literal["relational"] = "relational"
    distance: Weight = 25.0
    """Weight of the distances between pairs of samples."""
    angle: Weight = 50.0
    """Weight of the angles in triples of samples."""


DistillSettings = NoDistillation | SoftTargets | Decoupled | Hints | Attention | Relational
DistillConfig = Annotated[DistillSettings, Field(discriminator="name")]
