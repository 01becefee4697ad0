"""`trial.timeout` and `worker.silence` as they are written, checked and handed on."""

import pytest

from autotune.errors import InvalidInput
from autotune.spec import dump, load
from autotune.train.config import apply, timeout
from autotune.train.duration import spoken

OWN = """
name: s
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 3, timeout: 1h30m}
space:
  - optimizer.lr: {type: float, low: 1e-3, high: 1}
budget: {trials: 3}
worker: {silence: 90}
"""
FUNCTION = OWN.replace("data: {name: digits}, model: {name: mlp}", 'function: "my:run"')


@pytest.mark.parametrize("text", [OWN, FUNCTION])
def test_limits_are_durations(text, tmp_path):
    (tmp_path / "s.yaml").write_text(text)
    spec = load(tmp_path / "s.yaml")
    assert (spec.timeout, spec.worker.silence) == (5400, 90)
    (tmp_path / "again.yaml").write_text(dump(spec))
    assert 'silence: "1m30s"' in dump(spec) and load(tmp_path / "again.yaml") == spec
    config = apply(spec.base_config(), {"optimizer.lr": 0.1}).model_dump(mode="json")
    assert config["timeout"] == "1h30m" and timeout(config) == 5400


@pytest.mark.parametrize("text", [OWN, FUNCTION])
def test_what_has_no_limit_says_nothing_of_one(text, tmp_path):
    (tmp_path / "s.yaml").write_text(text.replace(", timeout: 1h30m", ""))
    spec = load(tmp_path / "s.yaml")
    assert spec.timeout is None
    assert "timeout" not in apply(spec.base_config(), {}).model_dump(mode="json")


def test_a_function_reads_its_limit_as_it_was_written():
    for written in (30, 0.5, "90s"):
        config = apply({"function": "my:run", "timeout": written}, {})
        assert config.model_dump(mode="json")["timeout"] == written


@pytest.mark.parametrize("base", [{"function": "my:run"}, {"data": {"name": "digits"}}])
@pytest.mark.parametrize(
    "value, rule", [("soon", "must be a duration"), (0, "must be > 0"), ("0s", "must be > 0")]
)
def test_a_limit_that_is_none_is_refused(base, value, rule):
    with pytest.raises(InvalidInput, match=f"`timeout` {rule}"):
        apply({**base, "timeout": value}, {})


def test_a_limit_cannot_be_searched(tmp_path):
    space = "  - timeout: {type: int, low: 10, high: 60}\n"
    (tmp_path / "s.yaml").write_text(OWN.replace("space:\n", "space:\n" + space))
    with pytest.raises(InvalidInput, match="`timeout` cannot be searched: every trial may work"):
        load(tmp_path / "s.yaml")
    # In a function's own config it may have another meaning; searched, it limits nothing.
    text = FUNCTION.replace(", timeout: 1h30m", "").replace("space:\n", "space:\n" + space)
    (tmp_path / "s.yaml").write_text(text)
    assert load(tmp_path / "s.yaml").timeout is None


def test_a_message_says_a_duration_as_people_do():
    assert [spoken(s) for s in (90, 0.5, 3600, 1.25)] == ["1m30s", "0.5s", "1h", "1.25s"]
