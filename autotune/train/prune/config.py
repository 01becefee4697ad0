"""Pruning during training: which weights become 0, how many and when."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from autotune.train.base import Config
from autotune.train.invalid import misplaced

__all__ = ["MagnitudePruning", "NoPruning", "PruneConfig"]

Share = Annotated[float, Field(ge=0, le=1)]


class NoPruning(Config):
    """No pruning."""

    name: Literal["none"] = "none"


class MagnitudePruning(Config):
    """The smallest weights of dense, convolutional and attention layers become and stay 0,
    gradually, before each epoch (Zhu & Gupta 2017).

    Biases and norms are not pruned.
    """

    name: Literal["magnitude"] = "magnitude"
    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Final share of zeros among those layers' weights."""
    start: Share = 0.1
    """Share of the epochs before pruning begins."""
    end: Share = 0.7
    """Share of the epochs after which `sparsity` is reached; the last epoch always has it."""
    schedule: Literal["cubic", "linear", "one_shot"] = "cubic"
    """cubic: most of it early, Zhu & Gupta 2017; one_shot: all of it after `start`."""
    scope: Literal["global", "layer"] = "global"
    """global: the smallest weights of all layers together; layer: the same share of each layer."""

    @model_validator(mode="after")
    def _start_is_first(self) -> Self:
        if self.start > self.end:
            message = f"`prune.start` must be <= `prune.end`, got {self.start} and {self.end}"
            raise misplaced(message, "prune", "start")
        return self


PruneConfig = Annotated[NoPruning | MagnitudePruning, Field(discriminator="name")]
