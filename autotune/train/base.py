"""What every config of this room is: frozen, strict, and documented field by field.

A *family* is a set of interchangeable variants: a union of configs told apart by `name`. The union
is the registry: the checks, the schema, the docs and the tests read that one line.
"""

from collections.abc import Mapping
from types import NoneType
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict
from pydantic.fields import FieldInfo

__all__ = ["Config", "fields", "variants"]


class Config(BaseModel):
    # Strict: "3" is not a number and true is not 1, whatever file they come from.
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        serialize_by_alias=True,
    )


def fields(config: type[BaseModel]) -> Mapping[str, FieldInfo]:
    """The fields by the key a user writes."""
    return {field.alias or name: field for name, field in config.model_fields.items()}


def variants(annotation: Any) -> Mapping[str, type[BaseModel]]:
    """The configs a field or a union may hold, by `name`; one without a name has the key ""."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get("name")
        names = get_args(field.annotation) if field else ()
        return {names[0] if names else "": annotation}
    inner = [part for part in get_args(annotation) if part is not NoneType]
    return {name: config for part in inner for name, config in variants(part).items()}
