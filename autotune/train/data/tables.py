"""Tables from CSV or Parquet: numbers, categories and missing values."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autotune.errors import DataUnavailable, InvalidInput, Problem, echo, nearest
from autotune.train.data.config import TableData
from autotune.train.data.raw import CategoryType, Column, Value
from autotune.train.data.values import Array, Arrays
from autotune.train.missing_path import absent

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["beginning", "complete", "load"]

SUFFIXES = (".csv", ".tsv", ".parquet")


def load(config: TableData) -> Arrays:
    """The table with its numeric columns first and the codes of its categories last."""
    return arranged(config, read(Path(config.path)))


def beginning(config: TableData, rows: int) -> Arrays:
    """Its first rows, with the target of all rows."""
    path = Path(config.path)
    frame = read(path, rows)
    if found := unknown(config, frame):
        raise InvalidInput(found)
    empty = [name for name in features(config, frame) if frame[name].isna().all()]  # so far
    first = arranged(config, frame.drop(columns=empty))
    whole = read(path, only=config.target)[config.target]
    if found := gaps(config, whole):
        raise InvalidInput(found)
    return replace(first, y=learnt(whole))


def arranged(config: TableData, frame: "DataFrame") -> Arrays:
    found = mistakes(config, frame)
    if found:
        raise InvalidInput(found)
    kinds = {
        name: kind(frame[name], name in config.categorical) for name in features(config, frame)
    }
    strange = [name for name, what in kinds.items() if what not in ("number", "category")]
    if strange:
        raise InvalidInput([problem(f"column {echo(n)} {kinds[n]}") for n in strange])
    numbers = [name for name, what in kinds.items() if what == "number"]
    categories = [name for name, what in kinds.items() if what == "category"]
    values = [frame[name].to_numpy(np.float64, na_value=np.nan) for name in numbers]
    coded = [codes(frame[name]) for name in categories]
    y = learnt(frame[config.target])
    return Arrays(
        np.column_stack([*values, *(numbers for numbers, _ in coded)]),
        y,
        columns=(*numbers, *categories),
        categorical=len(categories),
        values=tuple(known for _, known in coded),
    )


def read(path: Path, rows: int | None = None, only: str | None = None) -> "DataFrame":
    """The table, or its first `rows`, or one column of it."""
    import pandas

    if path.suffix not in SUFFIXES:
        raise InvalidInput([problem(f"must end in {', '.join(SUFFIXES)}, got {echo(str(path))}")])
    try:
        if path.suffix == ".parquet":
            return read_parquet(path, rows, only)
        separator = "\t" if path.suffix == ".tsv" else ","
        columns = [only] if only else None
        return pandas.read_csv(path, sep=separator, low_memory=False, nrows=rows, usecols=columns)
    except FileNotFoundError:
        raise DataUnavailable([problem(absent(path))]) from None
    except (OSError, ValueError) as error:  # pandas' and pyarrow's own are ValueErrors
        why = (
            f"{str(path)!r} is no {path.suffix} table ({str(error).strip().splitlines()[0][:100]})"
        )
        raise InvalidInput([problem(why)]) from error


def read_parquet(path: Path, rows: int | None, only: str | None) -> "DataFrame":
    import pandas

    if rows is None:
        return pandas.read_parquet(path, columns=[only] if only else None)
    from pyarrow import parquet

    batches = parquet.ParquetFile(path).iter_batches(batch_size=rows)
    return next(batches).to_pandas()


def mistakes(config: TableData, frame: "DataFrame") -> list[Problem]:
    """What the config names wrongly, and a target that cannot be learnt."""
    if found := unknown(config, frame):
        return found
    found = gaps(config, frame[config.target])
    if not features(config, frame):
        found.append(problem("there is no column besides the target"))
    return found


def unknown(config: TableData, frame: "DataFrame") -> list[Problem]:
    """The columns that the config names and the table lacks."""
    names = [str(name) for name in frame.columns]
    wanted = [("target", config.target)]
    wanted += [("categorical", name) for name in config.categorical]
    wanted += [("drop", name) for name in config.drop]
    return [
        Problem(
            f"`data.{key}`: there is no column {echo(name)}{nearest(name, names)}", ("data", key)
        )
        for key, name in wanted
        if name not in names
    ]


def gaps(config: TableData, target: "Series[Any]") -> list[Problem]:
    missing = int(target.isna().sum())
    if not missing:
        return []
    rule = f"column {config.target!r} must be whole, but {missing} of {len(target)} rows lack it"
    return [Problem(f"`data.target`: {rule}: remove those rows", ("data", "target"))]


def features(config: TableData, frame: "DataFrame") -> list[str]:
    return [str(name) for name in frame.columns if name not in (config.target, *config.drop)]


def kind(column: "Series[Any]", categorical: bool) -> str:
    """number or category; otherwise what is wrong with the column."""
    from pandas.api import types

    if column.isna().all():
        return "is empty: name it in `data.drop`"
    numeric = types.is_numeric_dtype(column) and not categorical
    if numeric and np.isinf(column.to_numpy(np.float64, na_value=np.nan)).any():
        return "holds infinity: a number that is not known is an empty cell"
    if types.is_datetime64_any_dtype(column) or types.is_timedelta64_dtype(column):
        return "holds times: make numbers of them or name it in `data.drop`"
    return "number" if numeric else "category"


def codes(column: "Series[Any]") -> tuple[Array, tuple[Value, ...]]:
    """Whole numbers for the values, in their order, and what each stands for; what is missing is a
    value like the others."""
    from pandas import factorize
    from pandas.api import types

    numbers, found = factorize(column.astype("string"), sort=True)
    numeric = types.is_numeric_dtype(column) and not types.is_bool_dtype(column)
    known = tuple(map(number if numeric else str, found))
    return np.where(numbers < 0, len(known), numbers).astype(np.float64), (*known, None)


def number(text: str) -> int | float:
    """7, in a column that lacks some, reads 7.0: as numbers they are equal."""
    try:
        return int(text)
    except ValueError:
        return float(text)


def learnt(column: "Series[Any]") -> Array:
    """The target as numbers where it holds numbers, as text otherwise."""
    from pandas.api import types

    if types.is_float_dtype(column):
        return np.array(column, np.float64)
    if types.is_bool_dtype(column) or types.is_integer_dtype(column):
        return np.array(column, np.int64)
    return np.array(column.astype(str), np.str_)


def complete(read: Arrays) -> tuple[Arrays, tuple[Column, ...]]:
    """The split table without gaps, as the train part teaches it, and what its columns were.

    A missing number becomes the median of the train part; a column of 0 and 1 beside the numbers
    says so, for each column that lacks some there. A category becomes 1, 2, ... in the order of
    those in the train part, and 0 if that has none such.
    """
    if read.categorical is None:
        return read, tuple(Column(name=name, kind="number") for name in read.columns)
    cut = read.x.shape[1] - read.categorical
    numbers, codes = read.x[:, :cut], read.x[:, cut:]
    marked = np.atleast_1d(np.isnan(numbers).any(axis=0))
    medians = np.array([middle(column) for column in numbers.T])
    known = [np.unique(column) for column in codes.T]

    def mended(x: Array) -> Array:
        gaps = np.isnan(x[:, :cut])
        coded = [recoded(*pair) for pair in zip(x[:, cut:].T, known, strict=True)]
        return np.column_stack([np.where(gaps, medians, x[:, :cut]), gaps[:, marked], *coded])

    assert read.x_val is not None and read.x_test is not None
    marks = [f"{read.columns[place]} is missing" for place in np.flatnonzero(marked)]
    whole = replace(
        read,
        x=mended(read.x),
        x_val=mended(read.x_val),
        x_test=mended(read.x_test),
        columns=(*read.columns[:cut], *marks, *read.columns[cut:]),
    )
    numeric = [
        Column(name=name, kind="number", median=float(median), marked=bool(mark))
        for name, median, mark in zip(read.columns[:cut], medians, marked.tolist(), strict=True)
    ]
    return whole, (*numeric, *categories(read, cut, known))


def categories(read: Arrays, cut: int, known: Sequence[Array]) -> Iterator[Column]:
    """`known`: the codes of the train part, by column."""
    for name, values, codes in zip(read.columns[cut:], read.values, known, strict=True):
        held = tuple(values[int(code)] for code in codes)
        yield Column(name=name, kind="category", type=kind_of(values), values=held)


def kind_of(values: Sequence[Value]) -> CategoryType:
    there = {value for value in values if value is not None}
    if there <= {"True", "False"}:
        return "boolean"
    return "text" if any(isinstance(value, str) for value in there) else "number"


def middle(column: Array) -> float:
    """The median of what is there; 0 where nothing is."""
    there = column[~np.isnan(column)]
    return float(np.median(there)) if len(there) else 0.0


def recoded(column: Array, known: Array) -> Array:
    places = np.minimum(np.searchsorted(known, column), len(known) - 1)
    return np.where(known[places] == column, places + 1, 0)


def problem(message: str) -> Problem:
    return Problem(f"`data.path`: {message}", ("data", "path"))
