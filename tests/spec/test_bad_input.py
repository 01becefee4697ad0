"""Each mistake in a study: the line it is reported at, and what the user is told."""

import pytest

from autotune.errors import InvalidInput
from autotune.spec import check, load

STUDY = """\
name: tiny
seed: 0
objective: {metric: val_accuracy, goal: maximize}
trial:
  data: {name: digits}
  model: {name: mlp}
  epochs: 9
space:
  - optimizer.name: {type: categorical, choices: [momentum, adam]}
    optimizer.lr: {type: float, low: 1e-4, high: 1e-1, log: true}
    model.depth: {type: int, low: 1, high: 3}
search: {name: tpe}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 20}
worker: {cpus: 1, gpus: 0}
"""

EDITS = [
    # old, new, line, what the message says
    # -- the file
    ("name: tiny", "name: tiny\nname: other", 2, ["'name' is given twice", "study.yaml:1"]),
    ("name: tiny", "name: !!python/name:os.system tiny", 1, ["tags are not allowed"]),
    ("name: tiny", "name: [tiny", 2, ["not valid YAML"]),
    ("seed: 0", "\tseed: 0", 2, ["not valid YAML"]),
    ("seed: 0", "seed: *zero", 2, ["*zero names no value"]),
    ("seed: 0", "1: 2", 2, ["a key must be text, but got 1"]),
    ("seed: 0", "seed: 1e999", 2, ["a number must be finite, but got 1e999"]),
    ("seed: 0", f"seed: {'9' * 200}", 2, ["a number of 200 characters is too long"]),
    ("seed: 0", f"seed: {'[' * 40}{']' * 40}", 2, ["nested more than 30 levels deep"]),
    ("gpus: 0}", "gpus: 0}\n---\nseed: 1", 16, ["one document"]),
    ("seed: 0", "<<: {seed: 0}", 2, ["`<<`"]),
    ("seed: 0", 'seed: "\\ud800"', 2, ["surrogate"]),
    ("seed: 0", "seed: 'nothing ends this", 2, ["not valid YAML: while scanning a quoted scalar"]),
    ("seed: 0", f"{'k' * 300}: 0", 2, ["a key must be at most 200 printable characters", "..."]),
    ("seed: 0", '"a\\nb": 0', 2, ["printable characters"]),
    # -- the sections
    ("name: tiny\n", "", 1, ["`name` is required"]),
    ("name: tiny", "name: ../tiny", 1, ["`name` must be", "letters, digits", "'../tiny'"]),
    ("name: tiny", "name: ..", 1, ["`name` must be", "'..'"]),
    ("name: tiny", "name: a/b", 1, ["`name` must be"]),
    ("name: tiny", "name: -x", 1, ["not begin with '-'"]),
    ("name: tiny", "name: ''", 1, ["`name` must be"]),
    ("name: tiny", "name: 2024", 1, ["`name` must be text", "2024"]),
    ("name: tiny", f"name: {'n' * 300}", 1, ["`name` must be 1 to 100", "..."]),
    ("seed: 0", "seed: -1", 2, ["`seed` must be >= 0", "-1"]),
    ("seed: 0", "seed: true", 2, ["`seed` must be a whole number", "true"]),
    ("seed: 0", "sead: 0", 2, ["unknown key `sead`", "did you mean 'seed'"]),
    ("objective: {metric: val_accuracy, goal: maximize}\n", "", 1, ["`objective` is required"]),
    ("goal: maximize", "goal: max", 3, ["`objective.goal` must be maximize or minimize", "'max'"]),
    ("metric: val_accuracy", "metric: val_acc", 3, ["'val_acc'", "did you mean 'val_accuracy'"]),
    ("metric: val_accuracy", "metric: val_f1", 3, ["got 'val_f1': add `f1` to `trial.metrics`"]),
    ("metric: val_accuracy", "metric: val_rmse", 3, ["must be one that a trial reports"]),
    ("epochs: 9", "epochs: 9\n  loss: {name: mse}", 3, ["got 'val_accuracy'", "val_rmse"]),
    ("    model.depth: {", "    data.fold: {", 11, ["`data.fold` can only be searched alone"]),
    ("    model.depth: {", "    data.folds: {", 11, ["`data.folds` cannot be searched"]),
    ("goal: maximize", "goal: maximize, at: end", 3, ["`objective.at` must be one of", "'end'"]),
    ("goal: maximize", "goal: maximize, met: 1", 3, ["unknown key `objective.met`"]),
    (
        "{metric: val_accuracy, goal: maximize}",
        "val_accuracy",
        3,
        ["`objective` must be a mapping"],
    ),
    ("search: {name: tpe}", "search: {name: tpee}", 12, ["`search.name` 'tpee'", "'tpe'"]),
    ("search: {name: tpe}", "search: {startup: 3}", 12, ["`search.name` is required"]),
    ("search: {name: tpe}", "search: {name: tpe, startups: 3}", 12, ["did you mean 'startup'"]),
    ("search: {name: tpe}", "search: {name: tpe, startup: '3'}", 12, ["must be a whole number"]),
    ("{name: tpe}", "{name: tpe, fixed: 3}", 12, ["`search.fixed` must be a list", "got 3"]),
    ("{name: tpe}", "{name: tpe, fixed: [3]}", 12, ["must be a list of mappings"]),
    ("{name: tpe}", "{name: tpe, fixed: [{}]}", 12, ["must give at least one value"]),
    ("{name: tpe}", "{name: tpe, fixd: [{}]}", 12, ["did you mean 'fixed'"]),
    (
        "{name: tpe}",
        "\n  name: random\n  fixed:\n  - {model.depth: 2}\n  - {model.depth: 2, optimizer.rl: 1}",
        16,
        ["optimizer.rl is not searched; did you mean 'optimizer.lr'"],
    ),
    ("{name: tpe}", "{name: tpe, fixed: [{model.depth: 7}]}", 12, ["whole number from 1 to 3"]),
    ("{name: tpe}", "{name: tpe, fixed: [{model.depth: 2.5}]}", 12, ["but got 2.5"]),
    ("{name: tpe}", "{name: tpe, fixed: [{model.depth: [1]}]}", 12, ["but got [1]"]),
    ("{name: tpe}", "{name: tpe, fixed: [{optimizer.name: sgd}]}", 12, ["'momentum', 'adam'"]),
    ("{name: tpe}", "{name: sobol, warm_start: [a]}", 12, ["sobol makes no use", "tpe or gp"]),
    ("{name: tpe}", "{name: tpe, warm_start: a}", 12, ["must be a list of study names", "'a'"]),
    ("{name: tpe}", "{name: tpe, warm_start: [3]}", 12, ["must be a mapping", "got 3"]),
    ("{name: tpe}", "{name: tpe, warm_start: [tiny]}", 12, ["'tiny' is this study's own name"]),
    ("{name: tpe}", "{name: tpe, warm_start: [a, a]}", 12, ["study 'a' is named twice"]),
    ("{name: tpe}", "{name: tpe, warm_start: [{study: a, renam: {}}]}", 12, ["mean 'rename'"]),
    (
        "{name: tpe}",
        "{name: tpe, warm_start: [{study: a, rename: {lr: optimizer.rl}}]}",
        12,
        ["'optimizer.rl' is not searched; did you mean 'optimizer.lr'"],
    ),
    ("search: {name: tpe}", "search: {name: grid}", 10, ["optimizer.lr", "`points: 5`"]),
    ("grace: 1", "grace: 9", 13, ["must be below the trial's 9 epochs"]),
    ("grace: 1", "grace: 0", 13, ["`schedule.grace` must be >= 1"]),
    ("eta: 3", "eta: 1", 13, ["`schedule.eta` must be > 1", "got 1"]),
    ("eta: 3", "eta: three", 13, ["`schedule.eta` must be a number, got 'three'"]),
    (
        "{name: asha, grace: 1, eta: 3}",
        "{name: pbt, perturb: [optimizer.lr, model.depth]}",
        13,
        ["model.depth sizes the network", "parent's weights", "leave it out"],
    ),
    ("name: asha", "name: asah", 13, ["'asah'", "did you mean 'asha'"]),
    ("budget: {trials: 20}\n", "", 1, ["`budget` is required"]),
    ("{trials: 20}", "{}", 14, ["`budget` needs one of trials, time and gpu_hours"]),
    ("trials: 20", "trials: 0", 14, ["`budget.trials` must be >= 1", "got 0"]),
    ("trials: 20", "trials: 2.5", 14, ["`budget.trials` must be a whole number"]),
    ("trials: 20", "trails: 20", 14, ["unknown key `budget.trails`", "did you mean 'trials'"]),
    ("trials: 20", "time: 0s", 14, ["`budget.time` must be > 0"]),
    ("trials: 20", "time: 5 minutes", 14, ["a duration such as 90s, 5m or 1h30m", "'5 minutes'"]),
    ("trials: 20", "gpu_hours: 0", 14, ["`budget.gpu_hours` must be > 0"]),
    ("trials: 20", "gpu_hours: 1", 14, ["`budget.gpu_hours` needs `worker.gpus` above 0"]),
    ("trials: 20", "trials: 20, gpu_hours: 1", 14, ["never spend it", "`trials` or `time`"]),
    # -- numbers that no study can mean
    (
        "trials: 20",
        f"trials: 1{'0' * 24}",
        14,
        ["at most 1,000,000", "leave it out and set `time`"],
    ),
    ("epochs: 9", "epochs: 100000000000", 7, ["`trial.epochs` must be at most 1,000,000"]),
    ("epochs: 9", f"epochs: 9\n  batch_size: {10**12}", 8, ["batch_size` must be at most"]),
    ("high: 3", "high: 100000", 11, ["`model.depth` must be <= 1000, got 100000"]),
    (
        "model.depth: {type: int, low: 1, high: 3}",
        f"model.width: {{type: int, low: 1, high: {10**12}}}",
        11,
        ["`high` must be at most 10,000,000"],
    ),
    ("cpus: 1", "cpus: 1000000", 15, ["`worker.cpus` must be at most 1,000, got 1e+06"]),
    ("gpus: 0", "gpus: 1000000", 15, ["`worker.gpus` must be at most 10,000"]),
    ("gpus: 0", f"max: {10**24}", 15, ["`worker.max` must be at most 10,000,000"]),
    (
        "worker: {",
        "confirm: {top: 1000000}\nworker: {",
        15,
        ["`confirm.top` must be at most 1,000"],
    ),
    ("worker: {", "confirm: {seeds: 1000000}\nworker: {", 15, ["`confirm.seeds` must be at most"]),
    ("{name: tpe}", f"{{name: tpe, startup: {10**9}}}", 12, ["`search.startup` must be at most"]),
    (
        "{name: tpe}",
        "{name: cmaes, population: 1000000}",
        12,
        ["`search.population` must be at most"],
    ),
    (
        "{name: asha, grace: 1, eta: 3}",
        f"{{name: median, startup: {10**9}}}",
        13,
        ["`schedule.startup` must be at most 10,000,000"],
    ),
    ("cpus: 1", "cpus: 0", 15, ["`worker.cpus` must be > 0"]),
    ("cpus: 1", "cpus: '1'", 15, ["`worker.cpus` must be a number"]),
    ("gpus: 0", "gpus: no", 15, ["`worker.gpus` must be a number", "'no'"]),
    ("gpus: 0", "gpus: -1", 15, ["`worker.gpus` must be >= 0"]),
    ("gpus: 0", "processes: 0", 15, ["`worker.processes` must be >= 1"]),
    ("gpus: 0", "processes: 2", 15, ["`worker.processes` is for a function", "`trial.parallel`"]),
    ("gpus: 0", "collective_timeout: soon", 15, ["`worker.collective_timeout`", "such as 90s"]),
    ("gpus: 0", "max: 0", 15, ["`worker.max` must be >= 1"]),
    ("worker: {", "confirm: {top: -1}\nworker: {", 15, ["`confirm.top` must be >= 0"]),
    ("worker: {", "confirm: {seeds: 0}\nworker: {", 15, ["`confirm.seeds` must be >= 1"]),
    ("worker: {", "confirm: 3\nworker: {", 15, ["`confirm` must be a mapping"]),
    ("worker: {", "storage: runs/x.db\nworker: {", 15, ["`storage`", "sqlite"]),
    ("worker: {", "tracking: {uri: ''}\nworker: {", 15, ["`tracking.uri`"]),
    # -- the trial
    ("  data: {name: digits}\n", "", 4, ["data` is required"]),
    ("  model: {name: mlp}\n", "", 4, ["model.name` is required"]),
    ("  epochs: 9\n", "", 4, ["epochs` is required"]),
    ("name: digits", "name: digit", 5, ["'digit'", "did you mean 'digits'"]),
    ("name: mlp", "name: mlp, widht: 3", 6, ["model.widht`", "did you mean 'width'"]),
    ("name: mlp", "name: mlp, width: 0", 6, ["model.width` must be >= 1"]),
    ("epochs: 9", "epochs: nine", 7, ["epochs` must be a whole number", "'nine'"]),
    ("epochs: 9", "epochs: 9\n  seed: 3", 8, ["`trial.seed` is decided by the study", "`seed`"]),
    ("epochs: 9", "epochs: 9\n  threads: 3", 8, ["`trial.threads`", "`worker.cpus`"]),
    ("epochs: 9", "epochs: 9\n  monitor: {}", 8, ["`trial.monitor`", "`objective`"]),
    ("epochs: 9", "epochs: 9\n  optimiser: {}", 8, ["optimiser`", "did you mean 'optimizer'"]),
    # -- the space
    ("low: 1, high: 3", "low: 3, high: 1", 11, ["`low` must be below `high`", "3 and 1"]),
    ("low: 1, high: 3", "low: 3, high: 3", 11, ["set it under `trial:`"]),
    ("low: 1e-4", "low: 0", 10, ["`low` must be above 0 on a `log` scale", "got 0"]),
    ("low: 1e-4", "low: -1", 10, ["`low` must be above 0 on a `log` scale"]),
    ("low: 1e-4", "low: abc", 10, ["`low` must be a number", "'abc'"]),
    ("log: true", "log: true, step: 0.01", 10, ["`log` excludes `step`"]),
    ("log: true", "log: yes", 10, ["`log` must be true or false", "'yes'"]),
    ("log: true", "prior: 3", 10, ["`prior` must be a number from 0.0001 to 0.1"]),
    ("log: true", "confidence: high", 10, ["`confidence` needs a `prior`"]),
    ("log: true", "prior: 0.01, confidence: hihg", 10, ["did you mean 'high'"]),
    ("log: true", "logg: true", 10, ["has no 'logg'", "did you mean 'log'"]),
    ("type: int", "type: integer", 11, ["float, int or categorical", "'integer'"]),
    ("type: int, ", "", 11, ["`type` must be float, int or categorical"]),
    ("high: 3", "high: 3.5", 11, ["`high` must be a whole number", "3.5"]),
    ("high: 3", "high: 4, step: 2", 11, ["the last one is 3"]),
    ("{type: int, low: 1, high: 3}", "3", 11, ["model.depth: must be a mapping", "got 3"]),
    ("[momentum, adam]", "[]", 9, ["`choices` must hold 1 to"]),
    ("[momentum, adam]", "adam", 9, ["`choices` must be a list", "'adam'"]),
    ("[momentum, adam]", "[adam, adam]", 9, ["'adam' is twice"]),
    ("[momentum, adam]", "[adam, adma]", 9, ["'adma'", "did you mean 'adam'"]),
    ("model.depth", "model.deph", 11, ["`model.deph`", "did you mean 'model.depth'"]),
    ("model.depth", "model", 11, ["`model` is a group of settings"]),
    ("model.depth", "model..depth", 11, ["a dotted path"]),
    ("model.depth", "model.dropout", 11, ["`model.dropout` must be"]),
    ("model.depth", "epochs", 11, ["`epochs` cannot be searched", "trial.epochs"]),
    ("model.depth", "seed", 11, ["`seed` cannot be searched"]),
    ("model.depth", "data.name", 11, ["`data.name` cannot be searched", "the same data"]),
    ("[momentum, adam]", "[1, true]", 9, ["`choices` holds 1 and true, which samplers cannot"]),
    ("[momentum, adam]", "[2, 2.0]", 9, ["`choices` holds 2 and 2.0"]),
    ("low: 1e-4", "low: .nan", 10, ["a number must be finite, but got .nan"]),
    ("high: 1e-1", "high: 1e400", 10, ["a number must be finite, but got 1e400"]),
    ("high: 3", "high: 1e20", 11, ["`high` must be a whole number"]),
    ("low: 1e-4", "low: [1]", 10, ["`low` must be a number"]),
    ("model.depth", "data.seed", 11, ["`data.seed` cannot be searched", "same split"]),
    ("model.depth", "optimizer.lr.x", 11, ["optimizer.lr is searched too"]),
    (
        "model.depth: {type: int, low: 1, high: 3}",
        "optimizer.momentum: {type: float, low: 0.5, high: 0.9}",
        11,
        ["does not belong to optimizer adam", "`when: {optimizer.name: [momentum,"],
    ),
    ("low: 1, high: 3", "low: 1, high: 3, when: {optimizer.nam: adam}", 11, ["'optimizer.name'"]),
    ("low: 1, high: 3", "low: 1, high: 3, when: {optimizer.name: adm}", 11, ["never 'adm'"]),
    ("low: 1, high: 3", "low: 1, high: 3, when: {optimizer.lr: '> 1'}", 11, ["never > 1"]),
    ("low: 1, high: 3", "low: 1, high: 3, when: {optimizer.lr: '> x'}", 11, ["needs a number"]),
    ("low: 1, high: 3", "low: 1, high: 3, when: adam", 11, ["`when` must be a mapping"]),
    ("low: 1, high: 3", "low: 1, high: 3, when: {model.depth: 2}", 11, ["in a circle"]),
    ("space:\n  - o", "space:\n  - nope.yaml\n  - o", 9, ["no fragment 'nope.yaml'"]),
    ("space:\n  - o", "space:\n  - optmizer\n  - o", 9, ["did you mean 'optimizer'"]),
    (
        "space:\n  - o",
        "space:\n  - study.yaml\n  - o",
        9,
        ["in a circle: study.yaml -> study.yaml"],
    ),
    ("space:\n  - o", "space:\n  - 3\n  - o", 9, ["path of a fragment", "got 3"]),
    ("space:\n  - o", "space:\n  - .\n  - o", 9, ["cannot read", "it is a folder"]),
]

