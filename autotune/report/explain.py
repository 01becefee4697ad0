"""What a key of a study file means, by its schema: `autotune explain KEY`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autotune import spec as specs
from autotune.errors import UserError, echo, nearest

__all__ = ["Meaning", "meanings"]


@dataclass(frozen=True, slots=True)
class Meaning:
    """One place of the schema that a key leads to."""

    path: str
    """Its whole path in a study file."""
    variants: tuple[str, ...]
    """The names of the variants that have it, such as adam; empty where all do."""
    type: str
    default: str
    """As JSON; "" where it must be given, or has none."""
    text: str


def meanings(key: str) -> tuple[list[Meaning], list[str]]:
    """What `key` may mean, and the fragments of search spaces that search it. A key of the training
    config may be given with or without `trial.`. Raises UserError, naming the nearest key."""
    schema = specs.schema()
    parts = tuple(key.strip().split("."))
    roots = schema["properties"]
    path = parts if parts[0] in roots else ("trial", *parts)
    found = list(_walk(schema, schema, path, ()))
    if not found:
        wrong = next(end for end in range(1, len(path) + 1) if not _leads(schema, path[:end]))
        near = _beside(schema, path[: wrong - 1])
        near += list(roots) if path != parts and wrong == 2 else []
        raise UserError(f"no key {echo(key)} in a study file{nearest(path[wrong - 1], near)}")
    return _merged(".".join(path), found), _searched(".".join(path).removeprefix("trial."))


def _leads(schema: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    return any(True for _ in _walk(schema, schema, path, ()))


def _beside(schema: Mapping[str, Any], above: tuple[str, ...]) -> list[str]:
    """The keys that a place of the schema has."""
    nodes = [node for node, _ in _walk(schema, schema, above, ())]
    return sorted({name for node in nodes for one, _ in _variants(schema, node) for name in one})


Found = tuple[Mapping[str, Any], tuple[str, ...]]


def _walk(
    schema: Mapping[str, Any], node: Mapping[str, Any], path: tuple[str, ...], by: tuple[str, ...]
) -> Iterator[Found]:
    """(node, variants on the way) of all places that `path` leads to."""
    if not path:
        yield node, by
        return
    for properties, name in _variants(schema, node):
        if path[0] in properties:
            yield from _walk(schema, properties[path[0]], path[1:], (*by, *[name] * bool(name)))


def _variants(
    schema: Mapping[str, Any], node: Mapping[str, Any]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """The properties of each object that `node` may be, with its name."""
    if "$ref" in node:
        yield from _variants(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
        return
    if "properties" in node:
        name = node["properties"].get("name", {})
        yield node["properties"], str(name.get("const", ""))
    for several in ("oneOf", "anyOf", "allOf"):
        for one in node.get(several, ()):
            yield from _variants(schema, one)
    for branch in ("then", "else"):
        if branch in node:
            yield from _variants(schema, node[branch])
    if isinstance(node.get("items"), Mapping):
        yield from _variants(schema, node["items"])


def _merged(path: str, found: list[Found]) -> list[Meaning]:
    """Variants in which the key says the same are one."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for node, by in found:
        default = _json(node["default"]) if "default" in node else ""
        said = (_type(node), default, node.get("description", "").replace("\n", " "))
        groups.setdefault(said, []).extend(by)
    return [Meaning(path, tuple(dict.fromkeys(by)), *said) for said, by in groups.items()]


def _json(value: Any) -> str:
    import json

    return json.dumps(value)


def _type(node: Mapping[str, Any]) -> str:
    if "$ref" in node:
        return "a mapping"
    if "enum" in node:
        return "one of " + ", ".join(map(str, node["enum"]))
    if "const" in node:
        return str(node["const"])
    for several in ("oneOf", "anyOf"):
        if several in node:
            kinds = list(dict.fromkeys(_type(one) for one in node[several]))
            return " or ".join(kinds)
    if mapping := node.get("discriminator", {}).get("mapping"):
        return "a mapping with name: " + ", ".join(mapping)
    words = {"null": "null", "object": "a mapping", "array": "a list"}
    kind = node.get("type", "any value")
    text = words.get(kind, kind) if isinstance(kind, str) else " or ".join(kind)
    return text + "".join(f" {sign} {node[key]}" for key, sign in _BOUNDS if key in node)


_BOUNDS = (
    ("minimum", ">="),
    ("exclusiveMinimum", ">"),
    ("maximum", "<="),
    ("exclusiveMaximum", "<"),
)


def _searched(path: str) -> list[str]:
    """The shipped fragments and studies that search `path`, each with what it says."""
    return [f"{name}.yaml: {text}" for name, text in specs.searching(path)]
