"""What every distillation must do: call `check_distillation` for a strategy of your own."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from autotune.testing.train import check_resumes
from autotune.train import loop, setup
from autotune.train.batch import Batch
from autotune.train.config import TrainConfig
from autotune.train.data.base import prepare
from autotune.train.distill.build import build
from autotune.train.distill.config import DistillSettings, NoDistillation
from autotune.train.distill.context import DistillationContext
from autotune.train.exported_model import Exported

__all__ = ["Silent", "check_distillation", "context", "write_export"]


class Silent(nn.Module):
    """A loss of 0 on the labels: what is left is the teacher's."""

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        return output.sum() * 0


def write_export(config: TrainConfig, folder: Path) -> Path:
    """An exported folder that holds the network of `config` as it is before its first step."""
    model = setup.build(config, prepare(config.data, "cpu"))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config.model_dump(mode="json")))
    return folder


def context(config: TrainConfig, plain: nn.Module | None = None) -> DistillationContext:
    """A student before its first step; `plain` is its loss on the labels, `Silent` by default."""
    data = prepare(config.data, "cpu")
    return DistillationContext(
        config, data, setup.build(config, data), plain or Silent(), loop.finish
    )


def check_distillation(config: DistillSettings, student: TrainConfig, folder: Path) -> None:
    """The contract of a strategy, tried on `student` (without dropout, of few epochs).

    A teacher that equals the student has nothing to teach; another one changes the student and
    not itself; and an interrupted distillation goes on as if it had not been.
    """
    if not isinstance(config, NoDistillation):
        _check_no_loss_from_itself(config, student, folder / "same")
        _check_gradients(config, student, folder / "other")
    check_resumes(student.model_copy(update={"distill": config}), folder)


def _check_no_loss_from_itself(config: DistillSettings, student: TrainConfig, folder: Path) -> None:
    loss, batch, output = _first_step(config, student, write_export(student, folder))
    said = loss(output, batch)
    assert abs(said.item()) < 1e-5, f"{config.name}: a student that is its teacher loses {said}"


def _check_gradients(config: DistillSettings, student: TrainConfig, folder: Path) -> None:
    other = student.model_copy(update={"seed": student.seed + 1})
    made = _lesson_of(config, student, write_export(other, folder))
    assert made.config.distill is not None
    loss = build(made.config.distill, made)
    batch = first_batch(made)
    said = loss(made.student(batch.x), batch)
    assert said.item() > 0, f"{config.name}: an unlike teacher teaches nothing"
    said.backward()
    moved = [p for p in made.student.parameters() if p.grad is not None and p.grad.any()]
    assert moved, f"{config.name}: the student learns nothing"
    mine = {id(parameter) for parameter in made.student.parameters()}
    own = list(loss.parameters())
    assert not mine & {id(parameter) for parameter in own}, "the loss holds the student's weights"
    assert all(p.grad is not None for p in own), "a parameter of the loss does not learn"


def _first_step(
    config: DistillSettings, student: TrainConfig, teacher: Path
) -> tuple[nn.Module, Batch, Tensor]:
    made = _lesson_of(config, student, teacher)
    assert made.config.distill is not None
    loss = build(made.config.distill, made)
    batch = first_batch(made)
    return loss, batch, made.student(batch.x)


def _lesson_of(config: DistillSettings, student: TrainConfig, teacher: Path) -> DistillationContext:
    taught = config.model_copy(update={"teacher": Exported(folder=str(teacher))})
    return context(student.model_copy(update={"distill": taught}))


def first_batch(made: DistillationContext) -> Batch:
    rows = torch.arange(min(16, len(made.data.train.y)))
    x, y = made.data.train.x[rows], made.data.train.y[rows]
    return Batch(rows, x, y, y, 1)
