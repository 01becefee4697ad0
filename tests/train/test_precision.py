import shutil

import pytest
import torch

from autotune.errors import InvalidInput
from autotune.testing.train import check_resumes
from autotune.train import finite, loop, setup
from autotune.train.data.base import prepare
from autotune.train.precision import Precision

CNN = {"data": {"name": "digits"}, "model": {"name": "cnn", "channels": 4, "blocks": 1}}


def curve(config, folder) -> list[dict[str, float]]:
    return [dict(report.metrics) for report in loop.train(config, folder)]


@pytest.mark.parametrize("values", [{"precision": "bf16"}, {"channels_last": True}], ids=str)
def test_resume_is_exact(make, tmp_path, values: dict) -> None:
    check_resumes(make(values, **CNN, epochs=2), tmp_path)


def test_bf16_computes_in_bf16_and_answers_in_fp32(make) -> None:
    config = make({"precision": "bf16"})
    data = prepare(config.data, "cpu")
    model = setup.build(config, data)
    seen = []
    model[1].register_forward_hook(lambda *parts: seen.append(parts[-1].dtype))
    output = Precision(config, torch.device("cpu")).forward(model)(data.val.x)
    assert seen == [torch.bfloat16] and output.dtype == torch.float32
    torch.testing.assert_close(output, model(data.val.x), atol=0.05, rtol=0.05)
    assert not torch.equal(output, model(data.val.x))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_bf16_learns_what_fp32_learns(make, tmp_path) -> None:
    whole = curve(make({"optimizer.lr": 0.03}, epochs=8), tmp_path / "a")
    short = curve(make({"optimizer.lr": 0.03, "precision": "bf16"}, epochs=8), tmp_path / "b")
    assert whole != short
    assert short[-1]["val_loss"] == pytest.approx(whole[-1]["val_loss"], abs=0.05)


def test_tf32_is_for_gpus_and_changes_nothing_on_a_cpu(make, tmp_path) -> None:
    assert curve(make(), tmp_path / "a") == curve(make({"precision": "tf32"}), tmp_path / "b")
    assert torch.backends.cuda.matmul.fp32_precision == "tf32"
    curve(make(), tmp_path / "c")
    assert torch.backends.cuda.matmul.fp32_precision == "ieee"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_fp16_without_a_gpu_is_refused(make, tmp_path) -> None:
    with pytest.raises(InvalidInput, match="`precision` fp16 needs a GPU: use bf16 or fp32"):
        curve(make({"precision": "fp16"}), tmp_path)


def test_images_pixel_by_pixel_give_the_same_numbers_but_for_rounding(make, tmp_path) -> None:
    config = make({"channels_last": True}, **CNN, epochs=1)
    run = setup.begin(config)
    weight = next(
        module.weight for module in run.network.model if isinstance(module, torch.nn.Conv2d)
    )
    assert weight.is_contiguous(memory_format=torch.channels_last)
    (plain,) = curve(make(**CNN, epochs=1), tmp_path / "a")
    (last,) = curve(config, tmp_path / "b")
    assert last == pytest.approx(plain, rel=1e-3)


def test_without_a_compiler_compiling_is_refused(make, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InvalidInput, match=r"`compile` needs a C\+\+ compiler"):
        curve(make({"compile": True}), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # torch's own, while it compiles
def test_a_compiled_network_learns_the_same(make, tmp_path) -> None:
    plain, compiled = make(epochs=3), make({"compile": True}, epochs=3)
    expected = curve(plain, tmp_path / "plain")
    for attempt in ("first", "second"):  # the second finds nothing of the first in its way
        found = curve(compiled, tmp_path / attempt)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours == pytest.approx(theirs, rel=1e-4)
    assert loop.test(compiled, tmp_path / "first") == pytest.approx(
        loop.test(plain, tmp_path / "plain"), rel=1e-4
    )


def test_nan_ends_the_training_in_its_step(make, tmp_path) -> None:
    config = make({"optimizer.name": "sgd", "optimizer.lr": 1e30}, epochs=1)
    run = setup.begin(config)
    steps = []
    run.learner.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(loop.NotFinite, match="train_loss is (nan|inf) in epoch 1"):
        loop.learn(run, 1)
    batches = -(-len(run.data.train.y) // 16)
    assert 1 <= len(steps) < batches - 1  # the step after the bad one was not taken


def test_the_watch_names_the_epoch() -> None:
    watch = finite.Watch(torch.device("cpu"))
    watch(3, torch.tensor(1.0))
    with pytest.raises(finite.NotFinite, match="train_loss is nan in epoch 3"):
        watch(3, torch.tensor(float("nan")))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "tf32", "bf16", "fp16"])
def test_on_a_gpu(make, tmp_path, precision: str) -> None:
    values = {"precision": precision, "optimizer.lr": 0.03, "device": "cuda", "clip_norm": 1.0}
    found = curve(make(values, epochs=8, metrics=["memory"]), tmp_path / "gpu")
    assert found[-1]["val_accuracy"] > 0.8
    check_resumes(make(values), tmp_path)


@pytest.mark.gpu
def test_data_that_does_not_fit_on_a_gpu_moves_batch_by_batch(make, tmp_path, monkeypatch) -> None:
    from autotune.train.data import base, place

    config = make({"device": "cuda"})
    there = curve(config, tmp_path / "there")
    base._prepared.cache_clear()
    monkeypatch.setattr(place, "SHARE", 0.0)
    assert prepare(config.data, "cuda").train.x.device.type == "cpu"
    moved = curve(config, tmp_path / "moved")
    base._prepared.cache_clear()
    for ours, theirs in zip(moved, there, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