OVERRIDES = [
    ("budget.trials=0", "--set budget.trials", ["`budget.trials` must be >= 1"]),
    ("budget.trails=3", "--set budget.trails", ["unknown key `budget.trails`"]),
    ("budget.trials=[3", "--set budget.trials", ["not valid YAML"]),
    ("budget.trials", "", ["--set takes path=value"]),
    ("space.optimizer.lr.low=1", "--set space.optimizer.lr.low", ["`low` must be below `high`"]),
    ("space.optimizer.lrr.low=1", "--set space.optimizer.lrr.low", ["'optimizer.lr'"]),
    ("trial.model.name=mpl", "--set trial.model.name", ["'mpl'", "did you mean 'mlp'"]),
    ("trial.epochs=1", "", ["must be below the trial's 1 epochs"]),
    ("trial.reports_per_epoch=0", "--set trial.reports_per_epoch", ["must be >= 1, got 0"]),
    ("trial.reports_per_epoc=2", "--set trial", ["did you mean 'reports_per_epoch'"]),
    ("name=a b", "--set name", ["`name` must be"]),
    (".=1", "", [""]),
    (f"{'a.' * 3000}a=1", "", ["--set takes path=value"]),
]

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]\n"
    for old, new in zip("abcdef", "bcdefg", strict=True)
)


