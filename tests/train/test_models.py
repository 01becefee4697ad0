"""Networks: the contract over their union, and what makes each of them itself."""

import pytest
import torch
from torch import nn

from autotune.errors import InvalidInput
from autotune.testing.models import (
    check_network,
    check_sizes,
    check_zero_last,
    residuals,
    seeded,
)
from autotune.testing.train import examples
from autotune.train.base import variants
from autotune.train.config import apply
from autotune.train.models.activations import ActivationConfig, Relu, Tanh
from autotune.train.models.build import build as build_model
from autotune.train.models.config import (
    CnnModel,
    ConvnextModel,
    CustomModel,
    MlpModel,
    ModelConfig,
    ResidualModel,
    ResnetModel,
    VitModel,
    WideResnetModel,
)
from autotune.train.models.initializers import HeNormal
from autotune.train.models.norms import BatchNorm2d
from autotune.train.models.residual import Residual
from autotune.train.models.weights import initialize

CUSTOM = {"custom": {"build": "autotune.testing.train:examples"}}
NETWORKS = [config for config in examples(ModelConfig, CUSTOM) if config.name != "custom"]
OWN = [config for config in NETWORKS if config.name != "torchvision"]
SMALL = {
    "mlp": {"width": 16},
    "cnn": {"channels": 8},
    "resnet": {"width": 0.5, "stages": 2, "depth": 1},
    "wide_resnet": {"widen": 1, "depth": 1},
    "convnext": {"width": 8, "depth": 1},
    "vit": {"width": 16, "depth": 2},
}
NORMED = [
    (name, norm)
    for name in SMALL
    if "norm" in variants(ModelConfig)[name].model_fields
    for norm in ("none", "batch", "layer", "group")
]
WAYS = [
    *(MlpModel(depth=3, width=16, connections=way) for way in ("residual", "dense")),
    *(
        CnnModel(channels=8, convs=convs, connections=way)
        for way in ("plain", "residual", "dense")
        for convs in (1, 2)
    ),
    ResnetModel(block="bottleneck", width=0.5, stages=2),
    ResnetModel(stem="large", width=0.5, stages=2),
    VitModel(width=16, pool="token"),
]
BRANCHED = [
    MlpModel(depth=3, width=16, connections="residual"),
    CnnModel(channels=8, connections="residual"),
    CnnModel(channels=8, connections="residual", norm="none"),
    *(config for config in OWN if config.name not in ("mlp", "cnn")),
    ResnetModel(block="bottleneck", norm="none", width=0.5),
]


def small(name: str, **knobs) -> ModelConfig:
    return variants(ModelConfig)[name](**{**SMALL[name], **knobs})


def named(config) -> str:
    changed = config.model_dump(exclude_defaults=True)
    return "-".join([config.name, *(str(value) for value in changed.values())])


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)], ids=str)
@pytest.mark.parametrize("config", NETWORKS + WAYS, ids=named)
def test_network_contract(config, shape: tuple[int, ...]) -> None:
    check_network(config, shape)


@pytest.mark.parametrize("activation", examples(ActivationConfig), ids=lambda config: config.name)
@pytest.mark.parametrize("name", SMALL)
def test_every_network_takes_every_activation(name: str, activation) -> None:
    check_network(small(name), (1, 8, 8), activation)
    model = seeded(small(name), (1, 8, 8), 5, activation)
    assert any(isinstance(module, type(activation.build())) for module in model.modules())


@pytest.mark.parametrize(("name", "norm"), NORMED)
def test_every_normalisation(name: str, norm: str) -> None:
    check_network(small(name, norm=norm), (3, 8, 8))
    found = [m for m in seeded(small(name, norm=norm), (3, 8, 8), 5).modules() if is_norm(m)]
    assert bool(found) is (norm != "none")


def is_norm(module: nn.Module) -> bool:
    return isinstance(module, nn.GroupNorm | nn.LayerNorm | nn.modules.batchnorm._BatchNorm)


@pytest.mark.parametrize("config", OWN, ids=named)
def test_knobs_of_size_add_parameters(config) -> None:
    check_sizes(config, (1, 16, 16))


