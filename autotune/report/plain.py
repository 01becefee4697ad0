"""Tables and texts as plain lines, for a file or another program: as wide as they are."""

from collections.abc import Iterator
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

__all__ = ["plain"]

_GAP = "  "  # what rich leaves between two columns


def plain(shown: RenderableType) -> str:
    """What rich prints on an endless line, without what is blank at a line's end.

    A console measures and wraps each cell: for 2,000 trials that took a second.
    """
    return "\n".join(line.rstrip() for line in _lines(shown))


def _lines(shown: RenderableType) -> Iterator[str]:
    if isinstance(shown, Group):
        for part in shown.renderables:
            yield from _lines(part)
    elif isinstance(shown, Table):
        yield from _rows(shown)
    else:
        yield from _text(shown).split("\n")


def _rows(table: Table) -> Iterator[str]:
    right = [column.justify == "right" for column in table.columns]
    columns = [[_text(column.header), *map(_text, column.cells)] for column in table.columns]
    widths = [max(map(cell_len, cells)) for cells in columns]
    for row in zip_longest(*columns):
        cells = zip(row, widths, right, strict=True)
        yield _GAP.join(_aligned(cell, width, end) for cell, width, end in cells)


def _aligned(cell: str, width: int, right: bool) -> str:
    space = " " * (width - cell_len(cell))
    return space + cell if right else cell + space


def _text(cell: RenderableType) -> str:
    assert isinstance(cell, Text | str), f"{type(cell).__name__} has no plain form"
    return cell.plain if isinstance(cell, Text) else Text.from_markup(cell).plain
