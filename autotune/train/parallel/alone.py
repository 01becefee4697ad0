"""A training in one process: what the other strategies start from."""

from collections.abc import Iterable
from typing import Any, TypeVar

from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from autotune.train.batch import Batch
from autotune.train.training import Forward, Groups, Learnt, Training, Weights

__all__ = ["Alone"]

T = TypeVar("T")


class Alone:
    """All samples, and the whole network."""

    writes = True
    dropout = "dropout"
    cuts = False
    """Whether no process has the whole network once it is placed."""

    def place(self, model: nn.Module, x: Tensor) -> nn.Module:
        """This process's part of `model`, which is the whole network, with its weights. It answers
        as the whole does to `x` (B, ...), or an error is raised."""
        return model

    def own(self, groups: Groups) -> Groups:
        """The parameter groups of the whole network as those of this process's part, once it is
        placed."""
        return groups

    def share(self, model: nn.Module) -> None:
        """Called when all copies of the network have been made."""

    def decided(self, mask: Tensor) -> Tensor:
        """The mask of a weight, as all that have the weight use it."""
        return mask

    def cut(self, part: Tensor) -> Tensor:
        return part

    def learn(self, training: Training, batch: Batch, part: int, weight: float) -> Learnt:
        output = training.network.forward(batch.x)  # (B, C)
        loss = training.learner.loss(output, batch)
        training.meters.watch(batch.epoch, loss)
        training.network.precision.backward(loss if weight == 1 else loss * weight)
        return Learnt(loss, output, batch.y)

    def gather_gradients(self, training: Training) -> None:
        pass

    def clip(self, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
        return clip_grad_norm_(parameters, longest)

    def judge(self, forward: Forward, x: Tensor) -> Tensor:
        return forward(x)

    def add(self, count: Tensor) -> Tensor:
        return count

    def agree(self, value: T) -> T:
        return value

    def weights(self, model: nn.Module) -> Weights:
        return model.state_dict()

    def fill(self, model: nn.Module, weights: Weights) -> None:
        model.load_state_dict(weights)

    def state(self, training: Training) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in training.learners.items()}

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        for name, part in training.learners.items():
            part.load_state_dict(state[name])
