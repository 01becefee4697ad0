"""Distillation by features: what blocks inside both networks answer, taken as they pass."""

from collections.abc import Callable, Sequence
from math import ceil
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from autotune.errors import InvalidInput, Problem, UserError
from autotune.train.batch import Batch
from autotune.train.distill import losses, schedules
from autotune.train.distill.config import Attention, Hints, Relational, Weighted
from autotune.train.distill.context import DistillationContext
from autotune.train.distill.teachers import find
from autotune.train.models.blocks import Block, blocks, head
from autotune.train.seeds import seed_of

__all__ = ["AttentionLoss", "HintsLoss", "RelationalLoss"]

COMPARED = 128  # samples whose relations are looked at

Shape = tuple[int, ...]
Hook = Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]


class Place(NamedTuple):
    """A module whose output is compared, and the shape of that output for one sample."""

    module: nn.Module
    shape: Shape


class Taps:
    """What the given modules answered (or, `before`, were given) in the last forward pass with
    gradients (or, `always`, in any): evaluation leaves nothing behind."""

    def __init__(
        self, modules: Sequence[nn.Module], always: bool = False, before: bool = False
    ) -> None:
        self._seen: dict[int, Tensor] = {}

        # A function and no method: a copy of the model, such as a running average, copies its
        # hooks, and of a function it does not copy what it has seen.
        def keeper(at: int) -> Hook:
            def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
                if always or torch.is_grad_enabled():
                    self._seen[at] = inputs[0] if before else output

            return keep

        for at, module in enumerate(modules):
            module.register_forward_hook(keeper(at))

    def take(self) -> list[Tensor]:
        """In the order of the modules; forgotten thereafter."""
        taken = [self._seen[at].float() for at in sorted(self._seen)]
        self._seen.clear()
        return taken


