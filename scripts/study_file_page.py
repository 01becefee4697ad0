"""The reference of study files, from studies/study.schema.json; written by site_pages.py."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["page"]

SCHEMA = Path(__file__).resolve().parents[1] / "studies" / "study.schema.json"
HEAD = """# Study file reference

Every key of a study file, its type, its default and its meaning. Editors read the same from
`autotune schema > study.schema.json`. `autotune check STUDY.yaml` reports unknown keys and wrong
values with file, line and the nearest valid word.

A key that names a variant, such as `search: {name: tpe}`, links to that variant's own keys. A
default of *–* means that the key is required, or that leaving it out has the meaning given.

<!-- written by scripts/site_pages.py from studies/study.schema.json -->
"""
Schema = Mapping[str, Any]


def page() -> str:
    schema = json.loads(SCHEMA.read_text())
    return Reference(schema).text()


class Reference:
    """Definitions are described once each, in the order in which they are first named."""

    def __init__(self, schema: Schema) -> None:
        self.definitions: Mapping[str, Schema] = schema["$defs"]
        self.study = schema
        self.queue: list[str] = []

    def text(self) -> str:
        parts = [HEAD, "## The study\n", *self.table(self.study)]
        described = 0
        while described < len(self.queue):
            name = self.queue[described]
            parts += self.definition(name)
            described += 1
        return "\n".join(parts).rstrip() + "\n"

    def definition(self, name: str) -> Iterator[str]:
        found = self.definitions[name]
        yield f"\n## {self.title(name)}\n"
        if said := one_line(found.get("description", "")):
            yield f"{said}\n"
        if "enum" in found:
            yield f"One of {', '.join(f'`{word}`' for word in found['enum'])}.\n"
        yield from self.table(found)
        if "properties" not in found:
            for each in variants(found):
                self.link(each)

    def table(self, found: Schema) -> Iterator[str]:
        rows = [
            f"| `{key}` | {self.kind(value)} | {default(value)} | {one_line(self.said(value))} |"
            for key, value in found.get("properties", {}).items()
            if "const" not in value
        ]
        if rows:
            yield "| key | type | default | meaning |\n| --- | --- | --- | --- |"
            yield from rows

    def said(self, value: Schema) -> str:
        return str(value.get("description", ""))

    def kind(self, value: Schema) -> str:
        if "$ref" in value:
            return self.link(value["$ref"].rpartition("/")[2])
        if options := [*variants_of(value)]:
            return " or ".join(dict.fromkeys(self.kind(option) for option in options))
        if "if" in value:
            return " or ".join(self.link(name) for name in variants(value))
        if "enum" in value:
            return " or ".join(f"`{word}`" for word in value["enum"])
        if "const" in value:
            return f"`{value['const']}`"
        return self.plain(value)

    def plain(self, value: Schema) -> str:
        kind = value.get("type", "any value")
        if kind == "array":
            inner = value.get("items") or {}
            return f"list of {self.kind(inner)}" if inner else "list"
        if kind == "object":
            inner = value.get("additionalProperties")
            return f"mapping to {self.kind(inner)}" if isinstance(inner, dict) else "mapping"
        words = {"integer": "whole number", "string": "text", "boolean": "true or false"}
        kinds = [kind] if isinstance(kind, str) else kind
        named = " or ".join(words.get(each, each) for each in kinds)
        return f"{named}{limits(value)}"

    def link(self, name: str) -> str:
        if name not in self.queue:
            self.queue.append(name)
        word = self.definitions[name].get("properties", {}).get("name", {}).get("const")
        return f"[{word or self.title(name)}](#{slug(self.title(name))})"

    def title(self, name: str) -> str:
        """`name: tpe` of a variant, or the words of the definition's name."""
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
        word = self.definitions[name].get("properties", {}).get("name", {}).get("const")
        return f"{words}: {word}" if word and word.lower() != words.lower() else words


def variants_of(value: Schema) -> Iterator[Schema]:
    for key in ("oneOf", "anyOf", "allOf"):
        yield from value.get(key, [])


def variants(value: object) -> Iterator[str]:
    """The names of all definitions that `value` refers to."""
    yield from dict.fromkeys(re.findall(r'"#/\$defs/(\w+)"', json.dumps(value)))


def limits(value: Schema) -> str:
    signs = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
    }
    said = [f"{sign} {value[key]}" for key, sign in signs.items() if key in value]
    return f" {', '.join(said)}" if said else ""


def default(value: Schema) -> str:
    if "default" not in value:
        return "–"
    return f"`{json.dumps(value['default'])}`".replace("|", "\\|")


def one_line(said: str) -> str:
    """For a cell of a table; `<name>` outside of code would be taken for HTML."""
    parts = re.sub(r"\s+", " ", said).replace("|", "\\|").strip().split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))


def slug(title: str) -> str:
    return re.sub(r"[^\w]+", "-", title.lower()).strip("-")
