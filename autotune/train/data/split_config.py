"""What every data config says: how its samples are split."""

from typing import Annotated, Any, Self

from pydantic import Field, model_serializer, model_validator

from autotune.train.base import Config
from autotune.train.invalid import misplaced

__all__ = ["Fraction", "Reference", "SplitConfig"]

Fraction = Annotated[float, Field(gt=0, lt=1)]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")]


class SplitConfig(Config):
    """The train, validation and test parts: stratified by class (in a regression by tenths of the
    target), fixed by `seed`."""

    name: str
    seed: int = Field(default=0, ge=0)
    """Draws the split. Not the trial's seed: all trials of a study see the same split."""
    val_fraction: Fraction = 0.2
    """Share of the samples left after the test part that is held out for validation."""
    folds: Annotated[int, Field(ge=2)] | None = None
    """Instead of `val_fraction`: what is left after the test part is cut into so many folds."""
    fold: Annotated[int, Field(ge=0)] = 0
    """Which of the `folds`, from 0, is the validation part."""
    use_all: bool = False
    """Everything is learnt from, nothing is held out: for a last training of what a study has
    found, as `autotune train --all` does it. A study cannot."""

    @model_serializer(mode="wrap")
    def _without_the_usual(self, serialize: Any) -> dict[str, Any]:
        """What holds samples out, as nearly all do, says nothing of it."""
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
