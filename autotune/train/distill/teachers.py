"""Finding the teacher of a config, and what it answers.

A teacher is never part of the student's training: it is in evaluation mode, has no gradients, and
is in no checkpoint.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from autotune.errors import InvalidInput, Problem, UserError, nearest
from autotune.train import cache, checkpoint, weights
from autotune.train.batch import Batch
from autotune.train.config import Monitor, TrainConfig
from autotune.train.data.base import prepare
from autotune.train.distill.context import DistillationContext
from autotune.train.distill.teacher_config import (
    SelfTeacher,
    TeacherConfig,
    TorchvisionTeacher,
)
from autotune.train.exported_model import Exported, StudyBest
from autotune.train.models.build import build as build_model
from autotune.train.parallel.config import ParallelConfig
from autotune.train.pretrain import digest, fingerprint, pretrained, pupil

__all__ = ["Teacher", "answers", "find"]

AT = ("distill", "teacher")
SPLIT = {"seed", "val_fraction", "test_fraction", "folds", "fold"}
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # mean and std of torchvision's weights
ELEMENTS = 2**20  # input values that a teacher takes at once
LARGEST = 2**28  # logits kept in memory for a whole train split

View = Callable[[Tensor], Tensor]


class Teacher:
    """A finished network, and how it wants the student's inputs."""

    def __init__(self, model: nn.Module, view: View, name: str = "") -> None:
        self.model = model.eval().requires_grad_(False)
        self.view = view
        self.name = name
        """Tells one way of seeing the inputs from another."""

    @torch.no_grad()
    def __call__(self, x: Tensor) -> Tensor:
        """The teacher's output for the student's inputs (B, ...)."""
        output: Tensor = self.model(self.view(x))
        return output.float()


def find(config: TeacherConfig, context: DistillationContext) -> Teacher:
    """The teacher, on the device of the student's data.

    One that is to be trained is trained here, unless the cache has it. Raises InvalidInput when
    it does not fit the student's data.
    """
    if isinstance(config, TorchvisionTeacher):
        teacher = _of_torchvision(config, context)
    elif isinstance(config, Exported | StudyBest):
        at = (*AT, config.key)
        teacher = _exported(weights.folder_of(config, at), context, at)
    else:
        student = context.config
        own = _born(config, student) if isinstance(config, SelfTeacher) else pupil(student, config)
        best = checkpoint.load_best(pretrained(own, context.data, context.train))
        teacher = Teacher(_built(own, context, best.weights), _as_it_is)
    teacher.model.to(context.data.train.x.device)
    return teacher


def answers(context: DistillationContext, teacher: Teacher) -> Callable[[Batch], Tensor]:
    """The teacher's logits (B, C) for a batch: looked up where the inputs never change."""
    data = context.data
    if not context.fixed or len(data.train.y) * data.outputs > LARGEST:
        return lambda batch: teacher(batch.x)
    state = teacher.model.state_dict()
    sums = [f"{name} {digest(_raw(state[name]))}" for name in sorted(state)]
    network = (str(teacher.model), teacher.name, *sums)
    key = digest(*network, fingerprint(data), torch.__version__, data.train.x.device.type)
    folder = cache.once(f"logits-{key}", lambda folder: _tell_all(teacher, context, folder))
    table = load_file(folder / "logits.safetensors")["logits"].to(data.train.x.device)
    return lambda batch: table.index_select(0, batch.rows)


