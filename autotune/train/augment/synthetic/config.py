"""Generated samples: the generator, and how many are used. Free of torch."""

from typing import Annotated

from pydantic import Field

from autotune.train.base import Config

__all__ = ["SyntheticConfig"]

Count = Annotated[int, Field(ge=1)]


class SyntheticConfig(Config):
    """Images of a small conditional GAN, trained on the training split only.

    It is trained once for a data set, cached, and shared by all trials. For images of up to about
    32 x 32 pixels. Measure whether it helps.
    """

    ratio: Annotated[float, Field(ge=0, le=1)] = 0.25
    """Share of each batch that is replaced by generated samples of the same classes."""
    steps: Count = 3000
    """Training steps of the generator."""
    width: Count = 32
    """Channels of its last hidden layer; earlier layers have twice and four times as many."""
    batch_size: Count = 64
    """Batch size of its training."""
    seed: int = Field(default=0, ge=0)
    """Seed of its training. Not the trial's seed, because all trials share one generator."""
