"""Pruning while training: which weights become 0, how many of them and when."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from autotune.train.base import Config
from autotune.train.invalid import misplaced

__all__ = ["MagnitudePruning", "NoPruning", "PruneConfig"]

Share = Annotated[float, Field(ge=0, le=1)]


class NoPruning(Config):
    """All weights stay."""

    name: Literal["none"] = "none"


class MagnitudePruning(Config):
    """The smallest weights of dense, convolutional and attention layers become and stay 0.

    Gradually, before each epoch, Zhu & Gupta 2017; biases and norms are left alone.
    """

    name: Literal["magnitude"] = "magnitude"
    sparsity: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """Share of those layers' weights that are 0 in the end."""
    start: Share = 0.1
    """Share of the epochs that are trained dense."""
    end: Share = 0.7
    """Share of the epochs after which `sparsity` is reached; the last epoch always has it."""
    schedule: Literal["cubic", "linear", "one_shot"] = "cubic"
    """cubic: most of it early, Zhu & Gupta 2017; one_shot: all of it after `start`."""
    scope: Literal["global", "layer"] = "global"
    """global: the smallest of all layers together; layer: the same share of each layer."""

    @model_validator(mode="after")
    def _start_is_first(self) -> Self:
        if self.start > self.end:
            message = f"`prune.start` must be <= `prune.end`, got {self.start} and {self.end}"
            raise misplaced(message, "prune", "start")
        return self


PruneConfig = Annotated[NoPruning | MagnitudePruning, Field(discriminator="name")]
