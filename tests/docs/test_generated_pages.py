"""scripts/site_pages.py wrote the generated pages of docs/; decisions keep their form."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
DECISIONS = sorted((DOCS / "decisions").glob("[0-9]*.md"))


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SITE = script("site_pages")


@pytest.mark.parametrize("name", SITE.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    assert (DOCS / name).read_text() == SITE.PAGES[name](), "run: python scripts/site_pages.py"


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.name[:4])
def test_a_decision_is_short_and_has_three_parts(page: Path) -> None:
    text = page.read_text()
    assert text.count("\n") <= 40
    assert re.findall(r"^## (.*)", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]


def test_numbers_of_decisions_are_unique() -> None:
    numbers = [page.name[:4] for page in DECISIONS]
    assert len(set(numbers)) == len(numbers)
