"""`storage` and `tracking.uri`: variables are kept as written, passwords are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.errors import InvalidInput
from autotune.spec import StudySpec, check, load

STUDY = """\
name: tiny
objective: {metric: val_accuracy, goal: maximize}
trial: {data: {name: digits}, model: {name: mlp}, epochs: 9}
space:
  - optimizer.lr: {type: float, low: 1e-4, high: 0.1, log: true}
budget: {trials: 20}
tracking: {uri: "http://me:${TRACK}@host:5000"}
storage: "postgresql://me:${PGPW}@host/db"
"""


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., StudySpec]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACK", "hunter2")
    monkeypatch.setenv("PGPW", "hunter3")
    (tmp_path / "study.yaml").write_text(STUDY)
    return lambda *overrides: load("study.yaml", overrides)


def mistakes(loaded: Callable[..., StudySpec], *overrides: str) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        check(loaded(*overrides))
    return [str(problem) for problem in caught.value.problems]


def test_variables_stay_as_written(loaded: Callable[..., StudySpec]) -> None:
    spec = loaded()
    assert check(spec) == []
    assert spec.tracking.uri == "http://me:${TRACK}@host:5000"
    for text in (specs.dump(spec), specs.dump_shown(spec), repr(specs.plain(spec)), repr(spec)):
        assert "${TRACK}" in text and "${PGPW}" in text and "hunter" not in text
    Path("again.yaml").write_text(specs.dump(spec))
    assert load("again.yaml") == spec
    assert spec.storage_address and spec.storage_address.reveal() == (
        "postgresql://me:hunter3@host/db"
    )
    assert spec.tracking_address and spec.tracking_address.where == "study.yaml:7"
    assert loaded("storage=null", "tracking.uri=none").storage_address is None
    assert loaded("storage=null", "tracking.uri=none").tracking_address is None


def test_unset_variables_are_found_by_check(
    loaded: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TRACK")
    monkeypatch.delenv("PGPW")
    assert mistakes(loaded) == [
        "study.yaml:7: `tracking.uri` needs ${TRACK}: TRACK is not set; export TRACK=... first",
        "study.yaml:8: `storage` needs ${PGPW}: PGPW is not set; export PGPW=... first",
    ]


@pytest.mark.parametrize(
    ("override", "cure"),
    [
        ("storage=postgresql://me:geheim@host/db", "~/.pgpass and PGPASSWORD work"),
        ("storage=postgresql://me@host/db?password=geheim", "~/.pgpass and PGPASSWORD work"),
        ("tracking.uri=postgresql+psycopg://me:geheim@h/db", "~/.pgpass and PGPASSWORD work"),
        ("tracking.uri=https://me:geheim@host", "MLFLOW_TRACKING_PASSWORD work"),
        ("tracking.uri=https://geheim@host", "MLFLOW_TRACKING_PASSWORD work"),
        ("tracking.uri=mysql+pymysql://me:geheim@host/db", "export NAME=..."),
    ],
)
def test_a_password_is_refused_and_not_printed(
    loaded: Callable[..., StudySpec], override: str, cure: str
) -> None:
    (told,) = mistakes(loaded, override)
    name = override.partition("=")[0]
    rule = f"`{name}` must not hold a password: write ${{NAME}} in its place and export NAME=..."
    assert told.startswith(f"--set {name}: {rule}") and told.endswith(cure)
    assert "geheim" not in told


@pytest.mark.parametrize(
    "override",
    [
        "storage=mongodb://me:geheim@host/db",
        "tracking.uri=ftp://me:geheim@host/db",
        "storage=[postgresql://me:geheim@host/db]",
        "name=http://me:geheim@host",
        "=postgresql://me:geheim@host/db",
    ],
)
def test_no_other_message_prints_one(loaded: Callable[..., StudySpec], override: str) -> None:
    assert "geheim" not in "\n".join(mistakes(loaded, override))


@pytest.mark.parametrize("text", ["${}", "${a-b}", "x${", "sqlite:///${1}/x.db"])
def test_a_variable_has_a_name(loaded: Callable[..., StudySpec], text: str) -> None:
    (told,) = mistakes(loaded, f"storage='{text}'")
    assert told.startswith("--set storage: `storage` names a variable as ${NAME}")


def test_a_variable_must_hold_an_address(
    loaded: Callable[..., StudySpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHOLE", "hunter4")
    (told,) = mistakes(loaded, "storage='${WHOLE}'")
    assert told == (
        "--set storage: `storage` must be a sqlite:///path or postgresql address once its "
        "variables are filled in, got ${WHOLE}"
    )
    monkeypatch.setenv("WHOLE", "sqlite:///x.db")
    assert check(loaded("storage='${WHOLE}'")) == []


def test_braces_without_quotes_have_their_cure(loaded: Callable[..., StudySpec]) -> None:
    Path("study.yaml").write_text(STUDY.replace('"http://me:${TRACK}@host:5000"', "${TRACK}"))
    with pytest.raises(InvalidInput) as caught:
        loaded()
    assert str(caught.value).startswith("study.yaml:7: not valid YAML")
    assert str(caught.value).endswith('put quotes around "${...}"')


def test_elsewhere_a_variable_is_passed_on_as_it_stands(loaded: Callable[..., StudySpec]) -> None:
    spec = loaded("trial={function: 'autotune.testing.trials:learns', root: '${HOME}/x'}")
    assert specs.plain(spec)["trial"]["root"] == "${HOME}/x"
    (note,) = [note for note in check(spec) if "HOME" in note]
    assert note == (
        "--set trial: `trial.root` passes ${HOME} on as text: only `storage` and `tracking.uri` "
        "have their variables filled in"
    )


def test_a_study_of_before_is_read_with_its_password_and_shown_without(
    loaded: Callable[..., StudySpec],
) -> None:
    Path("old.yaml").write_text(specs.dump(loaded()).replace("${PGPW}", "geheim"))
    spec = load("old.yaml")
    assert spec.storage_address and "geheim" in spec.storage_address.reveal()
    assert "geheim" in specs.dump(spec)
    assert "geheim" not in specs.dump_shown(spec) + repr(specs.plain(spec))
    assert specs.exposed(spec).startswith("old.yaml:")
    assert "`storage` holds a password" in specs.exposed(spec)
    assert specs.exposed(loaded()) == ""
