from pathlib import Path

import numpy as np
import pandas
import pytest
import torch

from autotune.errors import DataUnavailable, InvalidInput
from autotune.train import loop, setup
from autotune.train.data.base import prepare
from autotune.train.data.config import TableData
from autotune.train.data.read import read
from autotune.train.data.splits import split
from autotune.train.models.embedding import Embedded

ROWS = 200


def frame() -> pandas.DataFrame:
    draw = np.random.default_rng(0)
    age = np.where(np.arange(ROWS) % 9 == 0, np.nan, draw.normal(40, 10, ROWS).round())
    town = np.array(["Ulm", "Bonn", None], object)[np.arange(ROWS) % 3]
    return pandas.DataFrame(
        {
            "id": np.arange(ROWS),
            "age": age,
            "post": np.array([7, 9, 11, 13])[draw.integers(0, 4, ROWS)],
            "town": town,
            "member": draw.random(ROWS) < 0.5,
            "pay": draw.gamma(2, 1000, ROWS),
            "kind": np.array(["a", "b"])[np.arange(ROWS) // 5 % 2],
        }
    )


@pytest.fixture
def table(tmp_path: Path):
    """A TableData over `frame()`, in a file of some format, with columns changed."""

    def table(
        suffix: str = ".csv", changed: dict[str, object] | None = None, **given: object
    ) -> TableData:
        path, data = tmp_path / f"table{suffix}", frame().assign(**(changed or {}))
        if suffix == ".parquet":
            data.to_parquet(path)
        else:
            data.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")
        settings: dict = {"target": "kind", "drop": ["id"], "categorical": ["post"], **given}
        return TableData(path=str(path), **settings)

    return table


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_numbers_first_then_what_is_missing_then_codes(table, suffix) -> None:
    data = prepare(table(suffix), "cpu")
    assert data.columns == ("age", "member", "pay", "age is missing", "post", "town")
    assert data.categories == (5, 4)  # 4 postcodes; 2 towns and none; 0 is for the unknown
    assert data.labels == ("a", "b") and data.shape == (6,)


def test_all_that_is_learnt_is_learnt_from_the_train_part(table) -> None:
    """The same by pandas, column by column."""
    config = table(".parquet")
    data, raw = prepare(config, "cpu"), read(config)
    parts = split(config, raw, "classification")
    train, val = pandas.DataFrame(parts.x), pandas.DataFrame(parts.x_val)
    median = train[0].median()
    mean, std = train[0].fillna(median).mean(), train[0].fillna(median).std(ddof=0)
    wanted = (val[0].fillna(median) - mean) / std
    np.testing.assert_allclose(data.val.x[:, 0], wanted, rtol=1e-4, atol=1e-5)
    marks = val[0].isna().astype(float)
    share = train[0].isna().mean()
    np.testing.assert_allclose(
        data.val.x[:, 3], (marks - share) / np.sqrt(share * (1 - share)), rtol=1e-4, atol=1e-5
    )
    towns = frame()["town"].fillna("missing").to_numpy()
    code = {town: set() for town in ("Ulm", "Bonn", "missing")}
    rows = pandas.Series(np.arange(ROWS), index=frame()["pay"].round(6))
    for number, town in zip(parts.x[:, 2].round(6), data.train.x[:, 5].tolist(), strict=True):
        code[towns[rows[number]]].add(town)
    assert code == {"Bonn": {1.0}, "Ulm": {2.0}, "missing": {3.0}}


def test_a_category_that_training_never_saw_is_unknown(table) -> None:
    config = table(categorical=["post", "id"], drop=[])  # every id is seen once
    data = prepare(config, "cpu")
    ids = data.columns.index("id")
    assert (data.val.x[:, ids] == 0).all() and (data.test.x[:, ids] == 0).all()
    assert (data.train.x[:, ids] > 0).all() and data.categories[0] == len(data.train.y) + 1


def test_a_number_as_the_target(table) -> None:
    config = table(target="pay")
    data = prepare(config, "cpu", "regression")
    back = data.train.y.double() * data.y_std + data.y_mean
    assert data.classes == 0 and data.outputs == 1 and len(back) == 130
    parts = split(config, read(config), "regression")
    np.testing.assert_allclose(back, parts.y, rtol=1e-5)
    assert data.train.y.mean().item() == pytest.approx(0, abs=1e-6)
    assert data.train.y.std(correction=0).item() == pytest.approx(1, abs=1e-5)
    assert parts.y_val.mean() == pytest.approx(parts.y.mean(), rel=0.1)  # alike by tenths


HOLES = frame()["kind"].where(np.arange(ROWS) > 3)
INFINITE = frame()["pay"].where(np.arange(ROWS) > 3, np.inf)
TIMES = pandas.date_range("2020-01-01", periods=ROWS)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"target": "kid"}, "`data.target`: there is no column 'kid'; did you mean 'kind'?"),
        ({"drop": ["idd"]}, "`data.drop`: there is no column 'idd'; did you mean 'id'?"),
        ({"categorical": ["x"]}, "`data.categorical`: there is no column 'x'"),
        ({"changed": {"kind": HOLES}}, "column 'kind' must be whole, but 4 of 200 rows lack it"),
        ({"changed": {"pay": INFINITE}}, "column 'pay' holds infinity"),
        ({"changed": {"none": np.nan}}, "column 'none' is empty: name it in `data.drop`"),
        ({"changed": {"kind": "a"}}, "there must be 2 classes or more, but all labels are a"),
        (
            {"changed": {"kind": ["c", *["a", "b"] * 99, "a"]}},
            "a class must have 2 samples or more, but has 1: c",
        ),
        ({"target": "pay"}, "y must hold whole numbers, got float64: y.astype('int64'), or set"),
        (
            {"drop": ["id", "age", "post", "town", "member", "pay"], "categorical": []},
            "there is no column besides the target",
        ),
        (
            {"suffix": ".parquet", "changed": {"when": TIMES}},
            "column 'when' holds times: make numbers of them",
        ),
    ],
)
def test_bad_tables(table, given, words) -> None:
    with pytest.raises(InvalidInput) as caught:
        prepare(table(**given), "cpu")
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_text_as_a_number_to_predict(table) -> None:
    with pytest.raises(InvalidInput, match="must hold numbers for a regression, got text"):
        prepare(table(), "cpu", "regression")
    with pytest.raises(InvalidInput, match="the target must vary, but is 3 throughout"):
        prepare(table(changed={"pay": 3}, target="pay"), "cpu", "regression")


