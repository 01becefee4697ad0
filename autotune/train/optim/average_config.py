"""Running averages of the weights, evaluated instead of the weights themselves."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor, nn

    from autotune.train.optim.average import Ema, Swa

__all__ = ["AverageConfig", "EmaConfig", "NoAverage", "SwaConfig"]


class NoAverage(Config):
    """No average."""

    name: Literal["none"] = "none"

    def build(self, model: "nn.Module", epochs: int, ends: "Sequence[int]", x: "Tensor") -> None:
        return None


class EmaConfig(Config):
    """Exponential moving average over the steps, Polyak & Juditsky 1992.

    The statistics of batch normalisation are averaged alike.
    """

    name: Literal["ema"] = "ema"
    decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the average."""
    warmup: bool = True
    """Limit the decay to (1 + t) / (10 + t) at step t, so that the first weights are soon
    forgotten."""

    def build(self, model: "nn.Module", epochs: int, ends: "Sequence[int]", x: "Tensor") -> "Ema":
        from autotune.train.optim import average

        return average.Ema(model, self.decay, self.warmup)


class SwaConfig(Config):
    """Stochastic weight averaging: the mean of the last epochs' weights, Izmailov et al. 2018.

    Statistics of batch normalization are recomputed for the mean, by a pass over the training split
    after each averaged epoch. The rate should stay high: not cosine to 0.
    """

    name: Literal["swa"] = "swa"
    start: Annotated[float, Field(ge=0, lt=1)] = 0.75
    """Share of the epochs after which averaging begins; until then the plain weights are
    evaluated."""

    def build(self, model: "nn.Module", epochs: int, ends: "Sequence[int]", x: "Tensor") -> "Swa":
        from autotune.train.optim import average

        return average.Swa(model, int(self.start * epochs), ends, x)


AverageConfig = Annotated[NoAverage | EmaConfig | SwaConfig, Field(discriminator="name")]
