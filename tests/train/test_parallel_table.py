"""The table of docs/parallel.md is what `check` says, and its cells hold."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autotune.testing.parallel import Ranks, check_equal
from autotune.train.config import TrainConfig, apply
from autotune.train.parallel.table import NETWORKS, NOTES, OPTIONS, STRATEGIES, cell, table

PAGE = Path(__file__).parents[2] / "docs" / "parallel.md"
CELLS = [
    (name, strategy, {"model": {"name": name, **sizes}})
    for name, sizes in NETWORKS.items()
    for strategy in STRATEGIES
] + [(label, strategy, given) for label, given in OPTIONS.items() for strategy in STRATEGIES]
SINGLE = ("bf16", "channels_last", "distill")
"""What rounds to float32 by itself."""
WORKING = [case for case in CELLS if cell(case[1], case[2]) == "works"]


def test_the_page_shows_the_table() -> None:
    """Renew it: python -m autotune.train.parallel.table"""
    shown = re.search(
        r"<!-- table: .*?-->\n\n?(.*?)\n?<!-- end of table -->", PAGE.read_text(), re.S
    )
    assert shown and shown[1].strip() == table().strip()


def test_what_is_refused_says_why() -> None:
    assert len(WORKING) > len(CELLS) / 2
    for name, strategy, given in CELLS:
        if (name, strategy, given) not in WORKING:
            assert re.fullmatch(r"refused: .+(choose|set it to) .+", cell(strategy, given)), name


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ranks]:
    folder = tmp_path_factory.mktemp("nets")
    (folder / "my").mkdir()
    (folder / "my" / "nets.py").write_text(NETS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}:{Path(__file__).parents[2]}")
        with Ranks(2) as started:
            yield started


NETS = """
from torch import nn

def build(shape, outputs):
    inner = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 16), inner, nn.Linear(16, outputs))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draw = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "images.npz"
    x = draw.normal(size=(60, 3, 8, 8)).astype(np.float32)
    np.savez(path, x=x, y=np.arange(60) % 3)
    return path


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "strategy", "given"), WORKING, ids=lambda v: str(v)[:40])
def test_a_cell_that_works_equals_one_process(
    name: str, strategy: str, given: dict, ranks: Ranks, images: Path, tmp_path: Path
) -> None:
    if "a GPU" in name:
        pytest.skip("needs a GPU")
    data = {"name": "arrays", "path": str(images)}
    if "transfer" in given:
        source = {**given["transfer"]["source"], "data": data}
        given = {**given, "transfer": {**given["transfer"], "source": source}}
    base = {"data": data, "model": {"name": "mlp", "width": 16}, "epochs": 2, "batch_size": 36}
    config = apply({**base, **given, "parallel": {"strategy": strategy, "workers": 2}}, {})
    assert isinstance(config, TrainConfig)
    if (name, strategy) in NOTES:
        (told, *_) = ranks.ask(
            "autotune.testing.parallel:curve", config.model_dump(mode="json"), str(tmp_path)
        )
        assert len(told) == 2
        return
    if name == "torchvision":  # fifty normalisations of few samples: one step, or rounding grows
        config = config.model_copy(update={"batch_size": 64, "epochs": 1})
    single = any(word in name for word in SINGLE)
    within = 1e-2 if "bf16" in name else None
    check_equal(ranks, config, tmp_path, double=not single, within=within)
