"""Checks the addresses of a study, and hides their passwords."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from autotune.address import Address
from autotune.errors import Problem, without_secrets
from autotune.spec.model import DATABASE, STORE, StudySpec

__all__ = ["address_problems", "exposed", "literal_variables", "shown"]

_FORMS = {
    "storage": (DATABASE, "a sqlite:///path or postgresql address"),
    "tracking.uri": (STORE, "a sqlite:///path or an http(s), postgresql or mysql address"),
}
_WITHOUT = {
    "postgresql": ", or leave it out: ~/.pgpass and PGPASSWORD work",
    "http": ", or leave it out: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD work",
}
"""How a server's own client gets its password, by the beginning of the address."""
_VARIABLE = re.compile(r"\$\{\w+\}")
Keys = tuple[str | int, ...]


def _addresses(spec: StudySpec) -> Iterator[Address]:
    yield from filter(None, (spec.storage_address, spec.tracking_address))


def address_problems(spec: StudySpec) -> Iterator[Problem]:
    """Reports passwords in plain text, and variables that are not set or hold no address."""
    for address in _addresses(spec):
        form, words = _FORMS[address.setting]
        path = tuple(address.setting.split("."))
        if address.holds_secret:
            rule = f"`{address.setting}` must not hold a password: write ${{NAME}} in its place and"
            cures = [cure for kind, cure in _WITHOUT.items() if address.written.startswith(kind)]
            yield Problem(f"{rule} export NAME=...{''.join(cures)}", path)
        elif problem := address.unset_problem():
            yield Problem(problem.message, path)
        elif not form.fullmatch(address.reveal()):
            rule = f"`{address.setting}` must be {words} once its variables are filled in"
            yield Problem(f"{rule}, got {address}", path)


def exposed(spec: StudySpec) -> str:
    """A note on a password in plain text, as an old study may have; or ""."""
    for address in _addresses(spec):
        if address.holds_secret:
            cure = "write ${NAME} in its place, and export NAME=... before each command"
            return f"{address.where}: `{address.setting}` holds a password: {cure}"
    return ""


def literal_variables(spec: StudySpec) -> Iterator[str]:
    """A note on each `${...}` elsewhere: it is passed on as text."""
    for path, text in _texts(spec.trial, ("trial",)):
        if found := _VARIABLE.search(text):
            where = spec.locate(path)
            place = f"{where}: " if where else ""
            rule = "only `storage` and `tracking.uri` have their variables filled in"
            yield f"{place}`{'.'.join(map(str, path))}` passes {found[0]} on as text: {rule}"


def _texts(value: Any, path: Keys) -> Iterator[tuple[Keys, str]]:
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _texts(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _texts(below, (*path, index))
    elif isinstance(value, str):
        yield path, value


def shown(values: dict[str, Any]) -> dict[str, Any]:
    """A dumped spec with *** in place of passwords."""
    tracking = {
        key: without_secrets(value) if isinstance(value, str) else value
        for key, value in values["tracking"].items()
    }
    storage = {"storage": without_secrets(values["storage"])} if "storage" in values else {}
    return {**values, "tracking": tracking, **storage}
