import pytest
import torch
import torchvision
from torch import nn

from autotune.train.optim.config import Adam, AdamW, Muon, Sgd
from autotune.train.optim.groups import batch_scale, groups, is_vector


def net() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.Flatten(),
        nn.Linear(16, 8),
        nn.LayerNorm(8),
        nn.Linear(8, 2),
    )


def names(model: nn.Module, group: dict) -> set[str]:
    chosen = {id(p) for p in group["params"]}
    return {name for name, p in model.named_parameters() if id(p) in chosen}


def test_norms_and_biases_are_not_decayed() -> None:
    model = net()
    decayed, spared = groups(model, AdamW())
    assert names(model, decayed) == {"0.weight", "3.weight", "5.weight"}
    assert "weight_decay" not in decayed and spared["weight_decay"] == 0.0
    assert len(decayed["params"]) + len(spared["params"]) == len(list(model.parameters()))


@pytest.mark.parametrize("config", [Adam(), Sgd(weight_decay=0.0), AdamW(weight_decay=0.0)])
def test_without_decay_one_group_will_do(config) -> None:
    assert len(groups(net(), config)) == 1


def test_what_is_frozen_is_left_out() -> None:
    model = net()
    model[0].requires_grad_(False)
    found = set().union(*(names(model, group) for group in groups(model, AdamW())))
    assert found == {name for name, _ in model.named_parameters() if not name.startswith("0.")}


def test_a_losss_parameters_learn_too() -> None:
    temperature = nn.Parameter(torch.ones(()))
    found = groups(net(), AdamW(), layer_decay=0.5, others=[temperature])
    (own,) = [group for group in found if any(p is temperature for p in group["params"])]
    assert "scale" not in own and own["weight_decay"] == 0.0


def test_each_block_learns_at_a_share_of_the_nexts_rate() -> None:
    """Bao et al. 2022, as in BEiT's code: rate x decay ** (blocks - place)."""
    model = net()
    found = groups(model, Sgd(), layer_decay=0.5)
    scales = {name: group.get("scale", 1.0) for group in found for name in names(model, group)}
    assert scales["5.weight"] == scales["5.bias"] == 1.0
    assert scales["3.weight"] == scales["4.weight"] == 0.5
    assert scales["0.weight"] == scales["1.bias"] == 0.25
    assert len(found) == 3


def test_a_transformers_depths() -> None:
    torch.manual_seed(0)
    vit = torchvision.models.VisionTransformer(
        image_size=8,
        patch_size=4,
        num_layers=3,
        num_heads=2,
        hidden_dim=8,
        mlp_dim=8,
        num_classes=3,
    )
    found = groups(vit, AdamW(), layer_decay=0.5)
    scales = {name: group.get("scale", 1.0) for group in found for name in names(vit, group)}
    assert scales["heads.head.weight"] == 1.0
    assert scales["encoder.layers.encoder_layer_2.mlp.0.weight"] == 0.5
    assert scales["encoder.layers.encoder_layer_0.ln_1.bias"] == 0.125
    assert scales["conv_proj.weight"] == scales["class_token"] == 0.0625
    assert scales["encoder.ln.weight"] == 0.5  # after the last block


def test_muon_gets_hidden_matrices_alone() -> None:
    model = nn.Sequential(nn.Embedding(5, 4), *net())
    optimizer = Muon(weight_decay=0.1).build(groups(model, Muon(weight_decay=0.1)))
    ours = [group for group in optimizer.param_groups if group["muon"]]
    assert [names(model, group) for group in ours] == [{"1.weight", "4.weight"}]
    rest = [group for group in optimizer.param_groups if not group["muon"]]
    assert [group["weight_decay"] for group in rest] == [0.1, 0.0]
    assert {"0.weight", "6.weight"} == names(model, rest[0])


def test_muons_rest_has_a_rate_of_its_own() -> None:
    config = Muon(rest=0.1)
    optimizer = config.build(groups(net(), config, scale=2.0))
    assert {group["muon"]: group["scale"] for group in optimizer.param_groups} == {
        True: 2.0,
        False: pytest.approx(0.2),
    }


@pytest.mark.parametrize(
    ("shape", "vector"),
    [((), True), ((5,), True), ((5, 1, 1), True), ((1, 1, 5), True), ((1, 5), False)]
    + [((5, 1), False), ((4, 1, 3, 3), False), ((1, 7, 5), False)],
)
def test_vectors_are_known_by_their_shape(shape: tuple[int, ...], vector: bool) -> None:
    assert is_vector(torch.zeros(shape)) is vector


def test_rates_grow_with_the_batch() -> None:
    assert [batch_scale(rule, 1024) for rule in ("none", "linear", "sqrt")] == [1.0, 4.0, 2.0]
