"""The pages on architecture agree with the folders, and the sampler that they build works."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from autotune.testing.search import SAMPLER_CHECKS

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
TOP = {
    path.name + "/" * path.is_dir()
    for path in (ROOT / "autotune").iterdir()
    if not path.name.startswith(("_", "py.typed"))
}


def test_the_folders_and_the_architecture_agree() -> None:
    table = PAGE.partition("<!-- rooms")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w./]+)` \|", table, re.MULTILINE)) == TOP


def test_the_top_folder_has_few_loose_modules() -> None:
    assert len([name for name in TOP if name.endswith(".py")]) + 1 <= 8  # and __init__.py


def test_what_is_to_be_touched_exists() -> None:
    table = PAGE.partition("## Files to change")[2]
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", table)
    assert len(named) > 8
    assert [name for name in named if not (ROOT / "autotune" / name).exists()] == []


@pytest.fixture
def walkthrough(tmp_path: Path) -> ModuleType:
    code = re.search(r"```python\n(\"\"\"Hill climbing.*?)```", PAGE, re.DOTALL)
    assert code
    file = tmp_path / "hill_climb.py"
    file.write_text(code[1])
    spec = importlib.util.spec_from_file_location("hill_climb", file)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["hill_climb"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("check", SAMPLER_CHECKS, ids=lambda check: check.__name__)
def test_the_sampler_of_the_walk_through_passes_its_contract(walkthrough, check) -> None:  # type: ignore[no-untyped-def]
    check(walkthrough.HillClimb(), "flat")