class _TaughtByFeatures(nn.Module):
    """Loss on the labels + weight x `distance` of what both networks answered at `places`."""

    def __init__(self, config: Weighted, context: DistillationContext) -> None:
        super().__init__()
        self.plain, self.config = context.plain, config
        self.weight = schedules.over_epochs(
            config.weight_schedule, config.weight, config.weight_end, context.config.epochs
        )
        self.teacher = find(config.teacher, context)

    def watch(
        self, student: Sequence[nn.Module], teacher: Sequence[nn.Module], before: bool = False
    ) -> None:
        # No submodules: the student's weights are not the loss's, and the teacher's are nobody's.
        self.student_taps = Taps(student, before=before)
        self.teacher_taps = Taps(teacher, always=True, before=before)

    def forward(self, output: Tensor, batch: Batch) -> Tensor:
        mine = self.student_taps.take()
        self.teacher(batch.x)
        theirs = self.teacher_taps.take()
        plain: Tensor = self.plain(output, batch)
        return plain + self.weight(batch.epoch) * self.distance(mine, theirs)

    def distance(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        raise NotImplementedError


class HintsLoss(_TaughtByFeatures):
    def __init__(self, config: Hints, context: DistillationContext) -> None:
        super().__init__(config, context)
        x = context.data.train.x[:2]
        mine = _at_depth(_places(context.student, x), config.at)
        theirs = _at_depth(_places(self.teacher.model, self.teacher.view(x)), config.at)
        if len(mine.shape) != len(theirs.shape):
            what = f"the student's are {mine.shape} and the teacher's {theirs.shape}"
            raise _incomparable("hints", f"features of one kind, but {what}")
        self.watch([mine.module], [theirs.module])
        torch.manual_seed(seed_of(context.config.seed, 0, "projector"))
        self.projector = _projector(mine.shape, theirs.shape).to(x.device)

    def distance(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        mine, theirs = _of_one_size(student[0], teacher[0])
        return losses.hint_loss(self.projector(mine), theirs)


class AttentionLoss(_TaughtByFeatures):
    def __init__(self, config: Attention, context: DistillationContext) -> None:
        super().__init__(config, context)
        x = context.data.train.x[:2]
        mine = _maps(_places(context.student, x), "student")
        theirs = _maps(_places(self.teacher.model, self.teacher.view(x)), "teacher")
        shares = [point / config.points for point in range(1, config.points + 1)]
        pairs = dict.fromkeys((_at_depth(mine, at), _at_depth(theirs, at)) for at in shares)
        self.watch([pair[0].module for pair in pairs], [pair[1].module for pair in pairs])

    def distance(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        pairs = [_of_one_size(*pair) for pair in zip(student, teacher, strict=True)]
        return torch.stack([losses.attention_loss(*pair) for pair in pairs]).sum()


class RelationalLoss(_TaughtByFeatures):
    config: Relational

    def __init__(self, config: Relational, context: DistillationContext) -> None:
        super().__init__(config, context)
        self.watch([_head(context.student)], [_head(self.teacher.model)], before=True)

    def distance(self, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
        mine, theirs = student[0][:COMPARED].flatten(1), teacher[0][:COMPARED].flatten(1)
        distances = self.config.distance * losses.distance_loss(mine, theirs)
        return distances + self.config.angle * losses.angle_loss(mine, theirs)


def _places(model: nn.Module, x: Tensor) -> list[Place]:
    """Where each block but the head can be watched: at its last feature map, or else its end."""
    chain = [block for block in blocks(model) if any(_weighted(module) for module in block)]
    found = []
    for block in chain[:-1] or chain:
        shapes = _shapes(model, block, x)
        maps = [place for place in shapes if _is_map(place.shape)]
        found += (maps or shapes)[-1:]
    return found


def _weighted(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def _is_map(shape: Shape) -> bool:
    return len(shape) == 3 and shape[1] * shape[2] > 1


@torch.no_grad()
def _shapes(model: nn.Module, block: Block, x: Tensor) -> list[Place]:
    """The modules of a block, without dropout, with the shapes of what they answer for `x`."""
    modules = [module for module in block if not isinstance(module, nn.modules.dropout._DropoutNd)]
    found: dict[nn.Module, Shape] = {}

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        found[module] = tuple(output.shape[1:])

    handles = [module.register_forward_hook(keep) for module in modules]
    training = model.training
    model.eval()(x)
    model.train(training)
    for handle in handles:
        handle.remove()
    return [Place(module, found[module]) for module in modules if module in found]


def _at_depth(places: list[Place], share: float) -> Place:
    return places[ceil(share * len(places) - 1e-9) - 1]


def _maps(places: list[Place], whose: str) -> list[Place]:
    maps = [place for place in places if _is_map(place.shape)]
    if not maps:
        what = f"the {whose}'s features are {', '.join(str(place.shape) for place in places)}"
        raise _incomparable("attention", f"feature maps (C, H, W), but {what}")
    return maps


def _of_one_size(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    """Maps (B, C, H, W) pooled to the smaller height and width; anything else as it is."""
    if student.ndim != 4 or student.shape[2:] == teacher.shape[2:]:
        return student, teacher
    size = min(student.shape[2], teacher.shape[2]), min(student.shape[3], teacher.shape[3])
    return adaptive_avg_pool2d(student, size), adaptive_avg_pool2d(teacher, size)


def _projector(student: Shape, teacher: Shape) -> nn.Module:
    """From the student's channels to the teacher's; nothing where they are as many."""
    if len(student) == 3:
        mine, theirs = student[0], teacher[0]
        return nn.Identity() if mine == theirs else nn.Conv2d(mine, theirs, 1)
    mine, theirs = student[-1], teacher[-1]
    return nn.Identity() if mine == theirs else nn.Linear(mine, theirs)


def _head(model: nn.Module) -> nn.Linear:
    try:
        return head(model)
    except LookupError as error:
        raise _incomparable("relational", f"a last linear layer, but {error}") from error


def _incomparable(strategy: str, rule: str) -> UserError:
    message = f"`distill` {strategy} needs {rule}: choose models of one kind, or soft_targets"
    return InvalidInput([Problem(message, ("distill", "name"))])
