"""Tables for a file or another program are those of the terminal, without its edges."""

import pytest
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from autotune.report.plain import plain


def table() -> Table:
    made = Table(box=None, pad_edge=False, header_style="bold")
    made.add_column("trial", no_wrap=True)
    made.add_column("seconds", justify="right", no_wrap=True)
    made.add_column("params")
    made.add_row("3", "0.1", Text("lr 0.03, name [bold]", no_wrap=True, overflow="ellipsis"))
    made.add_row(Text("12", style="red"), "123.4", "広い, " + "x" * 200)
    made.add_row("4", "", "")
    return made


@pytest.mark.parametrize(
    "shown",
    [
        Text("one\ntwo", style="bold"),
        table(),
        Group(Text("head"), table(), Text(""), Text("go on with: autotune resume it")),
    ],
)
def test_it_is_what_a_console_prints_on_an_endless_line(shown: RenderableType) -> None:
    console = Console(width=10_000)
    with console.capture() as captured:
        console.print(shown, highlight=False)
    printed = captured.get().removesuffix("\n").split("\n")
    assert plain(shown).split("\n") == [line.rstrip() for line in printed]