def mistakes(path, overrides=()):
    with pytest.raises(InvalidInput) as caught:
        check(load(path, overrides))
    assert all("\n" not in str(problem) for problem in caught.value.problems)
    return caught.value.problems


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes a study, and at the end looks whether anything else was written beside it."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"

    def write(text):
        path.write_text(text)
        return "study.yaml"

    yield write
    assert [entry.name for entry in tmp_path.iterdir()] == ["study.yaml"]


def test_the_study_that_the_mistakes_are_made_in_is_without_one(study):
    check(load(study(STUDY)))


@pytest.mark.parametrize(("old", "new", "line", "fragments"), EDITS)
def test_a_mistake_is_told_at_its_line(study, old, new, line, fragments):
    assert STUDY.count(old) == 1
    problem, *others = mistakes(study(STUDY.replace(old, new)))
    assert {problem.where, *(other.where for other in others)} == {f"study.yaml:{line}"}
    for fragment in fragments:
        assert fragment in problem.message


def test_a_study_begun_before_a_number_was_refused_is_still_read(study):
    text = STUDY.replace("trials: 20", f"gpu_hours: 1, trials: {10**24}")
    assert load(study(text)).budget.trials == 10**24
    assert len(mistakes(study(text))) == 2


@pytest.mark.parametrize(("override", "where", "fragments"), OVERRIDES)
def test_a_mistake_in_an_override_names_the_override(study, override, where, fragments):
    problem = mistakes(study(STUDY), [override])[0]
    assert problem.where.startswith(where)
    for fragment in fragments:
        assert fragment in problem.message


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("", 1, "the file is empty"),
        ("# nothing\n", 1, "the file is empty"),
        ("- a\n", 1, "a study is a mapping, but got a list"),
        ("tiny\n", 1, "a study is a mapping, but got 'tiny'"),
        (LAUGHS, 5, "more than 20,000 values, aliases unfolded"),
        ("a: &a [*a]\n", 1, "*a names no value before it"),
        ("x: " + "[" * 5000, 1, "nested more than 30 levels deep"),
        ("z" * 1_000_001, 0, "1,000,000 characters"),
    ],
)
def test_a_file_that_is_no_study(study, text, line, fragment):
    problem = mistakes(study(text))[0]
    assert fragment in problem.message
    assert problem.where == (f"study.yaml:{line}" if line else "study.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [("seed: 0", "seed: .inf"), ("low: 1e-4", "low: 1e999"), ("trials: 20", "trials: *x")],
)
def test_what_cannot_be_read_is_told_once(study, old, new):
    """Nothing is said of the value that stands in for it."""
    assert len(mistakes(study(STUDY.replace(old, new)))) == 1


