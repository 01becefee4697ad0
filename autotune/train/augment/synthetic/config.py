"""Generated samples: what is trained to make them, and how many are used. Free of torch."""

from typing import Annotated

from pydantic import Field

from autotune.train.base import Config

__all__ = ["SyntheticConfig"]

Count = Annotated[int, Field(ge=1)]


class SyntheticConfig(Config):
    """Images of a small conditional GAN, which is trained on the train split and nothing else.

    It is trained once for a data set, kept in the cache, and shared by all trials. For images of up
    to about 32 x 32 pixels; whether it helps must be measured.
    """

    ratio: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of each batch that is replaced by generated samples of the same classes."""
    steps: Count = 3000
    """Steps that the generator is trained for."""
    width: Count = 32
    """Channels of its widest images; the layers before have twice and four times as many."""
    batch_size: Count = 64
    """Samples a step of its training sees."""
    seed: int = Field(default=0, ge=0)
    """Of its training. Not the trial's seed: all trials share one generator."""
