import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune as torchs

from autotune.errors import InvalidInput
from autotune.testing.train import check_resumes, examples
from autotune.train import loop, setup
from autotune.train.checkpoint import load_best
from autotune.train.optim.config import OptimizerConfig, Sgd
from autotune.train.prune.config import MagnitudePruning
from autotune.train.prune.magnitude import Magnitude, masks, prunable, sparsity_at

LAST = {"metric": "val_loss", "at": "last"}


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(16, 9))


def zeros(weights: list[torch.Tensor]) -> int:
    return sum(int((weight == 0).sum()) for weight in weights)


def start(config: MagnitudePruning, model: nn.Module, epochs: int = 10) -> Magnitude:
    return Magnitude(config, [model], Sgd().build(model.parameters()), epochs)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.87, 0.999])
def test_masks_are_torchs(sparsity: float) -> None:
    ours, theirs = net(), net()
    layers = [(theirs[0], "weight"), (theirs[3], "weight")]
    torchs.global_unstructured(layers, torchs.L1Unstructured, amount=sparsity)
    kept = masks(prunable(ours), sparsity, "global")
    for mask, (layer, _) in zip(kept, layers, strict=True):
        assert torch.equal(mask, layer.weight_mask)
    theirs = net()
    for layer in (theirs[0], theirs[3]):
        torchs.l1_unstructured(layer, "weight", amount=sparsity)
    for mask, layer in zip(masks(prunable(ours), sparsity, "layer"), theirs[::3], strict=True):
        assert torch.equal(mask, layer.weight_mask)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_the_largest_are_kept_and_keep_their_names(scope: str) -> None:
    model, before = net(), net().state_dict()
    pruning = start(MagnitudePruning(sparsity=0.75, scope=scope), model)
    pruning.begin(10)
    assert list(model.state_dict()) == list(before)
    weights = prunable(model)
    assert zeros(weights) == round(0.75 * sum(w.numel() for w in weights)) == 135
    old = [before["0.weight"], before["3.weight"]]
    kept = torch.cat([o[w != 0].abs() for o, w in zip(old, weights, strict=True)])
    gone = torch.cat([o[w == 0].abs() for o, w in zip(old, weights, strict=True)])
    assert scope == "layer" or kept.min() > gone.max()
    assert scope == "global" or [zeros([w]) for w in weights] == [27, 108]
    for name in ("0.bias", "1.weight", "3.bias"):
        assert torch.equal(model.state_dict()[name], before[name])


def test_what_is_pruned_stays_so() -> None:
    model = net()
    pruning = start(MagnitudePruning(sparsity=0.5, start=0.0, end=0.5), model)
    gone: set[int] = set()
    for epoch in range(1, 11):
        pruning.begin(epoch)
        for weight in prunable(model):
            weight.data += 0.01  # a step
        pruning.hold()
        now = set(torch.cat([w.flatten() for w in prunable(model)]).eq(0).nonzero()[:, 0].tolist())
        assert gone <= now
        gone = now
    assert len(gone) == 90


@pytest.mark.parametrize(
    ("knobs", "shares"),
    [
        ({"start": 0.2, "end": 0.6, "schedule": "linear"}, [0, 0, 0.2, 0.4, 0.6, 0.8] + [0.8] * 4),
        ({"start": 0.5, "end": 1.0, "schedule": "one_shot"}, [0] * 5 + [0.8] * 5),
        ({"start": 0.0, "end": 0.0}, [0.8] * 10),
        ({"start": 1.0, "end": 1.0}, [0] * 9 + [0.8]),
        ({"start": 0.8, "end": 1.0}, [0] * 8 + [0.8 * (1 - 0.5**3), 0.8]),
    ],
)
def test_sparsity_by_the_epoch(knobs: dict, shares: list[float]) -> None:
    config = MagnitudePruning(**knobs)
    assert [sparsity_at(config, epoch, 10) for epoch in range(1, 11)] == pytest.approx(shares)


def test_cubic_is_zhu_and_guptas() -> None:
    """Equation 1: s_f + (s_i - s_f) (1 - (t - t0) / (n dt)) ** 3, from s_i = 0."""
    config = MagnitudePruning(sparsity=0.9, start=0.25, end=0.75)
    for epoch in range(25, 76):
        expected = 0.9 + (0 - 0.9) * (1 - (epoch - 25) / 50) ** 3
        assert sparsity_at(config, epoch, 100) == pytest.approx(expected)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("knobs", [{}, {"start": 1.0, "end": 1.0}, {"start": 0.5, "end": 0.5}])
def test_the_last_epoch_has_the_target(knobs: dict, epochs: int) -> None:
    assert sparsity_at(MagnitudePruning(**knobs), epochs, epochs) == 0.8


def test_an_attentions_weights_are_prunable() -> None:
    vit = torchvision.models.VisionTransformer(
        image_size=8, patch_size=4, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    )
    names = {id(p): name.rsplit("encoder_layer_0.", 1)[-1] for name, p in vit.named_parameters()}
    assert [names[id(weight)] for weight in prunable(vit)] == [
        "conv_proj.weight",
        "self_attention.in_proj_weight",
        "self_attention.out_proj.weight",
        "mlp.0.weight",
        "mlp.3.weight",
        "heads.head.weight",
    ]


def test_layers_that_share_a_weight_count_once() -> None:
    first = nn.Linear(4, 4)
    second = nn.Linear(4, 4)
    second.weight = first.weight
    assert len(prunable(nn.Sequential(first, second))) == 1


@pytest.mark.parametrize("average", ["none", "ema", "swa"])
@pytest.mark.parametrize("optimizer", [config.name for config in examples(OptimizerConfig)])
def test_a_pruned_training_keeps_its_zeros_and_resumes(
    make, tmp_path, optimizer: str, average: str
) -> None:
    values = {"optimizer.name": optimizer, "average.name": average, "prune.name": "magnitude"}
    config = make({**values, "prune.sparsity": 0.7, "prune.start": 0.25}, monitor=LAST)
    check_resumes(config, tmp_path)
    weights = [w for w in load_best(tmp_path / "whole").weights.values() if w.ndim > 1]
    assert zeros(weights) == round(0.7 * sum(weight.numel() for weight in weights))


def test_pruning_is_judged_at_its_end(make) -> None:
    with pytest.raises(InvalidInput, match="monitor.at: last"):
        make({"prune.name": "magnitude"})
    with pytest.raises(InvalidInput, match="prune.start` must be <= `prune.end"):
        make({"prune.name": "magnitude", "prune.start": 0.9, "prune.end": 0.1}, monitor=LAST)


def test_none_costs_nothing(make, tmp_path) -> None:
    assert not setup.begin(make({"prune.name": "none"})).learner.changes
    assert list(loop.train(make({"prune.name": "none"}, epochs=1), tmp_path))
