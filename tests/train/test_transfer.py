"""Transfer within a training: what is loaded, what moves, and what is refused."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from autotune.errors import InvalidInput
from autotune.testing.distill import write_export
from autotune.testing.train import check_documented, check_resumes, examples
from autotune.testing.transfer import check_strategy, moved, started
from autotune.train import cache, loop, setup
from autotune.train.base import variants
from autotune.train.transfer.config import (
    Discriminative,
    Freeze,
    Full,
    Gradual,
    L2Sp,
    LinearProbe,
    SourceConfig,
    StrategyConfig,
    TransferConfig,
)
from autotune.train.transfer.strategies import L2SpLoss, levels


@pytest.fixture
def deep(make):
    """A perceptron of three hidden layers."""

    def deep(values: dict | None = None, **fixed: object):
        return make(values, **{"model": {"name": "mlp", "depth": 3, "width": 8}, **fixed})

    return deep


@pytest.fixture
def normed(make, tmp_path, monkeypatch):
    """A small network with batch normalisation, as custom models have it."""
    (tmp_path / "normed_net.py").write_text(
        "from torch import nn\n"
        "def build(shape, classes):\n"
        "    return nn.Sequential(nn.Linear(*shape, 8), nn.BatchNorm1d(8), nn.ReLU(),\n"
        "        nn.Linear(8, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return make(model={"name": "custom", "build": "normed_net:build"})


@pytest.mark.parametrize("momentum", [True, False])
@pytest.mark.parametrize("strategy", examples(StrategyConfig), ids=lambda config: config.name)
def test_strategy_contract(strategy, momentum, deep, tmp_path) -> None:
    values = {"optimizer.weight_decay": 0.1, "optimizer.name": "adamw"}
    if momentum:
        values |= {"optimizer.name": "nesterov", "optimizer.momentum": 0.9}
    check_strategy(strategy, deep(values), tmp_path)


@pytest.mark.parametrize("strategy", examples(StrategyConfig), ids=lambda config: config.name)
def test_strategy_contract_with_batch_normalisation(strategy, normed, tmp_path) -> None:
    check_strategy(strategy, normed, tmp_path)


@pytest.mark.parametrize(
    "config",
    [*variants(StrategyConfig).values(), *variants(SourceConfig).values(), TransferConfig],
    ids=lambda config: config.__name__,
)
def test_transfer_is_documented(config) -> None:
    check_documented(config)


LAYERS = [{f"{at}.weight", f"{at}.bias"} for at in (1, 3, 5, 7)]


@pytest.mark.parametrize(
    ("strategy", "still"),
    [(Full(), 0), (LinearProbe(), 3), (Freeze(blocks=0), 0), (Freeze(blocks=2), 2)]
    + [(Freeze(blocks=9), 3), (Gradual(), 3), (L2Sp(), 0)],
    ids=str,
)
def test_what_is_frozen_stays(strategy, still, deep, tmp_path) -> None:
    config = started(strategy, deep({"optimizer.weight_decay": 0.1}), tmp_path)
    assert moved(config) == set().union(*LAYERS[still:])


def test_gradual_lets_one_block_more_go_at_a_time(deep, tmp_path) -> None:
    values = {"optimizer.name": "momentum", "optimizer.lr": 0.1, "optimizer.weight_decay": 0.1}
    config = started(Gradual(every=2), deep(values, epochs=9), tmp_path)
    for epochs, still in ((1, 3), (2, 3), (3, 2), (4, 2), (5, 1), (7, 0), (9, 0)):
        assert moved(config, epochs) == set().union(*LAYERS[still:])


def test_gradual_goes_on_exactly_before_and_after_a_block_is_let_go(deep, tmp_path) -> None:
    config = started(Gradual(every=2), deep({"clip_norm": 0.5}, epochs=8), tmp_path / "source")
    check_resumes(config, tmp_path / "a")


def test_frozen_batch_normalisation_keeps_its_statistics(normed, tmp_path) -> None:
    body = {f"{at}.{name}" for at in (1, 4) for name in ("running_mean", "running_var")}
    assert not moved(started(LinearProbe(), normed, tmp_path)) & body
    half = moved(started(Freeze(blocks=1), normed, tmp_path))
    assert half & body == {"4.running_mean", "4.running_var"}
    assert moved(started(Gradual(), normed, tmp_path), 3) >= body
    assert moved(started(Full(), normed, tmp_path)) >= body


def test_discriminative_rates_fall_from_the_head_down(deep, tmp_path) -> None:
    run = setup.begin(started(Discriminative(factor=0.5), deep(), tmp_path))
    scales = {
        id(p): g.get("scale", 1.0) for g in run.learner.optimizer.param_groups for p in g["params"]
    }
    own = dict(run.network.model.named_parameters())
    assert [scales[id(own[f"{at}.weight"])] for at in (1, 3, 5, 7)] == [0.125, 0.25, 0.5, 1.0]


def test_two_decays_of_rates_are_refused(deep) -> None:
    transfer = {"source": {"name": "file", "path": "a"}, "strategy": {"name": "discriminative"}}
    with pytest.raises(InvalidInput, match="`layer_decay` is what `transfer.strategy`"):
        deep({"layer_decay": 0.5}, transfer=transfer)


def test_a_probes_features_are_those_of_evaluation(normed, tmp_path) -> None:
    run = setup.begin(started(LinearProbe(), normed, tmp_path))
    x = run.data.train.x[:8]
    expected = run.network.model.eval()(x)
    assert torch.equal(run.network.model.train()(x), expected)


def test_l2_sp_is_its_formula(deep, tmp_path) -> None:
    run = setup.begin(started(L2Sp(alpha=0.4, beta=0.06), deep(), tmp_path))
    assert isinstance(run.learner.loss, L2SpLoss)
    assert list(run.learner.loss.parameters()) == [] and not run.learner.loss.state_dict()
    start = load_file(tmp_path / "model.safetensors")
    with torch.no_grad():
        for parameter in run.network.model.parameters():
            parameter.add_(torch.randn_like(parameter))
    own = dict(run.network.model.named_parameters())
    body = [name for name in own if not name.startswith("7.")]
    moved_by = sum((own[name] - start[name]).square().sum() for name in body)
    head = own["7.weight"].square().sum() + own["7.bias"].square().sum()
    x, y = run.data.train.x[:8], run.data.train.y[:8]
    from autotune.train.batch import Batch

    batch, output = Batch(torch.arange(8), x, y, y, 1), run.network.model(x)
    by_hand = nn.functional.cross_entropy(output, y) + 0.2 * moved_by + 0.03 * head
    torch.testing.assert_close(run.learner.loss(output, batch), by_hand)


def test_l2_sp_holds_weights_near_their_start(deep, tmp_path) -> None:
    def distance(alpha: float) -> float:
        config = started(L2Sp(alpha=alpha), deep({"optimizer.weight_decay": 0.0}), tmp_path)
        run, start = setup.begin(config), load_file(tmp_path / "model.safetensors")
        for epoch in range(1, 5):
            loop.learn(run, epoch)
        own = run.network.model.state_dict()
        return sum(float((own[f"{at}.weight"] - start[f"{at}.weight"]).norm()) for at in (1, 3, 5))

    assert distance(100.0) < 0.2 * distance(0.0)


def test_the_initializer_draws_the_new_head_alone(deep, tmp_path) -> None:
    config = started(Full(), deep({"initializer.name": "normal"}), tmp_path)
    own = setup.begin(config).network.model.state_dict()
    assert not own["7.bias"].any() and own["7.weight"].std() == pytest.approx(0.02, rel=0.5)
    assert torch.equal(own["1.weight"], load_file(tmp_path / "model.safetensors")["1.weight"])


def test_a_head_is_kept_where_asked(deep, tmp_path) -> None:
    config = started(Full(), deep(), tmp_path)
    kept = config.transfer.model_copy(update={"head": "keep"})
    own = setup.begin(config.model_copy(update={"transfer": kept})).network.model.state_dict()
    assert torch.equal(own["7.weight"], load_file(tmp_path / "model.safetensors")["7.weight"])


def test_every_kind_of_file_is_read(deep, tmp_path) -> None:
    start = load_file(write_export(deep(seed=5), tmp_path) / "model.safetensors")
    torch.save(start, tmp_path / "a.pth")
    torch.save({"state_dict": {f"module.{k}": v for k, v in start.items()}}, tmp_path / "b.pth")
    for name in ("model.safetensors", "a.pth", "b.pth"):
        source = {"name": "file", "path": str(tmp_path / name)}
        own = setup.begin(deep(transfer={"source": source})).network.model.state_dict()
        assert torch.equal(own["3.weight"], start["3.weight"])


def test_a_file_within_a_package(deep, tmp_path, monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    start = load_file(write_export(deep(seed=5), tmp_path / "nets") / "model.safetensors")
    (tmp_path / "nets" / "__init__.py").touch()
    source = {"name": "file", "path": "nets:model.safetensors"}
    own = setup.begin(deep(transfer={"source": source})).network.model.state_dict()
    assert torch.equal(own["3.weight"], start["3.weight"])


def test_a_source_is_trained_once_on_other_data_with_other_classes(make, tmp_path) -> None:
    draw = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    np.savez(tmp_path / "two.npz", x=draw.normal(size=(80, 4)) + y[:, None], y=y)
    source = {"name": "trained", "data": {"name": "arrays", "path": str(tmp_path / "two.npz")}}
    transfer = {"source": {**source, "epochs": 2}, "strategy": {"name": "linear_probe"}}
    before = len(list(cache.folder().glob("trained-*")))
    for seed in (1, 2):
        run = setup.begin(make(seed=seed, transfer=transfer), loop.finish)
        assert run.network.model[-1].out_features == 3
    assert len(list(cache.folder().glob("trained-*"))) == before + 1


def test_paths_into_a_transfer(make) -> None:
    base = {"source": {"name": "file", "path": "x.pth"}}
    config = make(
        {"transfer.strategy.name": "gradual", "transfer.strategy.every": 2}, transfer=base
    )
    assert config.transfer.strategy == Gradual(every=2)
    with pytest.raises(InvalidInput, match=r"add `when: \{transfer.strategy.name: \[gradual\]\}"):
        make({"transfer.strategy.every": 2}, transfer=base)


def test_levels_hold_every_parameter_once_and_the_head_last() -> None:
    from torchvision import models

    for network in (models.resnet18(), models.vit_b_16(), models.mobilenet_v3_small()):
        found = levels(network)
        ids = [id(parameter) for level in found for parameter in level]
        assert sorted(ids) == sorted(id(parameter) for parameter in network.parameters())
        assert [parameter.ndim for parameter in found[-1]] == [2, 1]
        assert len(found) > 3


@pytest.fixture
def refused(deep, tmp_path):
    """What is said of a transfer that cannot begin, in one line."""

    def refused(source: dict, head: str = "new") -> str:
        with pytest.raises(InvalidInput) as caught:
            next(loop.train(deep(transfer={"source": source, "head": head}), tmp_path / "run"))
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refused


def test_weights_that_do_not_fit_are_named(refused, deep, tmp_path) -> None:
    wide = write_export(deep({"model.width": 9}), tmp_path / "wide") / "model.safetensors"
    said = refused({"name": "file", "path": str(wide)})
    assert "'1.weight' is (9, 4) in the weights and (8, 4) in the model" in said
    deeper = write_export(deep({"model.depth": 4}), tmp_path / "deep") / "model.safetensors"
    said = refused({"name": "file", "path": str(deeper)})
    assert "the weights hold '9.bias' (3,), which the model lacks" in said
    flat = write_export(deep({"model.depth": 2}), tmp_path / "flat") / "model.safetensors"
    said = refused({"name": "file", "path": str(flat)})
    assert "'5.weight' is (3, 8) in the weights and (8, 8) in the model" in said


def test_a_head_that_is_kept_must_fit(refused, make, deep, blobs, tmp_path) -> None:
    with np.load(blobs) as file:
        np.savez(tmp_path / "two.npz", x=file["x"], y=file["y"] > 0)
    two = deep(data={"name": "arrays", "path": str(tmp_path / "two.npz")})
    path = write_export(two, tmp_path / "two") / "model.safetensors"
    said = refused({"name": "file", "path": str(path)}, head="keep")
    assert "'7.weight' is (2, 8) in the weights and (3, 8) in the model" in said


def test_files_that_are_no_weights(refused, tmp_path) -> None:
    assert "there is no file" in refused({"name": "file", "path": str(tmp_path / "no.pth")})
    said = refused({"name": "file", "path": "no_such_package:a.pth"})
    assert "there is no package 'no_such_package': pip install it" in said
    for name in ("a.pth", "a.safetensors"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
        said = refused({"name": "file", "path": str(tmp_path / name)})
        assert "is no whole file of weights" in said or "holds more than tensors" in said
    torch.save(nn.Linear(1, 1), tmp_path / "model.pth")
    said = refused({"name": "file", "path": str(tmp_path / "model.pth")})
    assert "holds more than tensors: save model.state_dict(), not the model" in said
    save_file({"other": torch.ones(1)}, tmp_path / "b.safetensors")
    assert "the weights lack '1.weight'" in refused(
        {"name": "file", "path": str(tmp_path / "b.safetensors")}
    )


def test_an_exported_file_that_has_changed(refused, deep, tmp_path) -> None:
    """Its checksum tells, where a safetensors file of another's could not."""
    folder = tmp_path / "best"
    assert len(list(loop.train(deep(epochs=1), folder))) == 1
    raw = bytearray((folder / "best.safetensors").read_bytes())
    (folder / "model.safetensors").write_bytes(raw)
    config = deep(transfer={"source": {"name": "exported", "folder": str(folder)}})
    assert next(loop.train(config, tmp_path / "run"))
    raw[-2] ^= 1
    (folder / "model.safetensors").write_bytes(raw)
    said = refused({"name": "exported", "folder": str(folder)})
    assert "is no whole file of weights" in said and "export it again" in said


def test_a_folder_that_is_not_exported(refused, tmp_path) -> None:
    assert "is no exported folder" in refused({"name": "exported", "folder": str(tmp_path)})
    said = refused({"name": "study", "study": "fine", "runs": str(tmp_path)})
    assert "there is no study 'fine'" in said
