"""The base of every training config: frozen, strict, and documented field by field.

A *family* is a set of interchangeable variants: a union of configs distinguished by `name`. The
union is the registry: the checks, the schema, the docs and the tests read that one line.
"""

import ast
import inspect
from collections.abc import Mapping
from itertools import pairwise
from textwrap import dedent
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

__all__ = ["Config", "attribute_docs", "fields", "variants"]


class Config(BaseModel):
    # Strict: "3" is not a number and true is not 1, in whatever file.
    model_config = ConfigDict(
        defer_build=True,
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
    )


def fields(config: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields by the key in a study file."""
    return {field.alias or name: field for name, field in config.model_fields.items()}


def attribute_docs(config: type) -> Mapping[str, str]:
    """The docstrings below the attributes of a class, by name, inherited ones included.

    They are read from the source on demand: pydantic's `use_attribute_docstrings` reads it whenever
    a class is created, a fifth of the start of every command.
    """
    docs: dict[str, str] = {}
    for part in reversed(config.__mro__):
        if part not in (object, BaseModel):
            docs |= _docs_in(part)
    return docs


def _docs_in(config: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(dedent(inspect.getsource(config))).body
    except (OSError, SyntaxError, TypeError):  # made in an interactive session, or of C
        return {}
    assert isinstance(tree, ast.ClassDef)
    return {
        field.target.id: inspect.cleandoc(text.value.value)
        for field, text in pairwise(tree.body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def variants(annotation: Any) -> Mapping[str, type[BaseModel]]:
    """The configs that a field or a union may hold, by `name`; one without a name has the key
    ""."""
    known = _VARIANTS.get(id(annotation))
    if known is None:
        known = _VARIANTS[id(annotation)] = (annotation, _variants(annotation))
    return known[1]


_VARIANTS: dict[int, tuple[Any, Mapping[str, type[BaseModel]]]] = {}
"""Cached by annotation, which need not be hashable: each config of a study asks for the same
ones."""


def _variants(annotation: Any) -> dict[str, type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get("name")
        names = get_args(field.annotation) if field else ()
        return {names[0] if names else "": annotation}
    inner = [part for part in get_args(annotation) if part is not NoneType]
    return {name: config for part in inner for name, config in variants(part).items()}