@pytest.mark.parametrize("config", NETWORKS, ids=named)
def test_dropout_is_there_when_asked_and_acts_in_training_only(config) -> None:
    model = seeded(config.model_copy(update={"dropout": 0.5}), (1, 8, 8), 5)
    assert any(isinstance(m, nn.Dropout) and m.p == 0.5 for m in model.modules())
    assert config.dropout or not any(
        isinstance(m, nn.Dropout) for m in seeded(config, (1, 8, 8), 5).modules()
    )
    x = torch.randn(4, 1, 8, 8)
    with torch.no_grad():
        assert not torch.equal(model(x), model(x))
        model.eval()
        assert torch.equal(model(x), model(x))


@pytest.mark.parametrize("filled", [False, True], ids=["own weights", "initializer"])
@pytest.mark.parametrize("config", BRANCHED, ids=named)
def test_zero_last_begins_with_the_identity(config, filled: bool) -> None:
    fill = (lambda model: initialize(model, HeNormal().build(1.4))) if filled else None
    check_zero_last(config, (3, 8, 8), fill)


@pytest.mark.parametrize("scale", ["rezero", "layer_scale"])
@pytest.mark.parametrize("config", BRANCHED, ids=named)
def test_residual_scale(config, scale: str) -> None:
    config = config.model_copy(update={"residual_scale": scale})
    check_network(config, (3, 8, 8))
    for branch in residuals(seeded(config, (3, 8, 8), 5)):
        assert branch.scale is not None and branch.scale.ndim == 1
        if scale == "rezero":
            assert branch.scale.tolist() == [0.0]
        else:
            assert branch.scale.numel() > 1 and (branch.scale == 0.1).all()


@pytest.mark.parametrize("config", BRANCHED, ids=named)
def test_stochastic_depth_rises_to_the_last_block(config) -> None:
    config = config.model_copy(update={"stochastic_depth": 0.5})
    check_network(config, (3, 8, 8))
    rates = [branch.drop.p for branch in residuals(seeded(config, (3, 8, 8), 5))]
    assert rates == sorted(rates) and rates[0] > 0 and rates[-1] == 0.5


def test_a_dropped_path_is_right_on_average() -> None:
    branch = nn.Sequential(nn.Linear(1, 1, bias=False))
    block = Residual(branch, ResnetModel(stochastic_depth=0.4), place=0.5)
    nn.init.ones_(branch[0].weight)
    torch.manual_seed(0)
    out = block(torch.ones(20_000, 1)).detach()  # 1 where dropped, 1 + 1 / 0.8 where not
    assert (out == 1).double().mean().item() == pytest.approx(0.2, abs=0.01)
    assert out.mean().item() == pytest.approx(2, abs=0.02)
    assert torch.equal(block.eval()(torch.ones(3, 1)), torch.full((3, 1), 2.0))


def test_the_default_mlp_and_cnn_draw_the_weights_they_always_drew() -> None:
    torch.manual_seed(0)
    mlp = [nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()]
    agree(nn.Sequential(*mlp, nn.Linear(128, 5)), seeded(MlpModel(), (1, 8, 8), 5))
    torch.manual_seed(0)
    cnn: list[nn.Module] = []
    for channels, wider in ((3, 32), (32, 64)):
        cnn.append(nn.Conv2d(channels, wider, 3, padding=1, bias=False))
        cnn += [nn.GroupNorm(8, wider), nn.ReLU(), nn.MaxPool2d(2)]
    cnn += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 5)]
    agree(nn.Sequential(*cnn), seeded(CnnModel(), (3, 8, 8), 5))


def agree(model: nn.Module, other: nn.Module) -> None:
    assert list(model.state_dict()) == list(other.state_dict())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_mlp_is_as_deep_and_wide_as_asked() -> None:
    model = build_model(MlpModel(depth=3, width=7, dropout=0.5), (4,), 2, Tanh())
    linear = [(m.in_features, m.out_features) for m in model if isinstance(m, nn.Linear)]
    assert linear == [(4, 7), (7, 7), (7, 7), (7, 2)]
    assert sum(isinstance(module, nn.Tanh) for module in model) == 3
    assert sum(isinstance(module, nn.Dropout) for module in model) == 3


@pytest.mark.parametrize(
    ("connections", "wanted"),
    [
        ("plain", [(4, 7), (7, 7), (7, 7), (7, 2)]),
        ("residual", [(4, 7), (7, 7), (7, 7), (7, 2)]),
        ("dense", [(4, 7), (11, 7), (18, 7), (25, 2)]),
    ],
)
def test_connections_of_an_mlp(connections: str, wanted: list[tuple[int, int]]) -> None:
    model = build_model(MlpModel(depth=3, width=7, connections=connections), (4,), 2, None)
    linear = [(m.in_features, m.out_features) for m in model.modules() if isinstance(m, nn.Linear)]
    assert linear == wanted


