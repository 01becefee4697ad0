"""How the samples of any data set are split."""

from typing import Annotated, Any, Self

from pydantic import Field, model_serializer, model_validator

from autotune.train.base import Config
from autotune.train.invalid import misplaced

__all__ = ["Fraction", "Reference", "SplitConfig"]

Fraction = Annotated[float, Field(gt=0, lt=1)]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class SplitConfig(Config):
    """The training, validation and test splits: stratified by class (for a regression by tenths of
    the target), fixed by `seed`."""

    name: str
    seed: int = Field(default=0, ge=0)
    """Seed of the split. Not the trial's seed, because all trials of a study use the same split."""
    val_fraction: Fraction = 0.2
    """Share of the samples outside of the test split that is used for validation."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Instead of `val_fraction`: number of folds of the samples outside of the test split."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the `folds`, from 0, is the validation split."""
    use_all: bool = False
    """Train on all samples, without validation and test splits: for a final training, as by
    `autotune train --all`. A study refuses it."""

    @model_serializer(mode="wrap")
    def _without_the_usual(self, serialize: Any) -> dict[str, Any]:
        """Omitted when dumping, unless it is set."""
        values: dict[str, Any] = serialize(self)
        return {k: v for k, v in values.items() if k != "use_all" or v}

    @model_validator(mode="after")
    def _fold_is_one_of_the_folds(self) -> Self:
        if self.folds is None and self.fold > 0:
            raise misplaced("`data.fold` has no effect without `data.folds`", "data", "fold")
        if self.folds is not None and self.fold >= self.folds:
            message = f"`data.fold` must be < `data.folds` = {self.folds}, got {self.fold}"
            raise misplaced(message, "data", "fold")
        return self
