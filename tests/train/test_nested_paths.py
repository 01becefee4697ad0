"""Paths through parts within parts, on a config of the shape that `augment` has."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from autotune.train.base import Config
from autotune.train.invalid import problems
from autotune.train.paths import merge, paths


class Calm(Config):
    name: Literal["calm"] = "calm"


class Wild(Config):
    name: Literal["wild"] = "wild"
    angle: float = 10.0
    extra: dict[str, int] = {}


class Part(Config):
    policy: Annotated[Calm | Wild, Field(discriminator="name")] = Calm()
    ratio: Annotated[float, Field(ge=0)] = 0.0


class Whole(Config):
    part: Part | None = None
    again: "Whole | None" = None


def merged(values: dict[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    result, mistakes = merge(Whole, base or {}, values)
    assert not mistakes, mistakes
    Whole.model_validate(result)
    return result


def test_values_reach_parts_within_parts() -> None:
    values = {"part.policy.angle": 3.0, "part.policy.name": "wild", "part.ratio": 0.5}
    assert merged(values) == {"part": {"policy": {"name": "wild", "angle": 3.0}, "ratio": 0.5}}


def test_a_change_of_an_inner_name_drops_what_only_the_old_variant_has() -> None:
    base = {"part": {"policy": {"name": "wild", "angle": 3.0}, "ratio": 0.5}}
    assert merged({"part.policy.name": "calm"}, base) == {
        "part": {"policy": {"name": "calm"}, "ratio": 0.5}
    }


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (
            "part.policy.angle",
            "`part.policy.angle` does not belong to part.policy calm: "
            "add `when: {part.policy.name: [wild]}`",
        ),
        ("part.policy", "`part.policy` is a group of settings: search one of them"),
        ("part.ratio.x", "`part.ratio.x`: `part.ratio` has no parts"),
        ("part.rato", "`part.rato` is not a setting of a training, did you mean 'part.ratio'?"),
        ("part.policy.angel", "did you mean 'part.policy.angle'?"),
    ],
)
def test_mistakes_name_the_whole_path(path: str, words: str) -> None:
    _, mistakes = merge(Whole, {}, {path: 1.0})
    assert len(mistakes) == 1 and words in mistakes[0].message.replace("; ", ", ")
    assert mistakes[0].path == tuple(path.split("."))


def test_a_free_mapping_within_a_part_takes_any_key() -> None:
    values = {"part.policy.name": "wild", "part.policy.extra.deep": 1}
    assert merged(values)["part"]["policy"]["extra"] == {"deep": 1}


def test_paths_go_all_the_way_down_and_end() -> None:
    assert {"part.policy.name", "part.policy.angle", "part.ratio"} <= set(paths(Whole))


def test_a_wrong_value_is_found_where_the_user_wrote_it() -> None:
    data = {"part": {"policy": {"name": "wild", "angle": "x"}}}
    with pytest.raises(ValidationError) as caught:
        Whole.model_validate(data)
    (found,) = problems(caught.value, Whole, data)
    assert found.path == ("part", "policy", "angle")
    assert found.message == "`part.policy.angle` must be a number, got 'x'"
