"""The reference of commands, from their docstrings and options; written by site_pages.py."""

import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

import typer.main

from autotune.cli import app

__all__ = ["page"]

HEAD = """# Commands

| command | what it does |
| --- | --- |
{rows}

Exit codes: 0 success; 1 autotune or the machine could not do it, and the last line says how to go
on; 2 a user error, with a line that says how to fix it; 130 Ctrl-C; 143 SIGTERM. Commands with
`--json` print data for programs: see [programs and agents](agents.md).

<!-- written by scripts/site_pages.py from the commands -->
"""


def page() -> str:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    rows = "\n".join(
        f"| [`autotune {usage(name, command)}`](#{slug(name)}) | {summary(command)} |"
        for name, command in commands.items()
    )
    parts = [HEAD.format(rows=rows)]
    for name, command in commands.items():
        parts += section(name, command)
    return "\n".join(parts).rstrip() + "\n"


def section(name: str, command: Any) -> Iterator[str]:
    yield f"## {name}\n"
    for paragraph in dedent(command.help or "").strip().split("\n\n"):
        yield (console(paragraph) if is_example(paragraph) else one_line(paragraph)) + "\n"
    rows = [
        f"| {', '.join(f'`{word}`' for word in each.opts)} | {one_line(each.help or '')} |"
        for each in command.params
        if each.param_type_name == "option" and each.name != "help"
    ]
    if rows:
        yield "| option | meaning |\n| --- | --- |\n" + "\n".join(rows) + "\n"


def is_example(paragraph: str) -> bool:
    return "autotune " in paragraph and paragraph.startswith(("Example", "\b\nExample"))


def console(paragraph: str) -> str:
    lines = [line.strip() for line in paragraph.split("\n") if line.strip() not in ("", "\b")]
    commands = re.sub(r"^Examples?:\s*", "", " ".join(lines))
    return "    " + re.sub(r"\s+(?=autotune )", "\n    ", commands)


def usage(name: str, command: Any) -> str:
    """The command with its arguments: those that may be left out are in brackets."""
    words = [
        (each.metavar or each.name.upper())
        if each.required
        else f"[{each.metavar or each.name.upper()}]"
        for each in command.params
        if each.param_type_name == "argument"
    ]
    return " ".join([name, *words]).replace("[[", "[").replace("]]", "]")


def summary(command: Any) -> str:
    return one_line((command.help or "").split("\n\n")[0])


def one_line(said: str) -> str:
    return (
        re.sub(r"\s+", " ", said.replace("\b", "")).replace("|", "\\|").replace("<", "&lt;").strip()
    )


def slug(name: str) -> str:
    return name
