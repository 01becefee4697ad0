"""What a study file means: YAML 1.2, fragments, overrides, and the way back to a file."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from autotune import spec as specs
from autotune.errors import InvalidInput
from autotune.spec import check, differences, dump, find, load, schema, shipped
from autotune.spec.reader import read_text
from autotune.spec.writer import write
from autotune.train.base import variants
from autotune.train.config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]
STUDIES, FRAGMENTS = shipped("studies"), shipped("search_spaces")
MODELS = set(variants(TrainConfig.model_fields["model"].annotation)) - {"mlp"}
STUDY = """\
name: tiny
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 9}
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 0.1, log: true}
budget: {trials: 20}
"""
AT_LAST = STUDY.replace("maximize}", "maximize, at: last}")  # as pruning needs it
SOURCE = "trial: {transfer: {source: {name: file, path: start.safetensors}}, "
LR = "  - optimizer.lr: {type: float, low: 1e-4, high: 0.1, log: true}\n"
BATCH = "batch_size: {type: int, low: 8, high: 64, log: true}\n"


def with_fragments(*names):
    return STUDY.replace("space:\n", "space:\n" + "".join(f"  - {name}\n" for name in names))


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_file(text=STUDY, **fragments):
        for name, content in fragments.items():
            (tmp_path / f"{name}.yaml").write_text(content)
        (tmp_path / "study.yaml").write_text(text)
        return "study.yaml"

    return write_file


def value(text):
    problems = []
    node = read_text(f"key: {text}", "file", problems)
    assert not problems
    return node.plain()["key"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("+7", 7),
        ("007", 7),
        ("0o17", 15),
        ("0xff", 255),
        ("true", True),
        ("~", None),
        ("", None),
        ("null", None),
        *(
            (word, word)
            for word in ("on", "no", "yes", "off", "y", "none", "1_000", "1:30", "2024-01-01")
        ),
        *((f'"{word}"', word) for word in ("1", "true", "null", "")),
        ("|\n  a\n  b\n", "a\nb\n"),
    ],
)
def test_plain_values_are_read_by_yaml_1_2(text, expected):
    assert value(text) == expected
    assert type(value(text)) is type(expected)


TEXTS = "on true 1e3 1 # ' \" \\ \n \x00 \x7f \x85 \u2028 \ufeff é 😀 @x *x &x !x %".split(" ")


@pytest.mark.parametrize(
    "written",
    ["", "a b", "a: b", "- x", *TEXTS, 1, 1.0, 1e-5, 1e22, True, None]
    + [[], {}, [1, [2]], {"a b": {"1": None}}],
)
def test_what_is_written_reads_back(written):
    problems = []
    node = read_text(write({"key": written, "block": {"k": written}}, ["block"]), "file", problems)
    assert not problems
    assert repr(node.plain()) == repr({"key": written, "block": {"k": written}})


def test_every_value_knows_its_line():
    node = read_text("a:\n  - 1\n  - b: 2\n    c:\n      - 3\n", "f", [])
    assert node.locate(("a", 0)) == "f:2"
    assert node.locate(("a", 1, "c", 0)) == "f:5"
    assert node.locate(("a", 1, "nothing", "there")) == "f:3"


def test_an_alias_stands_where_it_is_used():
    node = read_text("a: &x {b: 1}\nc: *x\n", "f", [])
    assert node.plain() == {"a": {"b": 1}, "c": {"b": 1}}
    assert node.locate(("c",)) == "f:2"


def test_defaults(study):
    spec = load(study())
    assert spec.seed == 0
    assert spec.search.name == "auto"
    assert spec.schedule.name == "auto"
    assert spec.objective.at == "best"
    assert (spec.confirm.top, spec.confirm.seeds) == (3, 3)
    assert spec.tracking.uri == "sqlite:///runs/mlflow.db"
    assert spec.storage is None


def test_an_objective_may_be_a_list_of_one(study):
    listed = STUDY.replace(
        "{metric: val_accuracy, goal: maximize}", "[{metric: val_accuracy, goal: maximize}]"
    )
    assert load(study(listed)) == load(study(STUDY))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("5m", 300), ("1h30m", 5400), ("1d", 86400), ("0.5", 0.5), ("1h 1s", 3601)],
)
def test_durations(study, text, seconds):
    spec = load(study(), [f"budget.time={text}"])
    assert spec.budget.time == seconds
    Path("again.yaml").write_text(dump(spec))
    assert load("again.yaml").budget.time == seconds


def test_the_study_decides_parts_of_the_training_config(study):
    config = load(study(), ["worker.cpus=2.5", "objective.at=last"]).base_config()
    assert config["threads"] == 2
    assert config["monitor"] == {"metric": "val_accuracy", "goal": "maximize", "at": "last"}
    assert load(study(), ["worker.cpus=0.5"]).base_config()["threads"] == 1


def test_auto_is_resolved_by_its_rule(study):
    assert load(study(), ["schedule.name=none"]).chosen_search().name == "mfgp"
    assert load(study(), ["trial.epochs=3"]).chosen_schedule().name == "none"
    assert load(study(), ["trial.epochs=4"]).chosen_schedule().name == "asha"
    assert load(study(), ["search.name=random"]).chosen_search().name == "random"


# -- fragments


def test_fragments_are_merged_in_order(study):
    a = BATCH + "optimizer.lr: {type: float, low: 1, high: 2}\n"
    b = "batch_size: {high: 32}\nclip_norm: {type: float, low: 1, high: 2}\n"
    space = load(study(with_fragments("a.yaml", "b.yaml"), a=a, b=b)).space.parameters
    assert list(space) == ["batch_size", "optimizer.lr", "clip_norm"]
    assert (space["batch_size"].low, space["batch_size"].high) == (8, 32)  # amended
    assert (space["optimizer.lr"].low, space["optimizer.lr"].log) == (1e-4, True)  # replaced


def test_fragments_lie_beside_the_file_that_names_them(tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    (tmp_path / "spaces/deep").mkdir(parents=True)
    (tmp_path / "studies/s.yaml").write_text(with_fragments("../spaces/a.yaml"))
    (tmp_path / "spaces/a.yaml").write_text("- deep/b.yaml\n")
    (tmp_path / "spaces/deep/b.yaml").write_text(BATCH)
    monkeypatch.chdir(tmp_path / "spaces")
    assert list(load("../studies/s.yaml").space.parameters) == ["batch_size", "optimizer.lr"]


def test_a_bare_name_is_a_shipped_fragment_unless_a_file_has_it(study):
    assert "model.depth" in load(study(with_fragments("mlp"))).space.parameters
    mine = load(study(with_fragments("mlp.yaml"), mlp=BATCH))
    assert list(mine.space.parameters) == ["batch_size", "optimizer.lr"]


def test_the_same_fragment_twice_is_no_circle(study):
    space = load(study(with_fragments("a.yaml", "a.yaml"), a=BATCH)).space
    assert len(space.parameters) == 2


# -- overrides


def test_overrides_set_values_anywhere(study):
    spec = load(
        study(),
        [
            "budget.trials=3",
            "space.optimizer.lr.high=1e-2",
            "space.optimizer.beta1={type: float, low: 0.8, high: 0.9}",
            "space.optimizer.name={type: categorical, choices: [adam]}",
            "trial.model.width=7",
            "worker.max=2",
            "name=other",
            "trial.optimizer.weight_decay=0.1",
        ],
    )
    assert spec.budget.trials == 3
    assert spec.space.parameters["optimizer.lr"].high == 0.01
    assert spec.space.parameters["optimizer.beta1"].low == 0.8
    assert spec.trial["model"] == {"name": "mlp", "width": 7}
    assert spec.trial["optimizer"] == {"weight_decay": 0.1}
    assert (spec.worker.max, spec.name) == (2, "other")


def test_later_overrides_win_and_nothing_unsets_a_value(study):
    assert load(study(), ["budget.trials=3", "budget.trials=4"]).budget.trials == 4
    spec = load(study(), ["budget.time=5m", "budget.trials="])
    assert (spec.budget.time, spec.budget.trials) == (300, None)


# -- back to a file


@pytest.mark.parametrize("name", STUDIES)
def test_a_dumped_study_reads_back_equal(name, tmp_path):
    spec = load(STUDIES[name])
    (tmp_path / "again.yaml").write_text(dump(spec))
    again = load(tmp_path / "again.yaml")
    assert again == spec
    assert dump(again) == dump(spec)


def test_differences_name_what_a_started_study_may_not_change(study):
    old = load(study())
    allowed = ["budget.trials=99", "worker.max=1", "confirm.top=1", "tracking.uri=sqlite:///x.db"]
    allowed += ["trial.timeout=10m", "worker.silence=90s"]
    assert differences(old, load(study(), allowed)) == []
    changes = {
        "seed=1": "seed was 0, now is 1",
        "trial.epochs=3": "trial.epochs was 9, now is 3",
        "objective.at=last": 'objective.at was "best", now is "last"',
        "space.optimizer.lr.high=1": "space.optimizer.lr.high was 0.1, now is 1.0",
        "search.name=tpe": 'search.name was "auto", now is "tpe"',
        "trial.batch_size=8": "trial.batch_size was not given, now is 8",
    }
    for override, line in changes.items():
        assert differences(old, load(study(), [override])) == [line]


def test_a_training_config_reads_back(study, tmp_path):
    Path("c.yaml").write_text("data: {name: digits}\nmodel: {name: mlp}\nepochs: 3\n")
    config = specs.load_config("c.yaml")
    assert config["optimizer"]["name"] == "adamw"
    Path("d.yaml").write_text(specs.dump_config(config, ["two\nlines", "of: comment"]))
    assert specs.load_config("d.yaml") == config
    assert Path("d.yaml").read_text().startswith("# two\n# lines\n# of: comment\n")
    Path("c.yaml").write_text("data: {name: digits}\nmodel: {name: mlp}\nepochs: 0\nsed: 1\n")
    with pytest.raises(InvalidInput) as caught:
        specs.load_config("c.yaml")
    assert {problem.where for problem in caught.value.problems} == {"c.yaml:3", "c.yaml:4"}


# -- what is shipped


@pytest.mark.parametrize("name", STUDIES)
def test_every_shipped_study_is_valid(name):
    text = STUDIES[name].read_text()
    assert text.startswith("# yaml-language-server: $schema=study.schema.json\n")
    check(load(STUDIES[name]))


@pytest.mark.parametrize("name", FRAGMENTS)
def test_every_shipped_fragment_makes_a_valid_study_alone(name, study):
    model = name if name in MODELS else "mlp"
    study_text = STUDY.replace("val_accuracy", "val_r2") if name == "regression" else AT_LAST
    text = study_text.replace("name: mlp", f"name: {model}").replace(LR, f"  - {name}\n")
    if name == "transfer":
        text = text.replace("trial: {", SOURCE)
    check(load(study(text)))


def test_all_fragments_make_a_valid_study_together(study):
    alone = (*MODELS, "regression")
    names = "".join(f"  - {name}\n" for name in FRAGMENTS if name not in alone)
    text = AT_LAST.replace(LR, names).replace("trial: {", SOURCE)
    check(load(study(text)))


def test_the_fragments_of_a_regression(study):
    text = STUDY.replace("val_accuracy, goal: maximize", "val_rmse, goal: minimize")
    check(load(study(text.replace(LR, "  - regression\n  - table\n"))))
    with pytest.raises(InvalidInput, match="the loss is searched: choose another than 'val_loss'"):
        load(study(text.replace(LR, "  - regression\n").replace("val_rmse", "val_loss")))


def test_a_fold_searched_alone_cross_validates(study):
    folds = "  - data.fold: {type: int, low: 0, high: 4}\n"
    text = STUDY.replace(LR, folds).replace("name: digits", "name: digits, folds: 5")
    check(load(study(text)))


def test_shipped_studies_are_found_from_anywhere(study, tmp_path):
    assert find("quickstart") == find("studies/quickstart.yaml") == STUDIES["quickstart"]
    own = tmp_path / "studies/quickstart.yaml"
    own.parent.mkdir()
    own.write_text(STUDY)
    assert find("quickstart").resolve() == own
    with pytest.raises(InvalidInput, match="did you mean 'quickstart'"):
        find("quikstart")


# -- the schema


def test_the_schema_file_is_the_schema():
    """Renew it: autotune schema > studies/study.schema.json"""
    assert json.loads((ROOT / "studies/study.schema.json").read_text()) == schema()


def test_the_schema_accepts_what_is_valid_and_explains_its_keys():
    validator = jsonschema.Draft202012Validator(schema())
    validator.check_schema(schema())
    for path in STUDIES.values():
        validator.validate(read_text(path.read_text(), path.name, []).plain())
        validator.validate(specs.plain(load(path)))
    properties = schema()["properties"]
    assert all(entry.get("description") for entry in properties.values())


@pytest.mark.parametrize(
    "override",
    """budget.trials=0 budget.trails=1 search.name=tpee schedule.eta=1 objective.goal=max
    trial.model.name=mpl trial.optimizer={"name":"adam","betaa":1} trial.seed=1 worker.cpus=0
    space.optimizer.lr.lo=1 space.optimizer.lr.type=real""".split(),
)
def test_the_schema_rejects_what_the_reader_rejects(study, override):
    with pytest.raises(InvalidInput):
        check(load(study(), [override]))
    plain = specs.plain(load(study()))
    path, _, text = override.partition("=")
    keys = path.replace("optimizer.lr.", "optimizer/lr.").split(".")
    below = plain
    for key in keys[:-1]:
        below = below.setdefault(key.replace("/", "."), {})
    below[keys[-1]] = value(text)
    assert not jsonschema.Draft202012Validator(schema()).is_valid(plain)


# -- layers


def test_reading_and_checking_a_study_imports_no_heavy_library():
    code = (
        "import sys; from autotune.spec import check, find, load, dump\n"
        "spec = load(find('quickstart')); dump(spec)\n"
        "early = {'torch', 'ray', 'mlflow', 'optuna'} & set(sys.modules)\n"
        "check(spec); late = {'torch', 'ray', 'mlflow', 'optuna'} & set(sys.modules)\n"
        "print(sorted(early), sorted(late))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[] []\n"


def test_choices_that_an_amendment_takes_away_take_along_what_depended_on_them(tmp_path):
    (tmp_path / "mix.yaml").write_text("""\
mix: {type: categorical, choices: [none, "1", 1, true], prior: none}
alpha: {type: float, low: 0, high: 1, when: {mix: "1"}}
beta: {type: float, low: 0, high: 1, when: {mix: ["1", 1]}}
gamma: {type: float, low: 0, high: 1, when: {mix: [1, true]}}
delta: {type: float, low: 0, high: 1, when: {alpha: {">": 0.5}}}
other: {type: float, low: 0, high: 1}
""")
    (tmp_path / "study.yaml").write_text("""\
name: narrowed
objective: {metric: loss, goal: minimize}
trial: {function: "json:loads", epochs: 1}
space: [mix.yaml, {mix: {choices: [none, 1]}}]
budget: {trials: 2}
""")
    space = load(tmp_path / "study.yaml").space.parameters
    assert list(space) == ["mix", "beta", "gamma", "other"]
    assert [space[name].when[0].operands for name in ("beta", "gamma")] == [(1,), (1,)]
