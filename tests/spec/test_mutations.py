"""Whatever is done to a study, a user reads lines that say what is wrong, never a traceback."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autotune.errors import InvalidInput
from autotune.spec import StudySpec, check, dump, load, load_config
from autotune.spec.writer import write

TEXT = """\
name: tiny
seed: 0
objective: {metric: val_accuracy, goal: maximize, at: best}
trial:
  data: {name: digits, seed: 1}
  model: {name: mlp, width: 16}
  optimizer: {name: momentum, momentum: 0.8}
  epochs: 9
space:
  - optimizer.name: {type: categorical, choices: [momentum, adam], prior: adam, confidence: low}
    optimizer.lr: {type: float, low: 1e-4, high: 1e-1, log: true}
  - optimizer.momentum:
      {type: float, low: 0.5, high: 0.9, points: 3, when: {optimizer.name: momentum}}
    model.depth: {type: int, low: 1, high: 5, step: 2}
    activation.name: {type: categorical, choices: [relu, elu], when: {model.depth: ">= 2"}}
search: {name: tpe, startup: 5, fixed: [{optimizer.lr: 0.01, model.depth: 3}]}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 20, time: 5m, gpu_hours: 1.5}
worker: {cpus: 1, gpus: 1, max: 2}
confirm: {top: 2, seeds: 2}
tracking: {uri: none}
"""

STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 12),
    st.sampled_from([10**30, -(10**90), 2**53 + 1, 2**63, 0.5, -0.0, 1e300, 5e-324, 1e-4]),
    st.sampled_from(
        ["", "asha", "none", "adam", "momentum", ">= 2", "< x", "5m", "../x", "é", "\0"]
    ),
    st.sampled_from([[], {}, [[]], {"name": "adam"}, {"name": None}, {"": 1}, ["mlp"], "mlp"]),
    st.text(max_size=6),
).map(copy.deepcopy)
KEYS = st.one_of(
    st.sampled_from(
        ["name", "type", "when", "low", "high", "log", "step", "prior", "choices", "seed", "space"]
    ),
    st.sampled_from(["optimizer.lr", "model.depth", "function", "trial", "a.b", "", "<<", "0"]),
    st.text(max_size=4),
)
SCRAPS = ["{", "}", "[", "]", ":", ",", "- ", "&a ", "*a", "!!int ", "|", ">", "'", '"', "#", "\t"]
SCRAPS += [
    "\n",
    "\n---\n",
    "? ",
    "%",
    "@",
    "\\",
    ".nan",
    ".inf",
    "0x",
    "1e999",
    "\0",
    "\ufeff",
    "é",
]
LIMITS = settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    path = tmp_path_factory.mktemp("valid") / "study.yaml"
    path.write_text(TEXT)
    spec = load(path)
    check(spec)
    return json.loads(json.dumps(raw_of(spec)))


def raw_of(spec):
    return {k: v for k, v in spec.model_dump(mode="json").items() if v is not None}


def told(action, *arguments):
    """What `action` answers, or None where it told the user instead."""
    try:
        return action(*arguments)
    except InvalidInput as error:
        for problem in error.problems:
            assert problem.message and "\n" not in str(problem)
            assert "pydantic" not in problem.message
        return None


def survives(path, overrides=()):
    spec = told(load, path, overrides)
    assert spec is None or isinstance(spec, StudySpec)
    if spec is not None:
        told(check, spec)
        again = Path(path).with_name("again.yaml")
        again.write_text(dump(spec))
        assert load(again) == spec


def places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, below in items:
        if isinstance(below, (dict, list)):
            yield from places(below, (*path, key))


@st.composite
def mutations(draw, value):
    """`value` with one to three changes to its mappings and lists."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        node = value
        for key in draw(st.sampled_from(list(places(value)))):
            node = node[key]
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        change = draw(st.sampled_from(["delete", "replace", "insert", "rename"]))
        if change == "insert" or not keys:
            if isinstance(node, dict):
                node[draw(KEYS)] = draw(STRANGE)
            else:
                node.append(draw(STRANGE))
        elif change == "delete":
            del node[draw(st.sampled_from(keys))]
        elif change == "rename" and isinstance(node, dict):
            node[draw(KEYS)] = node.pop(draw(st.sampled_from(keys)))
        else:
            node[draw(st.sampled_from(keys))] = draw(STRANGE)
    return value


@LIMITS
@given(data=st.data())
def test_changed_keys_and_values_bring_no_traceback(valid, tmp_path, data):
    path = tmp_path / "study.yaml"
    path.write_text(write(data.draw(mutations(valid))))
    survives(path)


@LIMITS
@given(data=st.data())
def test_a_changed_text_brings_no_traceback(tmp_path, data):
    text = TEXT
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 5))
        scrap = data.draw(st.one_of(st.sampled_from(SCRAPS), st.text(max_size=3)))
        text = text[:at] + scrap + text[at + cut :]
    path = tmp_path / "study.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    survives(path)


@LIMITS
@given(
    path=st.lists(KEYS | st.sampled_from(["budget", "schedule", "0"]), min_size=1, max_size=4),
    value=STRANGE.map(lambda value: write({"v": value})[3:]) | st.text(max_size=8),
)
def test_any_override_brings_no_traceback(tmp_path, path, value):
    study = tmp_path / "study.yaml"
    study.write_text(TEXT)
    survives(study, [f"{'.'.join(path)}={value}"])


@LIMITS
@given(data=st.data())
def test_a_changed_config_brings_no_traceback(tmp_path, valid, data):
    path = tmp_path / "config.yaml"
    path.write_text(write(data.draw(mutations(valid["trial"]))))
    told(load_config, path)
