"""Models in MLflow: logged once, registered, and the champion only where it is better."""

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from autotune import spec as specs
from autotune.address import Address
from autotune.app.deliver import check_registration, deliver
from autotune.app.runner import drive, store_of
from autotune.errors import AutotuneError, UserError
from autotune.export.bundle import export
from autotune.study.history import load
from autotune.tracking.mlflow import LABEL, STUDY, connect
from autotune.tracking.models import Score, log_model, register

UID = "0123abcd"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, new_database: Callable) -> Address:
    """A store with the parent run of one study."""
    folder = tmp_path_factory.mktemp("store")
    address = Address(new_database(folder))
    client = connect(address.reveal())
    experiment = client.create_experiment("s", (folder / "artifacts").as_uri())
    client.create_run(experiment, tags={"autotune.uid": UID, LABEL: STUDY})
    return address


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "MLmodel").write_text("flavors: {}\n")
    return tmp_path / "saved"


def test_a_model_is_logged_once(store, saved) -> None:
    tags = {"autotune.sha256": "1", "autotune.study": "s"}
    first = log_model(store, UID, saved, tags)
    assert log_model(store, UID, saved, tags) == first
    assert log_model(store, UID, saved, {**tags, "autotune.sha256": "2"}) != first
    client = connect(store.reveal())
    run = client.search_runs(["1"], f"tags.`autotune.uid` = '{UID}'")[0]
    assert first in [one.model_id for one in run.outputs.model_outputs]


def test_a_study_that_is_not_in_the_store_is_said(store, saved) -> None:
    with pytest.raises(AutotuneError, match="is not in its MLflow store yet: autotune sync"):
        log_model(store, "unknown", saved, {})


def test_the_champion_is_the_best_on_one_test_split(store, saved) -> None:
    def said(number: int, score: Score | None) -> str:
        model = log_model(store, UID, saved, {"autotune.sha256": f"r{number}"})
        return register(store, "digits", model, score)

    def score(value: float, split: str = "a", greater: bool = True) -> Score:
        return Score("test accuracy", value, greater, split)

    assert said(1, None).endswith("version 1; no champion yet: its test split was not read")
    assert "version 2, the champion now: it is the first" in said(2, score(0.9))
    assert said(3, score(0.8)) == (
        "registered digits version 3; version 2 stays the champion: test accuracy 0.8 on the same "
        "test split, where version 2 has 0.9"
    )
    assert "version 2 stays the champion" in said(4, score(0.9))  # as good is not better
    assert "were not scored on the same test split" in said(5, score(0.99, split="b"))
    assert "version 6, the champion now: test accuracy 0.95" in said(6, score(0.95))
    assert said(6, score(0.95)) == "registered digits version 6, the champion"
    client = connect(store.reveal())
    assert str(client.get_model_version_by_alias("digits", "champion").version) == "6"


def test_less_may_be_better(store, saved) -> None:
    for number, value, words in ((1, 2.0, "now"), (2, 3.0, "stays"), (3, 1.5, "champion now")):
        model = log_model(store, UID, saved, {"autotune.sha256": f"l{number}"})
        assert words in register(store, "rmse", model, Score("test rmse", value, False, "a"))


SMALL = ("budget.trials=1", "trial.epochs=2", "confirm.top=1", "confirm.seeds=1")


@pytest.mark.slow
def test_an_export_is_served_by_mlflow(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    drive(specs.load(specs.find("quickstart"), SMALL), runs, engine="inline")
    history = load("quickstart", runs)
    check_registration(history, runs, "digits")
    done = export(history, tmp_path / "best", formats=["mlflow"])
    logged, registered = deliver(history, runs, done, tmp_path / "best", ["mlflow"], "digits")[-2:]
    assert "models:/m-" in logged
    assert registered.startswith("registered digits version 1, the champion now")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    store = store_of("quickstart", runs)[0].reveal()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits@champion"]
    server = subprocess.Popen(
        [*command, "--env-manager", "local", "--port", str(port)],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "MLFLOW_TRACKING_URI": store},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answer = asked(port, {"inputs": np.zeros((2, 1, 8, 8)).tolist()})
    finally:
        server.terminate()
        server.wait(30)
    assert len(answer["predictions"]) == 2 and "p_9" in answer["predictions"][0]


def asked(port: int, samples: object) -> dict[str, list[dict[str, float]]]:
    body = json.dumps(samples).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations", body, {"Content-Type": "application/json"}
    )
    for _ in range(240):
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return dict(json.load(reply))
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer")


def test_what_cannot_be_registered_is_refused_first(tmp_path) -> None:
    quiet = specs.load(specs.find("quickstart"), [*SMALL, "tracking.uri=none"])
    drive(quiet, tmp_path, engine="inline")
    history = load("quickstart", tmp_path)
    check_registration(history, tmp_path, None)
    with pytest.raises(UserError, match="--register needs MLflow: study .* is not tracked"):
        check_registration(history, tmp_path, "digits")
    with pytest.raises(UserError, match="a name must be without / and :"):
        check_registration(history, tmp_path, "a/b")