def test_bytes_that_are_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_bytes(b"name: x\nseed: \xff\n")
    (problem,) = mistakes("study.yaml")
    assert str(problem) == "study.yaml:2: not a text file in UTF-8"


def test_a_missing_file_and_a_folder(tmp_path):
    (problem,) = mistakes(tmp_path / "none.yaml")
    assert "No such file" in problem.message
    (problem,) = mistakes(tmp_path)
    assert "it is a folder" in problem.message


def test_a_mistake_in_a_fragment_is_told_at_the_fragments_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("space:\n", "space:\n  - parts/a.yaml\n"))
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.yaml").write_text(
        "# one\n- b.yaml\n- batch_size: {type: int, low: 1, high: 0}\n"
    )
    (tmp_path / "parts/b.yaml").write_text(
        "# two\n\nclip_norm:\n  type: float\n  low: 1\n  hihg: 2\n"
    )
    assert {problem.where for problem in mistakes("study.yaml")} == {
        "parts/a.yaml:3",
        "parts/b.yaml:3",
        "parts/b.yaml:6",
    }


def test_fragments_in_a_circle_are_told_where_it_closes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("space:\n", "space:\n  - a.yaml\n"))
    (tmp_path / "a.yaml").write_text("- b.yaml\n")
    (tmp_path / "b.yaml").write_text("\n- a.yaml\n")
    (problem,) = mistakes("study.yaml")
    assert (
        str(problem)
        == "b.yaml:2: fragments include one another in a circle: a.yaml -> b.yaml -> a.yaml"
    )


