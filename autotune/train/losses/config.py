"""The losses, which also decide between classification and regression."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from autotune.train.base import Config, variants

if TYPE_CHECKING:
    from autotune.train.data.values import Dataset, Task
    from autotune.train.losses.base import Loss

__all__ = ["CrossEntropyLoss", "HuberLoss", "LossConfig", "MaeLoss", "MseLoss", "task_of"]


class CrossEntropyLoss(Config):
    """Classification."""

    task: ClassVar["Task"] = "classification"

    name: Literal["cross_entropy"] = "cross_entropy"
    class_weights: Literal["none", "balanced"] = "none"
    """balanced: during training, a class has weight N / (C * its samples)."""

    def build(self, data: "Dataset", label_smoothing: float) -> "Loss":
        from autotune.train.losses import classes

        weights = classes.balanced(data.train.y) if self.class_weights == "balanced" else None
        return classes.CrossEntropy(label_smoothing, weights)


class MseLoss(Config):
    """Regression by the mean squared error, which estimates the mean."""

    task: ClassVar["Task"] = "regression"

    name: Literal["mse"] = "mse"

    def build(self, data: "Dataset", label_smoothing: float) -> "Loss":
        from autotune.train.losses import numbers

        return numbers.Mse()


class MaeLoss(Config):
    """Regression by the mean absolute error, which estimates the median."""

    task: ClassVar["Task"] = "regression"

    name: Literal["mae"] = "mae"

    def build(self, data: "Dataset", label_smoothing: float) -> "Loss":
        from autotune.train.losses import numbers

        return numbers.Mae()


class HuberLoss(Config):
    """Regression, squared near the target and absolute far from it (Huber 1964): outliers have less
    influence."""

    task: ClassVar["Task"] = "regression"

    name: Literal["huber"] = "huber"
    delta: Annotated[float, Field(gt=0)] = 1.0
    """Limit between the two, in standard deviations of the target."""

    def build(self, data: "Dataset", label_smoothing: float) -> "Loss":
        from autotune.train.losses import numbers

        return numbers.Huber(self.delta)


LossConfig = Annotated[
    CrossEntropyLoss | MseLoss | MaeLoss | HuberLoss, Field(discriminator="name")
]


def task_of(name: object) -> "Task | None":
    """The task that the loss `name` is for; None if there is no such loss."""
    chosen = variants(LossConfig).get(str(name))
    return getattr(chosen, "task", None)
