import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotune.errors import InvalidInput
from autotune.space import Categorical, Condition, Float, Int, Space

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from(["a", "no", ">= 3", ""]),
    st.just(0.5),
)


def distinct(values):
    kept = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return tuple(kept)


@st.composite
def floats(draw, when):
    low = draw(st.floats(-1e6, 1e6, allow_subnormal=False))
    width = draw(st.floats(1e-3, 1e6))
    kind = draw(st.sampled_from(["plain", "log", "step", "points"]))
    if kind == "log":
        low = abs(low) + 1e-6
        return Float(low=low, high=low + width, log=True, when=when, prior=low, confidence="low")
    if kind == "step":
        step, steps = draw(st.sampled_from([0.1, 0.25, 1.0, 3.0])), draw(st.integers(1, 6))
        start = float(draw(st.integers(-9, 9)))
        return Float(low=start, high=round(start + step * steps, 6), step=step, when=when)
    points = draw(st.integers(2, 5)) if kind == "points" else None
    return Float(low=low, high=low + width, points=points, when=when)


@st.composite
def ints(draw, when):
    low, step = draw(st.integers(-9, 9)), draw(st.integers(1, 3))
    if draw(st.booleans()):
        return Int(low=abs(low) + 1, high=abs(low) + 9, log=True, when=when)
    return Int(low=low, high=low + step * draw(st.integers(1, 4)), step=step, when=when)


@st.composite
def conditions(draw, name, parent):
    if isinstance(parent, Float) or (isinstance(parent, Int) and draw(st.booleans())):
        return Condition(name, draw(st.sampled_from(["<=", ">=", "!="])), (parent.low,))
    grid = list(parent.grid())
    chosen = draw(st.lists(st.sampled_from(grid), min_size=1, max_size=3))
    return Condition(name, "in", distinct(chosen))


@st.composite
def spaces(draw, finite=False):
    parameters = {}
    for index in range(draw(st.integers(1, 6))):
        parents = (
            draw(st.lists(st.sampled_from(sorted(parameters)), max_size=2, unique=True))
            if parameters
            else []
        )
        when = tuple(draw(conditions(name, parameters[name])) for name in parents)
        choices = st.lists(SCALARS, min_size=1, max_size=4).map(distinct)
        kinds = [ints(when), choices.map(lambda c, w=when: Categorical(choices=c, when=w))]
        parameter = draw(st.one_of(*kinds, floats(when)))
        if finite and isinstance(parameter, Float) and parameter.grid() is None:
            parameter = Float(
                low=parameter.low, high=parameter.high, log=parameter.log, points=3, when=when
            )
        parameters[f"part{index % 2}.p{index}"] = parameter
    return Space(parameters)


@given(spaces(), st.integers())
def test_every_sample_satisfies_its_conditions_and_ranges(space, seed):
    values = space.sample(random.Random(seed))
    assert space.contains(values) == []
    assert tuple(values) == space.active(values)
    for name, parameter in space.parameters.items():
        holds = all(c.parent in values and c.holds(values[c.parent]) for c in parameter.when)
        assert (name in values) == holds


@given(spaces())
def test_what_is_dumped_parses_to_an_equal_space_in_the_same_order(space):
    again = Space.parse(space.dump())
    assert again == space
    assert list(again.parameters) == list(space.parameters)
    assert repr(again.dump()) == repr(space.dump())


@given(spaces(finite=True))
def test_count_is_the_number_of_distinct_combinations(space):
    count = space.count()
    if count is None or count > 3000:
        return
    combinations = list(space.combinations())
    assert len(combinations) == count
    assert len({repr(sorted(values.items(), key=str)) for values in combinations}) == count
    for values in combinations[:50]:
        assert space.contains(values) == []


@given(
    st.one_of(
        ints(()),
        floats(()),
        st.lists(SCALARS, min_size=1).map(lambda c: Categorical(choices=distinct(c))),
    )
)
def test_decode_reaches_every_value_and_both_ends(parameter):
    grid = list(parameter.grid() or ())
    low, high = parameter.decode(0.0), parameter.decode(1 - 2**-53)
    assert parameter.contains(low)
    assert parameter.contains(high)
    if isinstance(parameter, Float):
        assert low == pytest.approx(parameter.low)
        assert high == pytest.approx(parameter.high)
    if grid and not getattr(parameter, "points", None):
        assert {repr(parameter.decode(i / 4096)) for i in range(4096)} == {repr(v) for v in grid}


def test_steps_are_decimal():
    assert Float(low=0.1, high=0.5, step=0.1).grid() == [0.1, 0.2, 0.3, 0.4, 0.5]


def test_a_log_grid_has_even_ratios_and_exact_ends():
    assert Float(low=1e-4, high=1e-1, log=True, points=4).grid() == pytest.approx(
        [1e-4, 1e-3, 1e-2, 1e-1]
    )


