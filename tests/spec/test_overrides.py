"""What `--set` does beyond setting a value: it chooses variants, and may give a whole space."""

import pytest

from autotune.errors import InvalidInput
from autotune.spec import MlflowTracking, NoTracking, check, dump, load

STUDY = """\
name: tiny
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: mlp, width: 16, depth: 2}
  optimizer: {name: momentum, momentum: 0.8, lr: 0.1}
  epochs: 9
space:
  - batch_size: {type: int, low: 8, high: 64, log: true}
search: {name: tpe, startup: 5}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 20}
"""


@pytest.fixture
def loaded(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY)

    def load_with(*overrides):
        spec = load("study.yaml", overrides)
        check(spec)
        return spec

    return load_with


def mistakes(action, *overrides):
    with pytest.raises(InvalidInput) as caught:
        action(*overrides)
    return [str(problem) for problem in caught.value.problems]


def test_another_variant_drops_what_only_the_old_one_knows(loaded):
    assert loaded("schedule.name=none").schedule.model_dump() == {"name": "none"}
    median = loaded("schedule.name=median").schedule
    assert (median.name, median.grace) == ("median", 1)
    assert loaded("search.name=random").search.model_dump() == {"name": "random"}
    spec = loaded("trial.optimizer.name=adam", "trial.model.name=cnn")
    assert spec.trial["optimizer"] == {"name": "adam", "lr": 0.1}
    assert spec.trial["model"] == {"name": "cnn"}


def test_another_kind_of_parameter_drops_what_only_the_old_kind_knows(loaded):
    spec = loaded("space.batch_size.type=categorical", "space.batch_size.choices=[8, 16]")
    assert spec.space.dump() == {"batch_size": {"type": "categorical", "choices": [8, 16]}}


def test_the_same_variant_keeps_its_settings(loaded):
    assert loaded("schedule.name=asha").schedule.eta == 3
    assert loaded("trial.optimizer.name=momentum").trial["optimizer"]["momentum"] == 0.8


@pytest.mark.parametrize("first", [True, False])
def test_what_an_override_gave_is_never_dropped(loaded, first):
    overrides = ["schedule.eta=4", "schedule.name=none"]
    (told,) = mistakes(loaded, *(overrides if first else reversed(overrides)))
    assert told == "--set schedule.eta: unknown key `schedule.eta` (valid: name)"


def test_an_unknown_variant_is_the_only_mistake(loaded):
    (told,) = mistakes(loaded, "schedule.name=nonne")
    assert told.startswith("--set schedule.name: `schedule.name` 'nonne' is unknown; did you mean")


def test_a_function_of_ones_own_keeps_all_its_keys(tmp_path):
    path = tmp_path / "study.yaml"
    own = "trial: {function: 'my.train:run', optimizer: {name: momentum, momentum: 0.8}, epochs: 9}"
    path.write_text(STUDY[: STUDY.index("trial:")] + own + STUDY[STUDY.index("\nspace:") :])
    spec = load(path, ["trial.optimizer.name=adam"])
    assert spec.trial["optimizer"] == {"name": "adam", "momentum": 0.8}


@pytest.mark.parametrize("trial", ["3", "[1]", "null"])
def test_a_trial_that_is_no_mapping_is_told(loaded, trial):
    told = mistakes(loaded, f"trial={trial}", "trial.optimizer.name=adam")
    assert all("Traceback" not in line for line in told)


def test_a_whole_space_may_be_given_with_fragments_beside_the_user(loaded, tmp_path):
    (tmp_path / "own.yaml").write_text("model.depth: {type: int, low: 1, high: 2}\n")
    spec = loaded("space=[own.yaml, activation]", "space.model.depth.high=3")
    assert spec.space.parameters["model.depth"].high == 3
    assert "activation.name" in spec.space.parameters


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ("[]", "`space` must hold at least one parameter"),
        ("{}", "`space` must hold at least one parameter"),
        ("3", "a space is a mapping of parameters, or a list of fragments and such mappings"),
        ("", "a space is a mapping of parameters"),
        ("[3]", "each entry is the path of a fragment or a mapping of parameters, but got 3"),
        ("[optimzer]", "no fragment 'optimzer'; did you mean 'optimizer'?"),
    ],
)
def test_a_wrong_space_is_told(loaded, space, expected):
    (told,) = mistakes(loaded, f"space={space}")
    assert told.startswith(f"--set space: {expected}")


@pytest.mark.parametrize(
    "uri",
    ["sqlite:///runs/x.db", "http://host:5000", "https://host/x", "postgresql://u@h/db"]
    + ["mysql+pymysql://u@h/db"],
)
def test_where_a_study_may_be_tracked(loaded, uri):
    assert loaded(f"tracking.uri='{uri}'").tracking.uri == uri


@pytest.mark.parametrize(
    "tracking", ["none", "{name: none}", "{uri: none}", "{name: mlflow, uri: none}"]
)
def test_a_study_without_a_tracker(loaded, tracking):
    spec = loaded(f"tracking={tracking}")
    assert spec.tracking == NoTracking() and spec.tracking_address is None
    assert "tracking: {name: none}\n" in dump(spec)


@pytest.mark.parametrize(
    "tracking", ["mlflow", "{name: mlflow}", "{}", "{uri: 'sqlite:///runs/mlflow.db'}"]
)
def test_mlflow_is_the_tracker_unless_told_otherwise(loaded, tracking):
    assert loaded(f"tracking={tracking}").tracking == loaded().tracking == MlflowTracking()


@pytest.mark.parametrize(
    ("tracking", "expected"),
    [
        ("wandb", "`tracking.name` 'wandb' is unknown (valid: mlflow, none)"),
        ("{name: mlfow}", "`tracking.name` 'mlfow' is unknown; did you mean 'mlflow'?"),
        (
            "{url: x}",
            "unknown key `tracking.url`; did you mean 'uri'? (valid: name, system_metrics, uri)",
        ),
        ("{name: none, uri: x}", "unknown key `tracking.uri` (valid: name)"),
        ("3", "`tracking` must be a mapping, got 3"),
    ],
)
def test_a_wrong_tracker_is_told(loaded, tracking, expected):
    (told,) = mistakes(loaded, f"tracking={tracking}")
    assert expected in told


@pytest.mark.parametrize("uri", ["nonsense", "None", "./mlruns", "file:///x", "ftp://h", "http://"])
def test_where_no_study_is_tracked(loaded, uri):
    (told,) = mistakes(loaded, f"tracking.uri='{uri}'")
    assert "`tracking.uri` must be none, sqlite:///path" in told and told.endswith(f"got '{uri}'")
