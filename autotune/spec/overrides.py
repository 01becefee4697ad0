"""Sets overrides, such as "budget.trials=10", in the tree of a study."""

from collections.abc import Iterable, Mapping
from dataclasses import fields as fields_of
from dataclasses import replace
from typing import Any

from autotune.errors import InvalidInput, Problem, echo, nearest
from autotune.space.read import KINDS
from autotune.spec.model import StudySpec
from autotune.spec.reader import Node, read_text
from autotune.train.base import fields, variants
from autotune.train.config import TrainConfig, is_own

__all__ = ["assigned", "overridden"]

_DEEPEST = 20
_LONGEST = 200
_UNIONS = ("search", "schedule")


def overridden(root: Node, override: str, problems: list[Problem]) -> Node:
    """`root` with "path=value" set. If impossible, `root` unchanged, and a problem is added."""
    path, equals, text = override.partition("=")
    where = f"--set {path.strip()}"
    plain = path.strip().isprintable() and path.count(".") <= _DEEPEST and len(path) <= _LONGEST
    if not equals or not path.strip() or not plain:
        message = f"--set takes path=value, such as budget.trials=10, but got {echo(override)}"
        problems.append(Problem(message))
        return root
    own: list[Problem] = []
    value = read_text(text, where, own) if text.strip() else Node(None, where)
    problems += [replace(problem, where=where) for problem in own]
    if value is None:
        return root
    keys = tuple(path.strip().split("."))
    try:
        return _set(_switched(root, keys, value), keys, _relabelled(value, where), ())
    except _NoSuchPath as error:
        problems.append(Problem(str(error), where=where))
        return root


def assigned(overrides: Iterable[str]) -> dict[str, Any]:
    """Values by name, of "name=value" each. Raises InvalidInput with all that cannot be read."""
    problems: list[Problem] = []
    values = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        node = read_text(text, f"--set {name.strip()}", problems) if text.strip() else None
        if not equals or not name.strip() or not text.strip():
            message = f"--set takes name=value, such as optimizer.lr=0.003, got {echo(override)}"
            problems.append(Problem(message))
        elif node is not None and isinstance(node.plain(), dict | list):
            problems.append(Problem("a parameter has one plain value", where=node.where))
        elif node is not None:
            values[name.strip()] = node.plain()
    if problems:
        raise InvalidInput(problems)
    return values


class _NoSuchPath(Exception):
    pass


def _set(node: Node, rest: tuple[str, ...], value: Node, above: tuple[str, ...]) -> Node:
    """`node` with `value` at `rest`. Names with dots are matched greedily, longest first."""
    if not rest:
        return value
    if isinstance(node.value, list):
        index = int(rest[0]) if rest[0].isdecimal() and len(rest[0]) < 6 else len(node.value)
        if index >= len(node.value):
            at = ".".join(above)
            raise _NoSuchPath(f"{at} is a list of {len(node.value)}; give a number from 0")
        items = list(node.value)
        items[index] = _set(items[index], rest[1:], value, (*above, rest[0]))
        return replace(node, value=items)
    known = node.value if isinstance(node.value, dict) else {}
    ends = range(len(rest), 0, -1)
    end = next((end for end in ends if ".".join(rest[:end]) in known), 0)
    if end == 0 and above == ("space",):
        if not isinstance(value.value, dict):
            name = ".".join(rest)
            raise _NoSuchPath(f"no parameter begins {echo(name)}{nearest(name, known)}")
        end = len(rest)
    key = ".".join(rest[: end or 1])
    # New keys get the override as their source.
    below = known.get(key, Node({}, value.where))
    changed = _set(below, rest[end or 1 :], value, (*above, key))
    return Node({**known, key: changed}, node.where)


def _relabelled(node: Node, where: str) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _relabelled(below, where) for key, below in node.value.items()}, where)
    if isinstance(node.value, list):
        return Node([_relabelled(below, where) for below in node.value], where)
    return replace(node, where=where)


def _switched(root: Node, keys: tuple[str, ...], value: Node) -> Node:
    """Drops the keys of the former variant if `keys` select another one, so that
    `schedule.name=none` works without unsetting `schedule.eta`. Keys set by overrides stay."""
    above, word = _part(keys)
    part = root
    for key in above:
        below = part.value.get(key) if isinstance(part.value, dict) else None
        if below is None:
            return root
        part = below
    options = _variants(root, above, word)
    if not isinstance(part.value, dict) or value.value not in list(options):
        return root
    old = part.value[word].value if word in part.value else None
    before = [options[old]] if isinstance(old, str) and old in options else options.values()
    alien = set().union(*before) - options[str(value.value)]
    kept = {
        key: node
        for key, node in part.value.items()
        if key not in alien or node.where.startswith("--set")
    }
    return _set(root, keys[:-1], replace(part, value=kept), ())


def _part(keys: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Keys that lead to a mapping, and the key in it; a parameter's name is one key."""
    if keys[0] == "space" and len(keys) > 2:
        return ("space", ".".join(keys[1:-1])), keys[-1]
    return keys[:-1], keys[-1]


def _own_function(root: Node) -> bool:
    trial = root.value.get("trial") if isinstance(root.value, dict) else None
    return trial is not None and isinstance(trial.value, dict) and is_own(trial.value)


def _variants(root: Node, above: tuple[str, ...], word: str) -> Mapping[str, set[str]]:
    """The values of `word` that select a variant, each with its allowed keys."""
    if above[:1] == ("space",) and word == "type":
        return {name: {field.name for field in fields_of(kind)} for name, kind in KINDS.items()}
    if word != "name" or not above:
        return {}
    if above[0] == "trial":
        config, family = fields(TrainConfig), () if _own_function(root) else above[1:]
    else:
        config, family = fields(StudySpec), above if above[0] in _UNIONS else ()
    field = config.get(family[0]) if len(family) == 1 else None
    options = variants(field.annotation) if field else {}
    return {name: set(fields(option)) for name, option in options.items()}
