import gzip
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from autotune.errors import DataUnavailable, InvalidInput
from autotune.train.data import mnist
from autotune.train.data.base import prepare, stratified
from autotune.train.data.config import (
    ArraysData,
    Cifar10Data,
    Cifar100Data,
    CustomData,
    DiabetesData,
    DigitsData,
    FashionMnistData,
    MnistData,
    SvhnData,
)
from autotune.train.data.read import read


def test_diabetes_is_scikit_learns() -> None:
    from sklearn.datasets import load_diabetes

    theirs, ours = load_diabetes(scaled=False), read(DiabetesData())
    assert np.allclose(ours.x, theirs.data) and np.array_equal(ours.y, theirs.target)
    assert list(ours.columns) == theirs.feature_names


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    theirs, ours = load_digits(), read(DigitsData())
    assert np.array_equal(ours.x[:, 0], theirs.images)
    assert np.array_equal(ours.y, theirs.target)


def test_digits_split_into_three_parts_of_the_same_make_up() -> None:
    data = prepare(DigitsData(), "cpu")
    sizes = [len(split.y) for split in (data.train, data.val, data.test)]
    assert sum(sizes) == 1797 and data.classes == 10 and data.shape == (1, 8, 8)
    assert sizes[2] == pytest.approx(0.2 * 1797, abs=5)
    assert sizes[1] == pytest.approx(0.2 * 0.8 * 1797, abs=5)
    for split in (data.train, data.val, data.test):
        shares = torch.bincount(split.y).double() / len(split.y)
        assert shares.min() > 0.09 and shares.max() < 0.11
    rows = torch.cat([split.x.flatten(1) for split in (data.train, data.val, data.test)])
    assert len(torch.unique(rows, dim=0)) == 1797  # no sample in two parts


def test_inputs_are_normalised_by_the_train_part() -> None:
    data = prepare(DigitsData(), "cpu")
    assert data.train.x.mean().item() == pytest.approx(0, abs=1e-5)
    assert data.train.x.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert data.val.x.mean().item() != pytest.approx(0, abs=1e-5)


def test_a_data_set_is_prepared_once() -> None:
    assert prepare(DigitsData(), "cpu") is prepare(DigitsData(), "cpu")
    assert prepare(DigitsData(seed=1), "cpu") is not prepare(DigitsData(), "cpu")


def test_the_seed_draws_the_split() -> None:
    y = np.repeat([0, 1, 2], [50, 30, 4])
    kept, held = stratified(y, 0.2, seed=3)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(84))
    assert np.bincount(y[held]).tolist() == [10, 6, 1]
    assert np.array_equal(held, stratified(y, 0.2, seed=3)[1])
    assert not np.array_equal(held, stratified(y, 0.2, seed=4)[1])


def arrays(folder: Path, **parts: object) -> ArraysData:
    np.savez(folder / "mine.npz", **{key: np.asarray(part) for key, part in parts.items()})
    return ArraysData(path=str(folder / "mine.npz"))


def test_arrays_with_their_own_parts(tmp_path) -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(20, 3)), np.tile([5, 9], 10)
    data = prepare(
        arrays(tmp_path, x=x, y=y, x_val=x[:4], y_val=y[:4], x_test=x[:6], y_test=y[:6]), "cpu"
    )
    assert [len(split.y) for split in (data.train, data.val, data.test)] == [20, 4, 6]
    assert data.classes == 2 and data.train.y.unique().tolist() == [0, 1]
    torch.testing.assert_close(data.train.x.mean(0), torch.zeros(3), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("shape", "sample"),
    [
        ((40, 6, 7), (1, 6, 7)),
        ((40, 3, 6, 7), (3, 6, 7)),
        ((40, 6, 7, 3), (3, 6, 7)),
        ((40, 5), (5,)),
    ],
)
def test_images_become_channels_first(tmp_path, shape, sample) -> None:
    config = arrays(tmp_path, x=np.zeros(shape, np.uint8), y=np.tile([0, 1], 20))
    data = prepare(config, "cpu")
    assert data.shape == sample
    assert not data.train.x.any()  # a constant input stays finite


ROWS, LABELS = np.zeros((8, 2)), np.tile([0, 1], 4)