def test_an_inactive_parent_makes_its_children_inactive():
    space = Space.parse(
        {
            "c": {"type": "int", "low": 0, "high": 1, "when": {"b": ">= 2"}},
            "b": {"type": "int", "low": 1, "high": 3, "when": {"a": ["x", "y"]}},
            "a": {"type": "categorical", "choices": ["x", "y", "z"]},
        }
    )
    assert list(space.parameters) == ["a", "b", "c"]
    assert space.active({"a": "x", "b": 2}) == ("a", "b", "c")
    assert space.active({"a": "x", "b": 1}) == ("a", "b")
    assert space.active({"a": "z", "b": 3}) == ("a",)
    assert space.count() == len(list(space.combinations())) == 2 * (1 + 2 * 2) + 1


@pytest.mark.parametrize(
    ("choices", "twins"),
    [((1, True), "1 and true"), ((False, "a", 0), "false and 0"), ((1.0, 1), "1.0 and 1")],
)
def test_choices_that_a_sampler_cannot_tell_apart_are_refused(choices, twins):
    with pytest.raises(InvalidInput, match=f"`choices` holds {twins}, which samplers cannot tell"):
        Categorical(choices=choices)


@pytest.mark.parametrize(
    ("operator", "operands"),
    [("~", (1,)), ("in", ()), ("in", ((1,),)), (">", ("a",)), (">", (1, 2)), ("!=", (1, 2))],
)
def test_a_condition_cannot_be_constructed_wrong(operator, operands):
    with pytest.raises(InvalidInput) as caught:
        Condition("p", operator, operands)
    assert caught.value.problems[0].path == ("when", "p")


def test_true_one_and_null_are_three_values():
    choices = Categorical(choices=(True, 2, None, "none"))
    assert choices.contains(True) and choices.contains(2) and choices.contains(None)
    assert not choices.contains(False) and not choices.contains(1)
    assert Condition("p", "in", (1,)).holds(1.0)
    assert not Condition("p", "in", (1,)).holds(True)
    assert not Condition("p", ">=", (1,)).holds(True)
    assert Condition("p", "!=", (1,)).holds(None)


def test_a_null_prior_counts_only_with_a_confidence():
    space = Space({"p": Categorical(choices=(None, 1), prior=None, confidence="high")})
    assert space.dump() == {
        "p": {"type": "categorical", "choices": [None, 1], "prior": None, "confidence": "high"}
    }
    assert Space.parse(space.dump()) == space


def test_numbers_are_read_as_the_kind_that_belongs_there():
    space = Space.parse(
        {"a": {"type": "int", "low": 1.0, "high": 1e3}, "b": {"type": "float", "low": 0, "high": 1}}
    )
    assert repr(space.parameters["a"].high) == "1000"
    assert repr(space.parameters["b"].low) == "0.0"


def test_a_grid_over_an_endless_float_says_what_is_missing():
    space = Space({"lr": Float(low=0.0, high=1.0), "n": Int(low=1, high=2)})
    assert space.count() is None
    with pytest.raises(InvalidInput, match="lr: a grid over a float needs `points:`"):
        space.combinations()


