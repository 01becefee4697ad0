"""What a sample is before it is the network's input: the columns of a table, or an image's pixels.

It is learnt from the train part and goes with the weights, so that they can predict elsewhere.
"""

from typing import Annotated, Literal

from pydantic import Field

from autotune.train.base import Config

__all__ = ["CategoryType", "Column", "Pixels", "Raw", "Value"]

CategoryType = Literal["text", "number", "boolean"]
Value = str | int | float | None
"""A category: None is a missing one."""


class Column(Config):
    """A column of a table, in the order in which the network takes them."""

    name: str
    """As the header spells it."""
    kind: Literal["number", "category"]
    """A category becomes its place in `values`, from 1; 0 is for what the train part lacks."""
    median: float | None = None
    """Of a number: what a missing one becomes. None: none may be missing."""
    marked: bool = False
    """Of a number: a column of 0 and 1 is added that says where it is missing."""
    type: CategoryType = "text"
    """Of a category: what its values are in the file."""
    values: Annotated[tuple[Value, ...], Field(strict=False)] = ()
    """Of a category: those of the train part."""


class Pixels(Config):
    """How an image file becomes a sample (C, H, W)."""

    mode: Literal["L", "RGB", "RGBA"]
    """As Pillow calls it."""
    height: int
    width: int
    resized: bool = False
    """Images of another size are resized, bilinearly; otherwise they are refused."""
    white: float = 255.0
    """The value of a full pixel in the data that the network learnt from."""


class Raw(Config):
    """Columns of a table, or pixels, or neither: then samples are arrays of numbers."""

    columns: Annotated[tuple[Column, ...], Field(strict=False)] = ()
    pixels: Pixels | None = None