def test_files_that_are_no_tables(tmp_path) -> None:
    for name, text in (("a.parquet", "no"), ("b.csv", ""), ("c.xls", "")):
        (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match="is no .parquet table"):
        read(TableData(path=str(tmp_path / "a.parquet"), target="y"))
    with pytest.raises(InvalidInput, match="is no .csv table"):
        read(TableData(path=str(tmp_path / "b.csv"), target="y"))
    with pytest.raises(InvalidInput, match="must end in .csv, .tsv, .parquet, got"):
        read(TableData(path=str(tmp_path / "c.xls"), target="y"))
    with pytest.raises(DataUnavailable, match="there is no file"):
        read(TableData(path=str(tmp_path / "d.csv"), target="y"))


def test_a_network_learns_a_vector_for_each_category(make, table, tmp_path) -> None:
    data = table().model_dump()
    config = make({"model.embedding": 3}, data=data, epochs=2)
    model = setup.build(config, prepare(config.data, "cpu"))
    assert isinstance(model, Embedded)
    assert [tuple(t.weight.shape) for t in model.tables] == [(5, 3), (4, 3)]
    x = prepare(config.data, "cpu").train.x
    vectors = [model.tables[0].weight[x[:, 4].long()], model.tables[1].weight[x[:, 5].long()]]
    torch.testing.assert_close(model(x), model.model(torch.cat([x[:, :4], *vectors], 1)))
    before = model.tables[1].weight.detach().clone()
    list(loop.train(config, tmp_path))
    after = loop.checkpoint.load_best(tmp_path).weights["tables.1.weight"]
    assert not torch.equal(before[1:], after[1:])  # learnt
    assert abs(after[0] - before[0]).max() < 1e-3  # the unknown is never met; weights decay
