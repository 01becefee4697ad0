"""Rows of a table as numbers and codes, by the columns that training saw."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.errors import InvalidInput, Problem, UserError, echo, nearest
from autotune.export.input import Input
from autotune.train.data.raw import Column, Value
from autotune.train.data.tables import SUFFIXES, number
from autotune.train.data.values import Array

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["encoded", "frame_of"]


def frame_of(path: Path, input: Input) -> "DataFrame":
    """The table in a file; categories in a CSV file stay the texts that they are."""
    import pandas

    if path.suffix not in SUFFIXES or path.is_dir():
        kinds = ", ".join(SUFFIXES)
        raise UserError(f"{path}: the network takes rows of a table: give a file in {kinds}")
    texts: dict[Any, Any] = {c.name: "string" for c in input.columns if c.kind == "category"}
    try:
        if path.suffix == ".parquet":
            return pandas.read_parquet(path)
        separator = "\t" if path.suffix == ".tsv" else ","
        return pandas.read_csv(path, sep=separator, low_memory=False, dtype=texts)
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own are ValueErrors
        said = str(error).strip().splitlines()[0][:100]
        raise UserError(f"{path} is no {path.suffix} table ({said})") from error


def encoded(input: Input, frame: "DataFrame", source: str) -> tuple[Array, list[str]]:
    """(N, columns), float32, with NaN for a missing number and codes for categories; and notes.
    Raises InvalidInput with everything that does not fit."""
    names = [str(name) for name in frame.columns]
    found = [
        Problem(f"{source} lacks column {echo(column.name)}{nearest(column.name, names)}")
        for column in input.columns
        if column.name not in names
    ]
    if not found and not len(frame):
        found = [Problem(f"{source} holds no rows")]
    values, notes = [], []
    for column in () if found else input.columns:
        try:
            made, said = _encoded(column, frame[column.name])
        except _Misfit as misfit:
            found.append(Problem(f"{source}: column {echo(column.name)} {misfit}"))
        else:
            values.append(made)
            notes += said
    if found:
        raise InvalidInput(found)
    return np.column_stack(values).astype(np.float32), notes


class _Misfit(Exception):
    """What a column must hold, and what came."""


def _encoded(column: Column, given: "Series[Any]") -> tuple[Array, list[str]]:
    if column.kind == "category":
        return _codes(column, given)
    numbers = _numbers(given)
    if np.isinf(numbers).any():
        raise _Misfit("holds infinity: a number that is not known is an empty cell")
    if column.median is None and np.isnan(numbers).any():
        row = int(np.isnan(numbers).argmax()) + 1
        raise _Misfit(f"must have no gaps, as in training, but row {row} is empty")
    return numbers, []


def _numbers(given: "Series[Any]") -> Array:
    import pandas
    from pandas.api import types

    if types.is_datetime64_any_dtype(given) or types.is_timedelta64_dtype(given):
        raise _Misfit("must hold numbers, but holds times")
    read = pandas.to_numeric(given, errors="coerce")
    wrong = np.asarray(read.isna() & given.notna())
    if wrong.any():
        row = int(wrong.argmax())
        raise _Misfit(f"must hold numbers, but row {row + 1} holds {echo(given.iloc[row])}")
    numbers: Array = read.to_numpy(np.float64, na_value=np.nan)
    return numbers


def _codes(column: Column, given: "Series[Any]") -> tuple[Array, list[str]]:
    from pandas import factorize
    from pandas.api import types

    numeric = types.is_numeric_dtype(given) and not types.is_bool_dtype(given)
    if column.type == "text" and numeric and given.notna().any():
        raise _Misfit(f"must hold text, as in training, but holds {given.dtype}")
    places, found = factorize(given.astype("string"))
    known = {value: code for code, value in enumerate(column.values, 1)}
    keys: list[Value] = [_key(column, str(text)) for text in found]
    codes = np.array([known.get(key, 0) for key in [*keys, None]], np.float64)
    return codes[places], _unknown(column, codes, places, keys)  # -1, the last, is missing


def _key(column: Column, text: str) -> Value:
    if column.type == "boolean":
        return text.capitalize()
    if column.type == "text":
        return text
    try:
        return number(text)
    except ValueError:
        raise _Misfit(f"must hold numbers, but holds {echo(text)}") from None


def _unknown(column: Column, codes: Array, places: Array, keys: Sequence[Value]) -> list[str]:
    """A note on rows with categories that training has not seen."""
    strange = codes[places] == 0
    if not strange.any():
        return []
    kinds = dict.fromkeys(keys[place] if place >= 0 else None for place in places[strange])
    shown = ", ".join("an empty cell" if key is None else echo(key) for key in [*kinds][:3])
    shown += ", ..." * (len(kinds) > 3)
    count = f"{int(strange.sum()):,} of {len(places):,} rows"
    return [f"column {echo(column.name)}: {count} hold what training did not see ({shown})"]