def test_a_dense_layer_keeps_what_it_saw() -> None:
    model = build_model(MlpModel(depth=2, width=7, connections="dense"), (4,), 2, None)
    x = torch.randn(3, 4)
    assert torch.equal(model[:-1](x)[:, :4], x)


def test_a_residual_mlp_of_zeros_is_its_first_layer() -> None:
    config = MlpModel(depth=4, width=7, connections="residual", zero_last=True)
    model = build_model(config, (4,), 2, None)
    x = torch.randn(3, 4)
    assert torch.equal(model(x), model[-1](torch.relu(model[1](x))))


def test_cnn_outlives_a_small_image() -> None:
    for config in (CnnModel(blocks=5, channels=3), ConvnextModel(stages=6, width=2)):
        assert build_model(config, (1, 8, 8), 2, None)(torch.randn(2, 1, 8, 8)).shape == (2, 2)


@pytest.mark.parametrize("config", [c for c in NETWORKS if c.name != "mlp"], ids=named)
def test_networks_for_images_refuse_rows(config) -> None:
    with pytest.raises(InvalidInput, match=f"`model` {config.name} needs images"):
        build_model(config, (4,), 2, None)


@pytest.mark.parametrize("config", [VitModel(patch=9), ConvnextModel(patch=9)], ids=named)
def test_a_patch_is_no_larger_than_the_image(config) -> None:
    with pytest.raises(InvalidInput, match="at most the image's side, 8, got 9"):
        build_model(config, (1, 8, 8), 2, None)


def test_a_batch_normalisation_takes_one_value() -> None:
    norm = BatchNorm2d(3)
    alone = torch.randn(1, 3, 1, 1)
    torch.testing.assert_close(norm(alone), alone, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="more than 1 value"):
        nn.BatchNorm2d(3)(alone)


@pytest.mark.parametrize(
    ("model", "path", "words"),
    [
        ({"name": "vit", "width": 50}, "width", "multiple of `model.heads`, got 50 and 4"),
        ({"name": "mlp", "stochastic_depth": 0.1}, "stochastic_depth", "connections: residual"),
        ({"name": "cnn", "residual_scale": "rezero"}, "residual_scale", "connections: residual"),
        ({"name": "mlp", "zero_last": True}, "zero_last", "connections: residual"),
        (
            {"name": "resnet", "zero_last": True, "residual_scale": "rezero"},
            "zero_last",
            "leaves no gradient",
        ),
        ({"name": "resnet", "norm": "bach"}, "norm", "'batch'"),
        ({"name": "torchvision", "activation": 1}, "activation", "unknown key"),
    ],
)
def test_mistakes(model: dict, path: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words) as caught:
        apply({"data": {"name": "digits"}, "model": model, "epochs": 1}, {})
    assert caught.value.problems[0].path == ("model", path)


def test_a_torchvision_model_brings_its_own_activation() -> None:
    base = {"data": {"name": "digits"}, "model": {"name": "torchvision"}, "epochs": 1}
    with pytest.raises(InvalidInput, match="no effect on a torchvision model"):
        apply(base, {"activation.name": "relu"})


def test_residual_models_share_their_knobs() -> None:
    shared = set(ResidualModel.model_fields)
    for config in (MlpModel, CnnModel, ResnetModel, WideResnetModel, ConvnextModel, VitModel):
        assert shared < set(config.model_fields)
    assert Relu().gain == MlpModel.usual.gain != VitModel.usual.gain


def test_custom_model(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def build(shape, classes, width=1):\n"
        "    return nn.Sequential(nn.Linear(shape[0], width), nn.Linear(width, classes))\n"
        "def wrong(shape, classes):\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = build_model(CustomModel(build="my_nets:build", args={"width": 6}), (4,), 3, None)
    assert [module.out_features for module in model] == [6, 3]
    with pytest.raises(InvalidInput, match="did you mean 'build'"):
        build_model(CustomModel(build="my_nets:bild"), (4,), 3, None)
    with pytest.raises(InvalidInput, match=r"must give a torch\.nn\.Module, got int"):
        build_model(CustomModel(build="my_nets:wrong"), (4,), 3, None)
    with pytest.raises(InvalidInput, match="no module 'absent_net'"):
        build_model(CustomModel(build="absent_net:build"), (4,), 3, None)
