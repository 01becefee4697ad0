"""The JSON schema of study files, from which editors complete and explain keys."""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from autotune.spec.model import StudySpec
from autotune.spec.objectives import Within
from autotune.train.base import attribute_docs
from autotune.train.config import CommandConfig, FunctionConfig, TrainConfig

__all__ = ["schema"]

_FILL = "#/$defs/"
_NUMBER = {"type": "number"}
_SCALAR = {"type": ["string", "number", "boolean", "null"]}
_WHEN = {
    "type": "object",
    "description": "Searched only where all of these hold: a value, a list of values, or a "
    "comparison such as '>= 3'.",
    "additionalProperties": {"anyOf": [_SCALAR, {"type": "array", "items": _SCALAR}]},
}


class _Described(GenerateJsonSchema):
    """Takes descriptions of keys from the docstrings below their fields."""

    def model_schema(self, schema: core_schema.ModelSchema) -> dict[str, Any]:
        return _described(super().model_schema(schema), schema["cls"])

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> dict[str, Any]:
        return _described(super().dataclass_schema(schema), schema["cls"])


def _described(made: dict[str, Any], config: type) -> dict[str, Any]:
    known = config.model_fields if issubclass(config, BaseModel) else {}
    for name, text in attribute_docs(config).items():
        key = known[name].alias or name if name in known else name
        if key in made.get("properties", {}):
            made["properties"][key].setdefault("description", text)
    return made


def schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of study.yaml, as yaml-language-server reads it."""
    _, whole = models_json_schema(
        [
            (model, "validation")
            for model in (StudySpec, TrainConfig, FunctionConfig, CommandConfig)
        ],
        by_alias=True,
        schema_generator=_Described,
    )
    definitions = whole["$defs"]
    study = definitions.pop("StudySpec")
    trial = definitions["TrainConfig"]
    for decided_by_study in ("seed", "threads", "monitor"):
        trial["properties"].pop(decided_by_study)
        definitions["FunctionConfig"]["properties"].pop(decided_by_study)
        definitions["CommandConfig"]["properties"].pop(decided_by_study)
    trial.pop("required", None)  # a searched section may be missing in `trial`
    properties = study["properties"]
    properties["trial"] = _trial(properties["trial"]["description"])
    objective = properties["objective"]
    properties["objective"] = {
        "description": objective.get("description", ""),
        "anyOf": [
            {"$ref": f"{_FILL}Objective"},
            {"type": "array", "items": {"$ref": f"{_FILL}Objective"}, "minItems": 1},
        ],
    }
    tracking = properties["tracking"]
    trackers = [{"$ref": part["$ref"]} for part in tracking["oneOf"]]
    properties["tracking"] = {
        "description": tracking.get("description", ""),
        "anyOf": [{"enum": ["mlflow", "none"]}, *trackers],
        "default": tracking["default"],
    }
    properties["pick"] = {
        "description": properties["pick"]["description"],
        "anyOf": [{"const": "knee"}, Within.model_json_schema(schema_generator=_Described)],
        "default": None,
    }
    parameters = {"type": "object", "additionalProperties": {"$ref": f"{_FILL}Parameter"}}
    entries = {"anyOf": [{"type": "string", "description": "A fragment."}, parameters]}
    properties["space"] = {
        "description": properties["space"].get("description", ""),
        "anyOf": [parameters, {"type": "array", "items": entries}],
    }
    definitions["Parameter"] = _parameter()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **study,
        "title": "An autotune study",
        "$defs": definitions,
    }


def _trial(description: str) -> dict[str, Any]:
    """A function, a command, or a training config."""
    kinds = {kind: {"$ref": f"{_FILL}{kind}"} for kind in ("CommandConfig", "TrainConfig")}
    command = {"if": {"required": ["command"]}, "then": kinds["CommandConfig"]}
    return {
        "description": description,
        "if": {"required": ["function"]},
        "then": {"$ref": f"{_FILL}FunctionConfig"},
        "else": {**command, "else": kinds["TrainConfig"]},
    }


def _parameter() -> dict[str, Any]:
    """A parameter of any kind; without `type`, an amendment of an earlier fragment."""
    numbers = {"low": _NUMBER, "high": _NUMBER, "log": {"type": "boolean"}, "step": _NUMBER}
    kinds = [
        _kind("float", {**numbers, "points": {"type": "integer", "minimum": 2}, "prior": _NUMBER}),
        _kind("int", {**numbers, "prior": {"type": "integer"}}),
        _kind("categorical", {"choices": {"type": "array", "items": _SCALAR}, "prior": _SCALAR}),
    ]
    return {"description": "A parameter: a range or a list of choices.", "anyOf": kinds}


def _kind(name: str, properties: dict[str, Any]) -> dict[str, Any]:
    confidence = {"enum": ["low", "medium", "high"]}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "type": {"const": name},
            **properties,
            "confidence": confidence,
            "when": _WHEN,
        },
    }