def test_a_flood_of_fragments_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(STUDY.replace("space:\n", "space:\n  - f0.yaml\n"))
    for n in range(20):
        (tmp_path / f"f{n}.yaml").write_text(f"- f{n + 1}.yaml\n- f{n + 1}.yaml\n")
    (tmp_path / "f20.yaml").write_text("batch_size: {type: int, low: 1, high: 9}\n")
    (problem,) = mistakes("study.yaml")
    assert "at most 100 fragments" in problem.message


def test_all_mistakes_come_in_one_go_in_the_order_of_the_file(study):
    text = STUDY
    for old, new in [
        ("name: tiny", "name: ../x"),
        ("goal: maximize", "goal: max"),
        ("metric: val_accuracy", "metric: val_acc"),
        ("name: digits", "name: digit"),
        ("type: int", "type: real"),
        ("[momentum, adam]", "[adam, adma]"),
        ("search: {name: tpe}", "search: {name: tpee}"),
        ("grace: 1", "grace: 20"),
        ("trials: 20", "trials: 0"),
        ("cpus: 1", "cpus: x"),
    ]:
        text = text.replace(old, new)
    problems = mistakes(study(text), ["worker.mx=3"])
    lines = [int(p.where.rpartition(":")[2]) for p in problems if p.where.startswith("study")]
    assert lines == sorted(lines)
    # Line 9 waits: a space with an unreadable parameter is not walked through.
    assert set(lines) == {1, 3, 5, 11, 12, 13, 14, 15}
    assert lines.count(3) == 2
    assert problems[-1].where == "--set worker.mx"


def test_a_value_is_echoed_in_at_most_60_characters(study):
    (problem,) = mistakes(study(STUDY.replace("name: tiny", f"name: {'long ' * 100}")))
    assert len(problem.message) < 200
