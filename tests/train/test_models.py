import pytest
import torch
from torch import nn
from torch.nn import functional

from autotune.errors import InvalidInput
from autotune.testing.train import examples
from autotune.train.models.config import (
    ActivationConfig,
    CnnModel,
    CustomModel,
    Elu,
    InitializerConfig,
    LeakyRelu,
    MlpModel,
    ModelConfig,
    Normal,
    Tanh,
)
from autotune.train.models.initializers import initialize

FANS = (300, 200)  # in, out
VARIANCES = {
    "xavier_uniform": 2 / 500,
    "xavier_normal": 2 / 500,
    "he_uniform": 2 / 300,
    "he_normal": 2 / 300,
    "normal": 0.02**2,
}
FUNCTIONS = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,
    "elu": functional.elu,
    "gelu": functional.gelu,
    "silu": functional.silu,
    "tanh": torch.tanh,
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("config", examples(InitializerConfig), ids=lambda config: config.name)
def test_initializer_contract(config) -> None:
    """Weights of linear and convolution layers are drawn anew, biases are 0, the rest is left."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4), nn.Flatten(), nn.Linear(16, 5))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    initialize(model, config.build())
    after = model.state_dict()
    assert {name for name in after if not torch.equal(before[name], after[name])} == {
        "0.weight",
        "0.bias",
        "3.weight",
        "3.bias",
    }
    assert not after["0.bias"].any() and not after["3.bias"].any()


@pytest.mark.parametrize("config", examples(InitializerConfig), ids=lambda config: config.name)
def test_initializer_variance(config) -> None:
    weight = config.build()(torch.empty(FANS[1], FANS[0])).detach()
    if config.name == "orthogonal":
        torch.testing.assert_close(weight @ weight.T, torch.eye(FANS[1]), atol=1e-5, rtol=0)
        return
    assert weight.var().item() == pytest.approx(VARIANCES[config.name], rel=0.03)
    assert abs(weight.mean().item()) < 3e-4 + 3 * VARIANCES[config.name] ** 0.5 / 245
    bound = (3 * VARIANCES[config.name]) ** 0.5
    assert (weight.abs().max() <= bound).item() is config.name.endswith("uniform")


def test_normal_has_the_std_it_is_given() -> None:
    assert Normal(std=0.5).build()(torch.empty(300, 300)).std().item() == pytest.approx(
        0.5, rel=0.02
    )


@pytest.mark.parametrize("config", examples(ActivationConfig), ids=lambda config: config.name)
def test_activation_is_torchs(config) -> None:
    x = torch.linspace(-4, 4, 101)
    assert torch.equal(config.build()(x), FUNCTIONS[config.name](x))


def test_activation_knobs() -> None:
    x = torch.linspace(-4, 4, 101)
    assert torch.equal(LeakyRelu(slope=0.3).build()(x), functional.leaky_relu(x, 0.3))
    assert torch.equal(Elu(alpha=0.5).build()(x), functional.elu(x, 0.5))


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7)])
@pytest.mark.parametrize(
    "config",
    examples(ModelConfig, {"custom": {"build": "autotune.testing.train:examples"}})[:-1],
    ids=lambda config: config.name,
)
def test_model_contract(config, shape: tuple[int, ...]) -> None:
    model = config.build(shape, 5, None)
    logits = model(torch.randn(2, *shape))
    assert logits.shape == (2, 5)
    logits.sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_mlp_is_as_deep_and_wide_as_asked() -> None:
    model = MlpModel(depth=3, width=7, dropout=0.5).build((4,), 2, Tanh())
    linear = [(m.in_features, m.out_features) for m in model if isinstance(m, nn.Linear)]
    assert linear == [(4, 7), (7, 7), (7, 7), (7, 2)]
    assert sum(isinstance(module, nn.Tanh) for module in model) == 3
    assert sum(isinstance(module, nn.Dropout) for module in model) == 3


def test_cnn_outlives_a_small_image() -> None:
    assert CnnModel(blocks=5, channels=3).build((1, 8, 8), 2, None)(
        torch.randn(2, 1, 8, 8)
    ).shape == (2, 2)


def test_cnn_refuses_rows() -> None:
    with pytest.raises(InvalidInput, match="needs images"):
        CnnModel().build((4,), 2, None)


def test_custom_model(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "def build(shape, classes, width=1):\n"
        "    return nn.Sequential(nn.Linear(shape[0], width), nn.Linear(width, classes))\n"
        "def wrong(shape, classes):\n    return 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = CustomModel(build="my_nets:build", args={"width": 6}).build((4,), 3, None)
    assert [module.out_features for module in model] == [6, 3]
    with pytest.raises(InvalidInput, match="did you mean 'build'"):
        CustomModel(build="my_nets:bild").build((4,), 3, None)
    with pytest.raises(InvalidInput, match=r"must give a torch\.nn\.Module, got int"):
        CustomModel(build="my_nets:wrong").build((4,), 3, None)
    with pytest.raises(InvalidInput, match="no module 'my_net'"):
        CustomModel(build="my_net:build").build((4,), 3, None)
