"""The studies of a user's own code run from any folder, and with a copy of the code edited."""

from pathlib import Path

import pytest
import torch

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.examples import network, objective
from autotune.export.bundle import export
from autotune.trial import State

SMALL = (
    "budget.trials=3",
    "confirm.top=1",
    "confirm.seeds=2",
    "tracking.uri=none",
    "trial.epochs=2",
)
OWN = {
    "custom-model": ("network.py", "trial.model.build=my_net:build"),
    "custom-objective": ("objective.py", "trial.function=my_trial:boost"),
}


@pytest.mark.parametrize("name", OWN)
def test_it_runs_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = specs.load(specs.find(name), SMALL)
    history, _ = drive(spec, tmp_path / "runs", engine="inline")
    assert len(history.trials) == 3 and len(history.confirms) == 2
    assert all(run.state in (State.COMPLETE, State.PRUNED) for run in history.trials)
    best = history.best()
    assert best is not None and best.mean is not None and best.mean > 0.2
    assert (best.test is None) == (name == "custom-objective")
    written = export(history, tmp_path / "best")
    kept_nothing = ["the function kept nothing"] if name == "custom-objective" else []
    assert [note.partition(",")[0] for note in written.notes] == kept_nothing
    assert len(written.figures) == (2 if name == "custom-model" else 0)


@pytest.mark.parametrize("name", OWN)
def test_a_copy_beside_the_user_takes_its_place(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, override = OWN[name]
    monkeypatch.chdir(tmp_path)
    module = override.partition("=")[2].partition(":")[0]
    here = Path(network.__file__).parent
    text = (here / file).read_text()
    (tmp_path / f"{module}.py").write_text(text + '\nopen("used", "w").close()\n')
    settings = (*SMALL, override, "budget.trials=1", "confirm.top=0")
    spec = specs.load(specs.find(name), settings)
    history, _ = drive(spec, tmp_path / "runs", engine="inline")
    assert history.trials[0].state is State.COMPLETE
    assert (tmp_path / "used").exists()


def test_the_headers_name_files_that_are_there() -> None:
    root = Path(network.__file__).parents[2]
    for name, (file, _) in OWN.items():
        assert f"autotune/examples/{file}" in specs.shipped("studies")[name].read_text()
        assert (root / "autotune" / "examples" / file).is_file()


@pytest.mark.parametrize("patch", [1, 2, 4])
def test_the_network_answers_for_any_patch(patch: int) -> None:
    model = network.build((3, 8, 12), 5, patch=patch, width=6, depth=3)
    assert model(torch.zeros(2, 3, 8, 12)).shape == (2, 5)
    assert not any(isinstance(module, torch.nn.Conv2d) for module in model.modules())


def test_a_patch_that_does_not_fit_is_a_line() -> None:
    with pytest.raises(ValueError, match="patches of 3 do not tile images of 8 x 8"):
        network.build((1, 8, 8), 10, patch=3)


def test_boosting_depends_on_its_seed_alone() -> None:
    config = {"epochs": 2, "learning_rate": 0.3, "max_depth": 2, "subsample": 0.5}
    config |= {"max_features": 0.2, "seed": 2**40}

    class Heard:
        def __init__(self) -> None:
            self.values: list[tuple[int, float]] = []

        def report(self, epoch: int, val_accuracy: float) -> None:
            self.values.append((epoch, val_accuracy))

    first, again, other = Heard(), Heard(), Heard()
    for heard, seed in ((first, 2**40), (again, 2**40), (other, 1)):
        objective.boost({**config, "seed": seed}, heard)  # type: ignore[arg-type]
    assert first.values == again.values != other.values
    assert [epoch for epoch, _ in first.values] == [1, 2] and first.values[1][1] > 0.5