def _tell_all(teacher: Teacher, context: DistillationContext, folder: Path) -> None:
    x = context.data.train.x
    parts = x.split(max(1, ELEMENTS // max(1, x[0].numel())))
    table = torch.cat([teacher(part) for part in parts]).cpu()
    save_file({"logits": table.contiguous()}, folder / "logits.safetensors")


def _raw(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()


def _born(config: SelfTeacher, student: TrainConfig) -> TrainConfig:
    """The student's own config, with one generation less above it; its loss is watched."""
    above = None
    if config.generations > 1 and student.distill is not None:
        older = config.model_copy(update={"generations": config.generations - 1})
        above = student.distill.model_copy(update={"teacher": older})
    values = {"seed": config.seed, "distill": above, "monitor": Monitor(), "reports_per_epoch": 1}
    return student.model_copy(update={**values, "parallel": ParallelConfig()})


def _exported(folder: Path, context: DistillationContext, at: tuple[str, ...]) -> Teacher:
    tensors = weights.exported_weights(folder, at)
    own = weights.exported_config(folder, at)
    if own.data == context.config.data:
        return Teacher(_built(own, context, tensors), _as_it_is)
    _refuse_other_splits(own, context)
    return Teacher(_built(own, context, tensors), *_renormalised(own, context))


def _built(own: TrainConfig, context: DistillationContext, tensors: weights.Weights) -> nn.Module:
    data = context.data
    model = build_model(own.model, data.shape, data.outputs, own.activation)
    return _filled(model, tensors, context)


def _filled(model: nn.Module, tensors: weights.Weights, context: DistillationContext) -> nn.Module:
    top = weights.head_name(model)
    given = tensors.get(f"{top}.bias")
    if given is not None and len(given) != context.data.outputs:
        has = f"the teacher has {len(given)} classes and `data` {context.data.outputs}"
        raise _misfit(f"{has}: they must be the same")
    weights.fill(model, tensors, AT)
    return model


def _refuse_other_splits(own: TrainConfig, context: DistillationContext) -> None:
    """A teacher that has seen what the student is judged by would whisper."""
    theirs, ours = own.data.model_dump(), context.config.data.model_dump()
    differ = {key for key in {*theirs, *ours} if theirs.get(key) != ours.get(key)}
    if differ and differ <= SPLIT:
        word = sorted(differ)[0]
        split = f"`data.{word}` {theirs[word]}, here {ours[word]}"
        raise _misfit(f"the teacher was trained on another split of the same data ({split})")


def _renormalised(own: TrainConfig, context: DistillationContext) -> tuple[View, str]:
    """From the student's normalisation of the inputs to the teacher's."""
    ours = context.data
    theirs = prepare(own.data, str(ours.mean.device), own.loss.task)
    if theirs.shape != ours.shape:
        raise _misfit(f"the teacher was trained on samples of {theirs.shape}, not {ours.shape}")
    if theirs.labels and ours.labels and theirs.labels != ours.labels:
        raise _misfit(f"the teacher's classes are {theirs.labels[:5]}, not {ours.labels[:5]}")
    name = digest(_raw(theirs.mean), _raw(theirs.std))
    return lambda x: (x * ours.std + ours.mean - theirs.mean) / theirs.std, name


def _of_torchvision(config: TorchvisionTeacher, context: DistillationContext) -> Teacher:
    from torchvision import models

    if config.arch not in models.list_models(module=models):
        hint = nearest(config.arch, models.list_models(module=models))
        at = (*AT, "arch")
        raise InvalidInput(
            [Problem(f"`distill.teacher.arch` {config.arch!r} is unknown{hint}", at)]
        )
    if len(context.data.shape) != 3:
        raise _misfit(f"torchvision's networks need images, not samples of {context.data.shape}")
    tensors = weights.read(config.weights, (*AT, "weights"))
    model = models.get_model(config.arch, weights=None, num_classes=context.data.outputs)
    return Teacher(_filled(model, tensors, context), _as_colour(config, context), config.inputs)


def _as_colour(config: TorchvisionTeacher, context: DistillationContext) -> View:
    data = context.data
    if config.inputs == "data":
        return lambda x: x.expand(-1, 3, -1, -1)
    mean, std = (torch.tensor(v, device=data.mean.device).view(1, 3, 1, 1) for v in IMAGENET)
    top = float((data.train.x * data.std + data.mean).max())
    scale = top if top > 1 else 1.0

    def view(x: Tensor) -> Tensor:
        pixels = (x * data.std + data.mean) / scale  # 0 to 1
        return (pixels.expand(-1, 3, -1, -1) - mean) / std

    return view


def _as_it_is(x: Tensor) -> Tensor:
    return x


def _misfit(message: str) -> UserError:
    return InvalidInput([Problem(f"`distill.teacher`: {message}", AT)])
