import json
from pathlib import Path

import pytest
import torch

from autotune.errors import AutotuneError
from autotune.train import loop
from autotune.train.checkpoint import Best, Checkpoint, clear_after, load, load_best, write


def checkpoint(step: int, best: int | None = None) -> Checkpoint:
    weights = {"w": torch.full((2, 3), float(step)), "n": torch.tensor(step)}
    kept = {"w": torch.full((2, 3), float(best or step)), "n": torch.tensor(best or step)}
    state = {"state": {0: {"step": torch.tensor(float(step))}}, "param_groups": [{"lr": 0.1}]}
    return Checkpoint(step, weights, state, Best(best or step, {"val_loss": 0.5}, kept))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def two(tmp_path: Path) -> Path:
    write(tmp_path, checkpoint(3))
    write(tmp_path, checkpoint(7, best=3))
    return tmp_path


def test_what_is_written_is_read(two: Path) -> None:
    found = load(two, 7)
    assert found is not None
    assert found.step == 7 and found.best.step == 3
    assert torch.equal(found.weights["w"], torch.full((2, 3), 7.0))
    assert torch.equal(found.best.weights["w"], torch.full((2, 3), 3.0))
    assert found.state == checkpoint(7).state
    best = load_best(two)
    assert (best.step, best.metrics) == (3, {"val_loss": 0.5})
    assert json.loads((two / "best.json").read_text()) == {"step": 3, "metrics": {"val_loss": 0.5}}


def test_two_are_kept(two: Path) -> None:
    write(two, checkpoint(9))
    steps = {f"step-{step:06d}.{kind}" for step in (7, 9) for kind in ("state", "safetensors")}
    assert files(two) == steps | {"best.json", "best.safetensors"}


@pytest.mark.parametrize(("newest", "step"), [(9, 7), (7, 7), (6, 3), (3, 3), (2, None), (0, None)])
def test_never_beyond_what_is_asked(two: Path, newest: int, step: int | None) -> None:
    found = load(two, newest)
    assert (found.step if found else None) == step


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_bit(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-3] ^= 1
    path.write_bytes(raw)


def damage_gone(path: Path) -> None:
    path.unlink()


def damage_noise(path: Path) -> None:
    path.write_bytes(b"\x80\x04noise" * 20)


DAMAGES = [damage_cut, damage_empty, damage_bit, damage_gone, damage_noise]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("kind", ["safetensors", "state"])
def test_a_damaged_one_falls_back_to_the_older(two: Path, kind: str, damage) -> None:
    damage(two / f"step-000007.{kind}")
    found = load(two, 7)
    assert found is not None and found.step == 3
    damage(two / f"step-000003.{kind}")
    assert load(two, 7) is None


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damaged_best_weights_are_refused(two: Path, damage) -> None:
    damage(two / "best.safetensors")
    with pytest.raises(AutotuneError, match="no whole weights"):
        load_best(two)


def test_an_abandoned_future_is_removed(two: Path) -> None:
    clear_after(two, 3)
    assert load(two, 9).step == 3  # type: ignore[union-attr]
    clear_after(two / "absent", 3)


def test_training_goes_on_from_the_older_when_the_newest_is_damaged(
    make, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)  # one each epoch
    config = make(epochs=6)
    whole = list(loop.train(config, tmp_path / "whole"))
    list(loop.train(config, tmp_path / "parts", to_step=4))
    damage_cut(tmp_path / "parts" / "step-000004.safetensors")
    rest = list(loop.train(config, tmp_path / "parts", resume=4))
    assert [report.step for report in rest] == [4, 5, 6]
    assert [report.metrics for report in rest] == [report.metrics for report in whole[3:]]
    assert load_best(tmp_path / "parts").metrics == load_best(tmp_path / "whole").metrics


def test_a_journal_behind_the_checkpoints_decides(make, tmp_path, monkeypatch) -> None:
    """The checkpoint of an epoch that was never journaled is not used, nor are its best weights."""
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY", 0.0)
    config = make(epochs=6)
    list(loop.train(config, tmp_path, to_step=4))
    rest = loop.train(config, tmp_path, resume=3)
    assert next(rest).step == 4
    rest.close()
    assert [report.step for report in loop.train(config, tmp_path, resume=0)] == [1, 2, 3, 4, 5, 6]


def test_files_only_at_the_end_of_a_short_training(make, tmp_path) -> None:
    training = loop.train(make(), tmp_path, to_step=3)
    next(training), next(training)
    assert not list(tmp_path.iterdir())
    next(training)
    assert "step-000003.safetensors" in files(tmp_path)
