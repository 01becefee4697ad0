"""Reads YAML 1.2 into values that know their line. Safe: no tags, no code, bounded memory.

Built on ruamel's events instead of its constructor, which loses the line of each value and
duplicate keys, and limits memory too late.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from autotune.errors import Problem, echo
from autotune.trial import Scalar

__all__ = ["WORDS", "Node", "read_text"]

_MOST_CHARACTERS = 1_000_000
_MOST_VALUES = 20_000
_DEEPEST = 30
_LONGEST_NUMBER = 100
_LONGEST_KEY = 200
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_QUOTED = re.compile(r"'([^']*)'")
_SIGN = re.compile(r"<[\w ]+>|[][{},:?-]")
"""Names of YAML's grammar in messages, without text of the file."""
_BARE_VARIABLE = re.compile(r"[{,\[:]\s*\$\{")
WORDS: dict[str, Scalar] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Node:
    """A value of a file, and the `file:line` of its key or list entry."""

    value: "Scalar | dict[str, Node] | list[Node]"
    where: str
    readable: bool = True
    """False: `value` replaces one that could not be read and is already reported."""

    def plain(self) -> Any:
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def locate(self, path: tuple[str | int, ...]) -> str:
        """The place of the value at `path`, or of the nearest parent that exists."""
        node = self
        for step in path:
            if isinstance(node.value, dict) and step in node.value:
                node = node.value[str(step)]
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                node = node.value[step]
            else:
                break
        return node.where

    def unreadable(self, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
        """The paths of unreadable values."""
        if not self.readable:
            yield path
        if isinstance(self.value, dict):
            for key, below in self.value.items():
                yield from below.unreadable((*path, key))
        elif isinstance(self.value, list):
            for below in self.value:
                if any(True for _ in below.unreadable()):
                    yield path


def read_text(text: str, file: str, problems: list[Problem], quoting: bool = True) -> Node | None:
    """The only document in `text`; problems are appended to `problems`. None if nothing can be
    read.

    `quoting`: whether problems may quote the text. They must not if another file names this one,
    which may then be any file of the machine.
    """
    if len(text) > _MOST_CHARACTERS:
        message = f"a file may hold {_MOST_CHARACTERS:,} characters, but got {len(text):,}"
        problems.append(Problem(message, where=file))
        return None
    builder = _Builder(file, problems, quoting)
    try:
        for event in _events(text):
            builder.take(event)
    except YAMLError as error:
        line = _line(error, text)
        builder.complain(_syntax(error, quoting) + _unquoted(text, line), line)
    except (ValueError, OverflowError):  # an escape such as "\U99999999"
        builder.complain("not valid YAML: an escape names no character", 0)
    except _Flood as flood:
        builder.complain(str(flood), flood.line)
    else:
        if builder.root is None:
            builder.complain("the file is empty", 0)
        return builder.root
    return None


def _events(text: str) -> Iterator[Event]:
    return YAML(typ="safe", pure=True).parse(text)  # type: ignore[no-any-return]


def _syntax(error: YAMLError, quoting: bool) -> str:
    context = getattr(error, "context", None)
    problem = getattr(error, "problem", None) or "a character that YAML forbids"
    said = f"{context}, {problem}" if context else problem
    if not quoting and not all(_SIGN.fullmatch(quoted) for quoted in _QUOTED.findall(said)):
        return "not valid YAML"
    return f"not valid YAML: {said}"


def _unquoted(text: str, line: int) -> str:
    """The hint for `{uri: ${NAME}}`: the second brace begins a mapping."""
    lines = text.splitlines()
    found = line < len(lines) and _BARE_VARIABLE.search(lines[line])
    return '; put quotes around "${...}"' if found else ""


def _line(error: YAMLError, text: str) -> int:
    mark = getattr(error, "problem_mark", None)
    if "stream" in (
        getattr(error, "problem", None) or ""
    ):  # the end of the file: the unclosed bracket is a better message
        mark = getattr(error, "context_mark", None) or mark
    if mark is not None:
        return int(mark.line)
    return text.count("\n", 0, getattr(error, "position", 0))


class _Flood(Exception):
    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(slots=True)
class _Open:
    """A mapping or list that has not ended yet."""

    node: Node
    anchor: str | None
    first: int
    """The number of values before it."""
    key: str | None = None
    height: int = 1


@dataclass(slots=True)
class _Builder:
    file: str
    problems: list[Problem]
    quoting: bool = True
    root: Node | None = None
    _open: list[_Open] = field(default_factory=list)
    _anchors: dict[str, tuple[Node, int, int]] = field(default_factory=dict)
    """A node, the number of values in it, and its depth."""
    _values: int = 0
    _documents: int = 0

    def complain(self, message: str, line: int) -> None:
        self.problems.append(Problem(message, where=f"{self.file}:{line + 1}"))

    def _got(self, text: str) -> str:
        return f", but got {text}" if self.quoting else ""

    def take(self, event: Event) -> None:
        line = event.start_mark.line
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents == 2:
                self.complain("a file holds one document; remove the `---`", line)
        elif isinstance(event, ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._refuse_tag(event.tag, line)
            self._begin({} if isinstance(event, MappingStartEvent) else [], event.anchor, line)
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            closed = self._open.pop()
            self._put(closed.node, closed.anchor, self._values - closed.first, closed.height)
        elif isinstance(event, AliasEvent):
            self._alias(event.anchor, line)

    def _scalar(self, event: ScalarEvent, line: int) -> None:
        self._refuse_tag(event.tag, line)
        quoted = event.style is not None
        top = self._open[-1] if self._open else None
        if top and isinstance(top.node.value, dict) and top.key is None:
            self._key(top, event.value, quoted, line)
            return
        complaints = len(self.problems)
        value = event.value if quoted else self._resolve(event.value, line)
        if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
            self.complain("half a character (a surrogate escape) is not text", line)
            value = ""
        self._count(1, line)
        readable = len(self.problems) == complaints
        self._put(Node(value, self._where(line), readable), event.anchor, 1, 0)

    def _key(self, top: _Open, text: str, quoted: bool, line: int) -> None:
        assert isinstance(top.node.value, dict)
        if not quoted and not isinstance(self._resolve(text, line), str):
            self.complain(f"a key must be text{self._got(text or 'nothing')}; quote it", line)
        if not text.isprintable() or len(text) > _LONGEST_KEY:
            rule = f"a key must be at most {_LONGEST_KEY} printable characters"
            self.complain(rule + self._got(echo(text)), line)
            text = echo(text)
        if text == "<<" and not quoted:
            self.complain("`<<` (merging keys) is not YAML 1.2; write the keys out", line)
        if text in top.node.value:
            first = top.node.value[text].where
            key = echo(text) if self.quoting else "a key"
            self.complain(f"{key} is given twice, first at {first}", line)
        top.key = text
        top.node.value[text] = Node(None, self._where(line))

    def _begin(self, value: dict[str, Node] | list[Node], anchor: str | None, line: int) -> None:
        top = self._open[-1] if self._open else None
        if top and isinstance(top.node.value, dict) and top.key is None:
            self.complain("a key must be text, but got a list or mapping", line)
            top.key = f"(line {line + 1})"
        if len(self._open) >= _DEEPEST:
            raise _Flood(f"nested more than {_DEEPEST} levels deep", line)
        self._open.append(_Open(Node(value, self._where(line)), anchor, self._values))
        self._count(1, line)

    def _alias(self, anchor: str, line: int) -> None:
        if anchor not in self._anchors:
            name = anchor[:50]
            alias = f"*{name} names no value before it (&{name})"
            self.complain(alias if self.quoting else "an alias names no value before it", line)
        missing = Node(None, self._where(line), readable=False)
        node, size, height = self._anchors.get(anchor, (missing, 1, 0))
        top = self._open[-1] if self._open else None
        if top and isinstance(top.node.value, dict) and top.key is None:
            self.complain("a key must be text, but got an alias", line)
            top.key = f"*{anchor}"
            return
        if len(self._open) + height > _DEEPEST:
            raise _Flood(f"nested more than {_DEEPEST} levels deep, aliases unfolded", line)
        self._count(size, line)
        self._put(replace(node, where=self._where(line)), None, size, height)

    def _count(self, values: int, line: int) -> None:
        self._values += values
        if self._values > _MOST_VALUES:
            raise _Flood(f"more than {_MOST_VALUES:,} values, aliases unfolded", line)

    def _put(self, node: Node, anchor: str | None, size: int, height: int) -> None:
        if anchor:
            self._anchors[anchor] = (node, size, height)
        if not self._open:
            self.root = self.root or node
            return
        top = self._open[-1]
        top.height = max(top.height, height + 1)
        if isinstance(top.node.value, list):
            top.node.value.append(node)
        elif isinstance(top.node.value, dict) and top.key is not None:
            key_line = top.node.value[top.key].where if top.key in top.node.value else node.where
            top.node.value[top.key] = replace(node, where=key_line)
            top.key = None

    def _resolve(self, text: str, line: int) -> Scalar:
        """A plain scalar by YAML 1.2's core schema: `on`, `no` and 1_000 are text."""
        if text in WORDS:
            return WORDS[text]
        if _NOT_FINITE.fullmatch(text):
            self.complain(f"a number must be finite{self._got(text)}", line)
            return 0.0
        if not (_FLOAT.fullmatch(text) or _PREFIXED.fullmatch(text)):
            return text
        if len(text) > _LONGEST_NUMBER:
            self.complain(f"a number of {len(text)} characters is too long", line)
            return 0
        if _INT.fullmatch(text):
            return int(text)
        if _PREFIXED.fullmatch(text):
            return int(text, 0)
        if not math.isfinite(number := float(text)):
            self.complain(f"a number must be finite{self._got(text)}", line)
            return 0.0
        return number

    def _refuse_tag(self, tag: str | None, line: int) -> None:
        if tag is not None:
            self.complain(
                f"tags are not allowed{self._got(echo(str(tag)))}; quote text instead", line
            )

    def _where(self, line: int) -> str:
        return f"{self.file}:{line + 1}"
