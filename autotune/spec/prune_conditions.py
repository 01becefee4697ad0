"""Drops conditions (and orphaned parameters) on choices that an amendment removed."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from autotune.spec.reader import Node

__all__ = ["removed", "without"]

Parameters = Mapping[str, Node]


def removed(earlier: Node, later: Node) -> list[Node]:
    """The choices of one parameter that its amendment removed."""
    old, new = _choices(earlier), _choices(later)
    kept = [_key(choice) for choice in new]
    return [choice for choice in old if _key(choice) not in kept] if new else []


def without(parameters: Parameters, parent: str, gone: Iterable[Node]) -> dict[str, Node]:
    """`parameters` without conditions on the removed choices `gone` of `parent`.

    A parameter whose condition has no choice left can never be active: it is dropped, with those
    that depend on it.
    """
    keys = [_key(choice) for choice in gone]
    found = {name: _amended(node, parent, keys) for name, node in parameters.items()}
    left = {name: node for name, node in found.items() if node is not None}
    for name in found.keys() - left.keys():
        left = _apart(left, name)
    return left


def _apart(parameters: Parameters, parent: str) -> dict[str, Node]:
    left = {name: node for name, node in parameters.items() if parent not in _when(node)}
    for name in parameters.keys() - left.keys():
        left = _apart(left, name)
    return left


def _amended(node: Node, parent: str, gone: list[tuple[type, object]]) -> Node | None:
    """`node` with the remaining condition on `parent`; None if nothing remains."""
    when = _when(node)
    if parent not in when or isinstance(when[parent].value, dict):
        return node
    operand = when[parent]
    if not isinstance(operand.value, list):
        return None if _key(operand) in gone else node
    kept = [each for each in operand.value if _key(each) not in gone]
    if not kept:
        return None
    held = Node({**when, parent: replace(operand, value=kept)}, operand.where)
    return replace(node, value={**_mapping(node), "when": held})


def _when(node: Node) -> dict[str, Node]:
    when = _mapping(node).get("when")
    return _mapping(when) if when else {}


def _choices(node: Node) -> list[Node]:
    choices = _mapping(node).get("choices")
    return choices.value if choices and isinstance(choices.value, list) else []


def _mapping(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}


def _key(node: Node) -> tuple[type, object]:
    """Distinguishes True from 1."""
    return type(node.value), node.value