@pytest.mark.parametrize(
    ("parts", "words"),
    [
        ({"x": ROWS}, "array 'y' is missing (there are: x)"),
        ({"x": ROWS, "Y": LABELS}, "unknown array 'Y'"),
        ({"x": ROWS, "y": LABELS, "x_test": ROWS}, "array 'y_test' is missing"),
        ({"x": ROWS, "y": LABELS[:5]}, "must be of one length, got 8 and 5"),
        ({"x": ROWS, "y": LABELS * 0.5}, "whole numbers, got float64: y.astype('int64')"),
        ({"x": ROWS, "y": ["a", "b"] * 4}, "whole numbers, got <U1: number the classes from 0"),
        ({"x": ROWS, "y": LABELS[:, None]}, "y must have one dimension, got shape (8, 1)"),
        ({"x": ROWS[:, 0], "y": LABELS}, "x must be (N, F)"),
        ({"x": ROWS + np.nan, "y": LABELS}, "x must be finite"),
        ({"x": [["a"]] * 8, "y": LABELS}, "x must hold numbers, got <U1"),
        ({"x": ROWS, "y": LABELS, "x_val": ROWS[:, :1], "y_val": LABELS}, "one shape, got"),
        ({"x": ROWS, "y": LABELS, "x_val": ROWS, "y_val": LABELS + 1}, "the train part lacks: 2"),
        ({"x": ROWS[:2], "y": LABELS[:2]}, "part would be empty"),
        ({"x": ROWS, "y": LABELS * 0}, "there must be 2 classes or more, but all labels are 0"),
        ({"x": ROWS[:0], "y": LABELS[:0]}, "part would be empty"),
        ({"x": np.zeros((9, 2)), "y": [*LABELS, 7]}, "2 samples or more, but has 1: 7"),
        ({"x": ROWS, "y": LABELS * np.nan}, "whole numbers, got float64"),
    ],
)
def test_bad_arrays(tmp_path, parts: dict, words: str) -> None:
    config = arrays(tmp_path, **parts)
    with pytest.raises(InvalidInput) as caught:
        prepare(config, "cpu")
    assert words in str(caught.value)


def test_files_that_hold_no_arrays(tmp_path) -> None:
    with pytest.raises(DataUnavailable, match="there is no file"):
        read(ArraysData(path=str(tmp_path / "absent.npz")))
    np.savez(tmp_path / "objects.npz", x=np.array([{}], object), y=np.zeros(1, int))
    np.save(tmp_path / "one.npy", np.zeros(3))
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "torn.npz").write_bytes((tmp_path / "objects.npz").read_bytes()[:100])
    for name in ("objects.npz", "one.npy", "text.npz", "torn.npz"):
        with pytest.raises(InvalidInput, match="no .npz file of plain arrays"):
            read(ArraysData(path=str(tmp_path / name)))


def test_custom_data(tmp_path, monkeypatch) -> None:
    (tmp_path / "my_data.py").write_text(
        "import torch\n"
        "def load(n):\n"
        "    return {'x': torch.randn(n, 2), 'y': torch.arange(n) % 2}\n"
        "def wrong():\n    return 1\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert len(read(CustomData(load="my_data:load", args={"n": 12})).y) == 12
    with pytest.raises(InvalidInput, match="must give a mapping with x and y, got int"):
        read(CustomData(load="my_data:wrong"))


def idx(values: np.ndarray) -> bytes:
    return (
        bytes([0, 0, 8, values.ndim])
        + struct.pack(f">{values.ndim}i", *values.shape)
        + values.tobytes()
    )


def write_mnist(folder: Path, packed: bool) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    for part, size in (("train", 60), ("t10k", 20)):
        images = draw.integers(0, 256, (size, 28, 28)).astype(np.uint8)
        labels = (np.arange(size) % 10).astype(np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            raw, name = idx(values), f"{part}-{kind}-ubyte"
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(raw) if packed else raw)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("below", ["", "FashionMNIST/raw"])
def test_mnist_files_where_torchvision_or_a_user_puts_them(tmp_path, packed, below) -> None:
    write_mnist(tmp_path / below, packed)
    data = prepare(FashionMnistData(root=str(tmp_path)), "cpu")
    assert data.shape == (1, 28, 28)
    assert [len(split.y) for split in (data.train, data.val, data.test)] == [50, 10, 20]


def test_mnist_reads_what_torchvision_reads(tmp_path) -> None:
    from torchvision.datasets import MNIST

    write_mnist(tmp_path / "MNIST" / "raw", packed=False)
    ours = read(MnistData(root=str(tmp_path)))
    theirs = MNIST(str(tmp_path), train=True)
    assert np.array_equal(ours.x[:, 0], theirs.data.numpy())
    assert np.array_equal(ours.y, theirs.targets.numpy())


def test_a_cut_file_is_named(tmp_path) -> None:
    write_mnist(tmp_path, packed=False)
    path = tmp_path / mnist.FILES[0]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataUnavailable, match="a whole set of MNIST files"):
        read(MnistData(root=str(tmp_path)))


@pytest.mark.parametrize(
    "config", [MnistData, FashionMnistData, Cifar10Data, Cifar100Data, SvhnData]
)
def test_absent_files_end_in_one_clear_line(tmp_path, monkeypatch, config) -> None:
    # Every mirror is a port of this machine that nobody listens at.
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    began = time.perf_counter()
    with pytest.raises(DataUnavailable) as caught:
        read(config(root=str(tmp_path / "none")))
    message = str(caught.value)
    assert "`data.root`" in message and str(tmp_path / "none") in message and "Put it" in message
    assert "\n" not in message and time.perf_counter() - began < 30


def test_a_data_set_tells_how_to_go_back_to_what_was_read() -> None:
    data, raw = prepare(DigitsData(), "cpu"), read(DigitsData())
    pixels = data.train.x * data.std + data.mean
    torch.testing.assert_close(pixels, pixels.round(), atol=1e-4, rtol=0)
    assert pixels.max().item() == pytest.approx(raw.x.max())
    assert data.outputs == data.classes == 10 and data.labels == tuple("0123456789")
