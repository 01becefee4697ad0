"""What a training of the user's own keeps as its result."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from autotune.train.artifacts import Keeper, load

MONITOR = {"metric": "acc", "goal": "maximize", "at": "best"}


def keeper(folder: Path, step: int = 0, trial: int = 0, **monitor: Any) -> Keeper:
    return Keeper(folder, trial, {**MONITOR, **monitor}, step)


def test_a_module_is_kept_by_its_weights(tmp_path: Path) -> None:
    tied = torch.nn.Linear(2, 2, bias=False)
    keep = keeper(tmp_path)
    keep.add(torch.nn.Sequential(tied, torch.nn.ReLU(), tied), "")
    keep.add({"vocabulary": ["a", "b"], "scale": torch.ones(1)}, "text")
    keep.reported(1, {"acc": 0.5})
    kept = load(tmp_path)
    assert kept and [file.name for file in kept.files] == ["model.safetensors", "text.pt"]
    assert set(load_file(kept.files[0])) == {"0.weight", "2.weight"}
    assert torch.load(kept.files[1], weights_only=True)["vocabulary"] == ["a", "b"]


def test_folders_and_files_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "tokens" / "inner").mkdir(parents=True)
    (tmp_path / "tokens" / "inner" / "words.txt").write_text("a")
    (tmp_path / "model.bin").write_text("b")
    keep = keeper(tmp_path / "run")
    keep.add(str(tmp_path / "tokens"), "")
    keep.add(tmp_path / "model.bin", "net.bin")
    keep.reported(1, {"acc": 0.5})
    kept = load(tmp_path / "run")
    assert kept
    names = [str(file.relative_to(kept.folder)) for file in kept.files]
    assert names == ["net.bin", "tokens/inner/words.txt"]


def test_what_cannot_be_kept_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no.pt does not exist"):
        keeper(tmp_path).add(tmp_path / "no.pt", "")
    with pytest.raises(TypeError, match=r"the state\['x'\] must be a tensor.* it is object"):
        keeper(tmp_path).add({"x": object()}, "")


def test_what_is_kept_beyond_the_journal_is_done_again(tmp_path: Path) -> None:
    """A crash came between the files and the record of their step."""
    keep = keeper(tmp_path)
    for step, value in enumerate([0.5, 0.9], 1):
        keep.add({"step": step}, "")
        keep.reported(step, {"acc": value})
    again = keeper(tmp_path, step=1)
    kept = load(tmp_path)
    assert kept and kept.step == 1
    again.add({"step": 2}, "")
    again.reported(2, {"acc": 0.4})
    assert (kept := load(tmp_path)) and kept.step == 1


def test_only_two_steps_stay(tmp_path: Path) -> None:
    keep = keeper(tmp_path)
    for step in range(1, 6):
        keep.add({"step": step}, "")
        keep.reported(step, {"acc": step / 10})
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["4", "5"]


def test_a_clone_keeps_its_own(tmp_path: Path) -> None:
    keep = keeper(tmp_path)
    keep.add({"step": 1}, "")
    keep.reported(1, {"acc": 0.9})
    keeper(tmp_path, step=1, trial=7)
    assert load(tmp_path) is None


def test_the_end_of_a_training_knows_its_result(tmp_path: Path) -> None:
    keep = keeper(tmp_path)
    keep.add({"step": 1}, "")
    keep.reported(1, {"acc": 0.9})
    keep.reported(2, {"acc": 0.5})
    keep.add({"step": 2}, "")
    keep.reported(2, {"acc": 0.5}, last=True)
    assert (kept := load(tmp_path)) and kept.step == 2