def test_a_space_of_many_parents_is_too_large_to_count():
    parameters = {f"p{i}": Int(low=1, high=1000) for i in range(3)}
    parameters["q"] = Int(
        low=0, high=1, when=tuple(Condition(f"p{i}", ">", (1,)) for i in range(3))
    )
    assert Space(parameters).count() is None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"p": 3}, "p: must be a mapping such as"),
        ({"p": {}}, "`type` must be float, int or categorical"),
        ({"p": {"type": "real"}}, "but got 'real'"),
        ({"p": {"type": ["int"]}}, "`type` must be"),
        ({"p": {"type": "int", "low": 1}}, "type int needs `high`"),
        ({"p": {"type": "int", "low": 1, "high": 3, "logg": True}}, "did you mean 'log'"),
        ({"p": {"type": "int", "low": 1, "high": 3, "points": 3}}, "type int has no 'points'"),
        (
            {"p": {"type": "int", "low": 0.5, "high": 3}},
            "`low` must be a whole number, but got 0.5",
        ),
        (
            {"p": {"type": "int", "low": True, "high": 3}},
            "`low` must be a whole number, but got true",
        ),
        ({"p": {"type": "int", "low": 1, "high": 2**60}}, "`high` must be a whole number"),
        ({"p": {"type": "float", "low": "a", "high": 3}}, "`low` must be a number, but got 'a'"),
        ({"p": {"type": "float", "low": float("nan"), "high": 3}}, "`low` must be a number"),
        ({"p": {"type": "float", "low": 0, "high": 10**400}}, "`high` must be a number"),
        ({"p": {"type": "float", "low": 2, "high": 1}}, "`low` must be below `high`"),
        ({"p": {"type": "float", "low": 1, "high": 1}}, "set it under `trial:`"),
        ({"p": {"type": "float", "low": 0, "high": 1, "log": True}}, "above 0 on a `log` scale"),
        (
            {"p": {"type": "float", "low": 1, "high": 2, "log": "yes"}},
            "`log` must be true or false",
        ),
        (
            {"p": {"type": "float", "low": 1, "high": 2, "log": True, "step": 0.5}},
            "`log` excludes `step`",
        ),
        ({"p": {"type": "float", "low": 1, "high": 2, "step": 0}}, "`step` must be above 0"),
        ({"p": {"type": "float", "low": 0, "high": 1, "step": 1e-9}}, "at most 1,000,000 steps"),
        ({"p": {"type": "int", "low": 1, "high": 8, "step": 3}}, "the last one is 7, but got 8"),
        (
            {"p": {"type": "float", "low": 1, "high": 2, "points": 1}},
            "`points` must be a whole number from 2",
        ),
        (
            {"p": {"type": "float", "low": 1, "high": 2, "points": 3, "step": 0.5}},
            "`points` excludes `step`",
        ),
        (
            {"p": {"type": "float", "low": 1, "high": 2, "prior": 3}},
            "`prior` must be a number from 1 to 2",
        ),
        ({"p": {"type": "int", "low": 1, "high": 9, "step": 2, "prior": 4}}, "`prior` must be"),
        ({"p": {"type": "int", "low": 1, "high": 9, "confidence": "low"}}, "needs a `prior`"),
        (
            {"p": {"type": "int", "low": 1, "high": 9, "prior": 2, "confidence": "hgih"}},
            "did you mean 'high'",
        ),
        ({"p": {"type": "categorical", "choices": []}}, "`choices` must hold 1 to 1000 values"),
        ({"p": {"type": "categorical", "choices": "ab"}}, "`choices` must be a list"),
        ({"p": {"type": "categorical", "choices": [[1]]}}, "a choice must be one value"),
        ({"p": {"type": "categorical", "choices": ["a", "a"]}}, "'a' is twice in `choices`"),
        ({"p": {"type": "categorical", "choices": [1, 1.0]}}, "`choices` holds 1 and 1.0"),
        (
            {"p": {"type": "categorical", "choices": ["a"], "prior": "b"}},
            "`prior` must be one of 'a'",
        ),
        (
            {"p": {"type": "categorical", "choices": ["a"], "when": ["q"]}},
            "`when` must be a mapping",
        ),
        (
            {"p": {"type": "categorical", "choices": ["a"], "when": {"q": {}}}},
            "`when` takes a value",
        ),
        ({"p": {"type": "categorical", "choices": ["a"], "when": {"q": "> x"}}}, "needs a number"),
        (
            {"p": {"type": "categorical", "choices": ["a"], "when": {"q": 1}}},
            "`when` names q, which is not",
        ),
        ({"p..q": {"type": "int", "low": 1, "high": 2}}, "a dotted path"),
        ({3: {"type": "int", "low": 1, "high": 2}}, "a dotted path"),
    ],
)
def test_what_cannot_be_a_space_says_why(raw, expected):
    with pytest.raises(InvalidInput) as caught:
        Space.parse(raw)
    assert expected in str(caught.value)


def test_relations_between_parameters_are_checked():
    depth, name = Int(low=1, high=4), Categorical(choices=("adam", "sgd"))

    def problems(**when):
        with pytest.raises(InvalidInput) as caught:
            Space(
                {"depth": depth, "name": name, "p": Int(low=0, high=1, when=tuple(when.values()))}
            )
        return str(caught.value)

    assert "p: name is never 'adma': it is one of 'adam', 'sgd'" in problems(
        c=Condition("name", "in", ("adma",))
    )
    assert "depth is never > 4: it is a whole number from 1 to 4" in problems(
        c=Condition("depth", ">", (4,))
    )
    assert "name is never >= 1" in problems(c=Condition("name", ">=", (1,)))
    with pytest.raises(InvalidInput, match="model is searched too, and model.name lies inside it"):
        Space({"model": name, "model.name": name})
    a, b, c = (Int(low=0, high=1, when=(Condition(parent, "in", (1,)),)) for parent in "bca")
    with pytest.raises(InvalidInput, match="conditions go in a circle: a -> b -> c -> a"):
        Space({"a": a, "b": b, "c": c})


def test_all_mistakes_come_in_one_go():
    with pytest.raises(InvalidInput) as caught:
        Space.parse(
            {
                "a": {"type": "int", "low": 2, "high": 1, "colour": 1, "when": {"zz": 1}},
                "b": {"type": "float", "low": 1},
                "c": {"type": "int", "low": 0, "high": 1, "when": {"a": 1, "nope": 2}},
            }
        )
    paths = [problem.path for problem in caught.value.problems]
    assert paths == [("a", "colour"), ("a", "low"), ("b",), ("c", "when", "nope")]
