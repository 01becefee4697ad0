"""Tensor parallel: the layers of a network are cut, and its processes see the same samples."""

from collections.abc import Iterable, Iterator
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from autotune.train.models.blocks import head
from autotune.train.models.residual import Residual
from autotune.train.models.vit import Attention, Block
from autotune.train.parallel.clip import clipped
from autotune.train.parallel.cut import Cut, cut_by_inputs, cut_by_outputs, named_cuts
from autotune.train.parallel.data import DataParallel, add_gradients
from autotune.train.parallel.group import Mesh, Team
from autotune.train.parallel.optimizers import changed, parameters_of
from autotune.train.parallel.plan import answer, compare
from autotune.train.training import Training, Weights

__all__ = ["TensorParallel"]


class TensorParallel(DataParallel):
    cuts = True

    def __init__(self, mesh: Mesh, network: str) -> None:
        super().__init__(mesh, network)
        self.network = network
        self.layout: dict[int, Cut] = {}
        """By the parameter's id."""
        self.between: list[nn.Parameter] = []
        """Whole, but of a gradient that each process has a summand of."""

    def place(self, model: nn.Module, x: Tensor) -> nn.Module:
        super().place(model, x)
        whole = answer(model, x)
        plan = {"vit": cut_vit, "convnext": cut_convnext, "mlp": cut_mlp}[self.network]
        for module in plan(model, self.mesh.model):
            self.between += module.parameters()
            for dropout in module.modules():
                if isinstance(dropout, nn.Dropout):
                    dropout.wide = self.mesh.model  # type: ignore[assignment]
        named = dict(model.named_parameters())
        self.layout = {id(named[name]): cut for name, cut in named_cuts(model).items()}
        compare("tensor", whole, answer(model, x))
        return model

    def gather_gradients(self, training: Training) -> None:
        add_gradients(self.mesh.model, [p for p in self.between if p.requires_grad])
        super().gather_gradients(training)

    def clip(self, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
        return clipped(parameters, longest, self.mesh.model, lambda p: id(p) in self.layout)

    def weights(self, model: nn.Module) -> Weights:
        cuts, found = named_cuts(model), model.state_dict()
        return self.kept({n: cuts[n].whole(t) if n in cuts else t for n, t in found.items()})

    def fill(self, model: nn.Module, weights: Weights) -> None:
        model.load_state_dict(mine(model, weights))

    def state(self, training: Training) -> dict[str, Any]:
        state, average = super().state(training), training.network.average
        optimizer = training.learner.optimizer
        state["optimizer"] = changed_cuts(state["optimizer"], optimizer, self.layout, True)
        if average:
            state["average"] = {**state["average"], "model": self.weights(average.model)}
        return self.kept(state)

    def restore(self, training: Training, state: dict[str, Any]) -> None:
        average, optimizer = training.network.average, training.learner.optimizer
        own = changed_cuts(state["optimizer"], optimizer, self.layout, False)
        state = {**state, "optimizer": own}
        if average:
            given = mine(average.model, state["average"]["model"])
            state["average"] = {**state["average"], "model": given}
        super().restore(training, state)


def mine(model: nn.Module, weights: Weights) -> Weights:
    """This process's share of the whole network's weights."""
    cuts = named_cuts(model)
    return {name: cuts[name].mine(t) if name in cuts else t for name, t in weights.items()}


def cut_vit(model: nn.Module, team: Team) -> Iterator[nn.Module]:
    """Attention by its heads, the perceptrons in their middle. Yields what works on a part of the
    features."""
    for module in model.modules():
        if isinstance(module, Attention):
            # Queries, keys and values lie in one matrix: each is cut by heads.
            cut_by_outputs(module.into, team, packed=3)
            cut_by_inputs(module.out, team)
            module.heads //= team.size
        elif isinstance(module, Block):
            branch = module.perceptron.branch
            first, second = (at for at, layer in enumerate(branch) if isinstance(layer, nn.Linear))
            cut_by_outputs(branch[first], team)
            cut_by_inputs(branch[second], team)
            yield from branch[first + 1 : second]


def cut_convnext(model: nn.Module, team: Team) -> Iterator[nn.Module]:
    """The perceptrons over the channels."""
    for module in model.modules():
        if isinstance(module, Residual):
            branch = module.branch
            pixels = [at for at, layer in enumerate(branch) if is_pixelwise(layer)]
            first, second = pixels
            cut_by_outputs(branch[first], team)
            cut_by_inputs(branch[second], team)
            yield from branch[first + 1 : second]


def is_pixelwise(layer: nn.Module) -> bool:
    return isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1)


def cut_mlp(model: nn.Module, team: Team) -> Iterator[nn.Module]:
    """Every hidden layer by its outputs, which all get: a normalisation needs them all."""
    last = head(model)
    for layer in list(model.modules()):
        if isinstance(layer, nn.Linear) and layer is not last:
            cut_by_outputs(layer, team, gathers=True)
    return iter(())


def changed_cuts(
    state: dict[str, Any], optimizer: Optimizer, cuts: dict[int, Cut], whole: bool
) -> dict[str, Any]:
    """The state of whole parameters, or of this process's shares; `cuts` by the parameter's id."""

    def change(parameter: Tensor, tensor: Tensor) -> Tensor:
        if (cut := cuts.get(id(parameter))) is None or tensor.ndim != parameter.ndim:
            return tensor
        return cut.whole(tensor) if whole else cut.mine(tensor)

    return changed(state, parameters_of(optimizer), change)
