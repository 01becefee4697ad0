"""The contract of the data sets, over the whole union, on small files of the official formats."""

import gzip
import hashlib
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets

from autotune.errors import DataUnavailable, InvalidInput
from autotune.testing.data import check_data
from autotune.train.base import variants
from autotune.train.config import apply
from autotune.train.data.base import prepare
from autotune.train.data.config import ArraysData, DataConfig, FolderData, SvhnData
from autotune.train.data.read import read
from autotune.train.data.splits import fold_of

DRAW = np.random.default_rng(0)


def write_idx(folder: Path) -> dict[str, Any]:
    for part, size in (("train", 60), ("t10k", 20)):
        images = DRAW.integers(0, 256, (size, 28, 28)).astype(np.uint8)
        labels = (np.arange(size) % 10).astype(np.uint8)
        for kind, values in (("images-idx3", images), ("labels-idx1", labels)):
            head = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}i", *values.shape)
            packed = gzip.compress(head + values.tobytes())
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(packed)
    return {"root": str(folder)}


def checksum(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_cifar(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Files of the names and the layout of the originals; torchvision is told their checksums."""
    reader = getattr(datasets, kind)
    classes, key = (10, "labels") if kind == "CIFAR10" else (100, "fine_labels")
    below = folder / reader.base_folder
    below.mkdir()
    for listed in ("train_list", "test_list"):
        sums = []
        for name, _ in getattr(reader, listed):
            size = 2 * classes if listed == "train_list" and classes == 10 else 4 * classes
            rows = DRAW.integers(0, 256, (size, 3072)).astype(np.uint8)
            entry = {"data": rows, key: (np.arange(size) % classes).tolist()}
            (below / name).write_bytes(pickle.dumps(entry))
            sums.append([name, checksum(below / name)])
        monkeypatch.setattr(reader, listed, sums)
    names = [f"c{number}" for number in range(classes)]
    path = below / reader.meta["filename"]
    path.write_bytes(pickle.dumps({reader.meta["key"]: names}))
    monkeypatch.setattr(reader, "meta", {**reader.meta, "md5": checksum(path)})
    return {"root": str(folder)}


def write_svhn(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As the original: (32, 32, 3, N) and labels from 1 to 10, of which 10 is the digit 0."""
    listed = {}
    for part, size in (("train", 60), ("test", 20)):
        images = DRAW.integers(0, 256, (32, 32, 3, size)).astype(np.uint8)
        labels = (np.arange(size)[:, None] % 10 + 1).astype(np.uint8)
        path = folder / f"{part}_32x32.mat"
        scipy.io.savemat(path, {"X": images, "y": labels})
        listed[part] = ["", path.name, checksum(path)]
    monkeypatch.setattr(datasets.SVHN, "split_list", listed)
    return {"root": str(folder)}


def write_images(folder: Path, parts: tuple[str, ...] = ("",), mode: str = "RGB") -> dict[str, Any]:
    for part in parts:
        for label in ("cat", "dog"):
            below = folder / part / label
            below.mkdir(parents=True)
            for number in range(10):
                pixels = DRAW.integers(0, 256, (6, 5, 3)).astype(np.uint8)
                Image.fromarray(pixels).convert(mode).save(below / f"{number}.png")
    return {"path": str(folder)}


def write_table(folder: Path) -> dict[str, Any]:
    lines = ["size,colour,kind"]
    lines += [
        f"{'' if row % 7 == 0 else row},{'red' if row % 3 else 'blue'},k{row % 2}"
        for row in range(60)
    ]
    (folder / "table.csv").write_text("\n".join(lines))
    return {"path": str(folder / "table.csv"), "target": "kind"}


def write_arrays(folder: Path) -> dict[str, Any]:
    x, y = DRAW.normal(size=(60, 3)), np.arange(60) % 3
    np.savez(folder / "mine.npz", x=x, y=y)
    return {"path": str(folder / "mine.npz")}


def write_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / "some_data.py").write_text(
        "import numpy as np\n"
        "def load():\n"
        "    x = np.random.default_rng(0).normal(size=(40, 3))\n"
        "    return {'x': x, 'y': np.arange(40) % 2}\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    return {"load": "some_data:load"}


Write = Callable[[Path, pytest.MonkeyPatch], dict[str, Any]]
FILES: dict[str, Write] = {
    "digits": lambda folder, patch: {},
    "diabetes": lambda folder, patch: {},
    "mnist": lambda folder, patch: write_idx(folder),
    "fashion_mnist": lambda folder, patch: write_idx(folder),
    "cifar10": lambda folder, patch: write_cifar(folder, "CIFAR10", patch),
    "cifar100": lambda folder, patch: write_cifar(folder, "CIFAR100", patch),
    "svhn": lambda folder, patch: write_svhn(folder, patch),
    "folder": lambda folder, patch: write_images(folder),
    "table": lambda folder, patch: write_table(folder),
    "arrays": lambda folder, patch: write_arrays(folder),
    "custom": lambda folder, patch: write_module(folder, patch),
}


@pytest.fixture
def written(request, tmp_path, monkeypatch) -> Any:
    given = FILES[request.param](tmp_path, monkeypatch)
    return variants(DataConfig)[request.param](**given)


@pytest.mark.parametrize("written", list(variants(DataConfig)), indirect=True)
def test_the_contract(written) -> None:
    check_data(written, "regression" if written.name == "diabetes" else "classification")


@pytest.mark.parametrize("written", ["arrays", "folder", "diabetes"], indirect=True)
def test_the_contract_holds_for_folds(written) -> None:
    task = "regression" if written.name == "diabetes" else "classification"
    check_data(written.model_copy(update={"folds": 4, "fold": 3}), task)


@pytest.mark.parametrize("written", ["digits", "arrays"], indirect=True)
def test_integers_can_be_predicted_as_numbers(written) -> None:
    check_data(written, "regression")


@pytest.mark.parametrize("written", ["cifar100", "svhn"], indirect=True)
def test_what_torchvision_reads(written) -> None:
    raw = read(written)
    if written.name == "svhn":
        theirs = datasets.SVHN(written.root, "train")
        images, labels = theirs.data, theirs.labels
    else:
        theirs = datasets.CIFAR100(written.root)
        images, labels = theirs.data.transpose(0, 3, 1, 2), theirs.targets
    assert np.array_equal(raw.x, images) and np.array_equal(raw.y, labels)


def test_a_file_that_is_not_the_original_is_refused(tmp_path, monkeypatch) -> None:
    write_svhn(tmp_path, monkeypatch)
    with (tmp_path / "test_32x32.mat").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataUnavailable, match="a whole set of SVHN files"):
        read(SvhnData(root=str(tmp_path)))


def test_images_are_read_as_they_are(tmp_path) -> None:
    raw = read(FolderData(**write_images(tmp_path)))
    assert raw.x.shape == (20, 3, 6, 5) and raw.y.tolist() == ["cat"] * 10 + ["dog"] * 10
    with Image.open(tmp_path / "dog" / "3.png") as image:
        assert np.array_equal(raw.x[13].transpose(1, 2, 0), np.asarray(image))


def test_images_of_one_channel_and_another_size(tmp_path) -> None:
    given = write_images(tmp_path, mode="L")
    assert read(FolderData(**given, channels=1, size=4)).x.shape == (20, 1, 4, 4)
    assert read(FolderData(**given)).x.shape == (20, 3, 6, 5)


def test_folders_of_parts(tmp_path) -> None:
    raw = read(FolderData(**write_images(tmp_path, ("train", "test"))))
    assert len(raw.x) == len(raw.x_test) == 20 and raw.x_val is None


def test_images_of_mixed_sizes_need_a_size(tmp_path) -> None:
    given = write_images(tmp_path)
    Image.new("RGB", (9, 7)).save(tmp_path / "dog" / "3.png")
    with pytest.raises(InvalidInput) as caught:
        read(FolderData(**given))
    assert str(caught.value) == (
        "`data.size` must be set where images differ in size: "
        "0.png has 5 x 6 pixels, 3.png has 9 x 7"
    )
    assert read(FolderData(**given, size=6)).x.shape == (20, 3, 6, 6)


def break_nothing_there(folder: Path) -> None:
    shutil.rmtree(folder / "cat")
    shutil.rmtree(folder / "dog")


def break_empty_class(folder: Path) -> None:
    (folder / "bird").mkdir()


def break_no_image(folder: Path) -> None:
    (folder / "cat" / "2.png").write_text("no image")


def break_cut_image(folder: Path) -> None:
    path = folder / "cat" / "2.png"
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (break_nothing_there, "must hold a folder for each class, but holds none"),
        (break_empty_class, "bird' must hold the images of a class, but holds none"),
        (break_no_image, "cat/2.png' is no image"),
        (break_cut_image, "cat/2.png' is no whole image"),
    ],
)
def test_bad_folders(tmp_path, harm: Callable[[Path], None], words: str) -> None:
    given = write_images(tmp_path)
    harm(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        read(FolderData(**given))
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_folders_that_are_not_there(tmp_path) -> None:
    with pytest.raises(DataUnavailable, match="there is no folder"):
        read(FolderData(path=str(tmp_path / "none")))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"folds": 1}, "`data.folds` must be >= 2, got 1"),
        ({"fold": 2}, "`data.fold` has no effect without `data.folds`"),
        ({"folds": 3, "fold": 3}, "`data.fold` must be < `data.folds` = 3, got 3"),
    ],
)
def test_bad_folds(given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        apply({"data": {"name": "digits", **given}, "model": {"name": "mlp"}, "epochs": 1}, {})
    assert str(caught.value) == words


def test_the_folds_make_up_the_whole() -> None:
    y = np.repeat([0, 1, 2], [31, 20, 9])
    parts = [fold_of(y, 4, fold, seed=0) for fold in range(4)]
    assert np.array_equal(np.sort(np.concatenate([held for _, held in parts])), np.arange(60))
    for kept, held in parts:
        assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(60))
        counts = np.bincount(y[held])
        assert (abs(counts - np.array([31, 20, 9]) / 4) < 1).all() and len(held) == 15


def test_folds_of_data_with_its_own_validation_part(tmp_path) -> None:
    x, y = DRAW.normal(size=(20, 3)), np.arange(20) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y, x_val=x, y_val=y)
    with pytest.raises(InvalidInput, match="brings a validation part of its own"):
        prepare(ArraysData(path=str(tmp_path / "a.npz"), folds=2), "cpu")


def test_arrays_in_a_folder(tmp_path) -> None:
    x, y = DRAW.normal(size=(20, 3)), np.arange(20) % 2
    np.save(tmp_path / "x.npy", x)
    with pytest.raises(InvalidInput, match="array 'y' is missing"):
        read(ArraysData(path=str(tmp_path)))
    np.save(tmp_path / "y.npy", y)
    raw = read(ArraysData(path=str(tmp_path)))
    assert np.array_equal(raw.x, x) and np.array_equal(raw.y, y)
