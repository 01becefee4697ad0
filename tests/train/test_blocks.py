import pytest
import torch
import torchvision
from torch import nn

from autotune.testing.train import examples
from autotune.train.models.blocks import blocks, head
from autotune.train.models.build import build as build_model
from autotune.train.models.config import ModelConfig

CUSTOM = {"custom": {"build": "torchvision.models:resnet18"}}


@pytest.mark.parametrize(
    "config",
    [c for c in examples(ModelConfig, CUSTOM) if c.name != "custom"],
    ids=lambda config: config.name,
)
def test_blocks_hold_the_network_in_order(config) -> None:
    model = build_model(config, (3, 32, 32), 5, None)
    found = blocks(model)
    held = [
        id(parameter) for block in found for module in block for parameter in module.parameters()
    ]
    assert len(held) == len(set(held)) == len(list(model.parameters()))
    assert len(found) > 1
    assert head(model) in found[-1] and head(model).out_features == 5


def test_a_normalisation_belongs_to_the_block_before_it() -> None:
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)
    )
    assert blocks(model) == [(model[0],), (model[1], model[2], model[3]), (model[4],)]


def test_torchvisions_networks_open_up() -> None:
    resnet = torchvision.models.resnet18()
    assert len(blocks(resnet)) == 1 + 8 + 1
    assert head(resnet) is resnet.fc
    vit = torchvision.models.vit_b_16()
    assert len(blocks(vit)) == 1 + 12 + 1


def test_a_network_without_a_linear_layer_has_no_head() -> None:
    with pytest.raises(LookupError, match="no linear layer"):
        head(nn.Conv2d(1, 1, 1))
    assert torch.is_tensor(head(nn.Linear(2, 2)).weight)
