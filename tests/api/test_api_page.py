"""docs/api.md is what scripts/api_page.py writes, and has every public name."""

import importlib.util
from pathlib import Path

import autotune

ROOT = Path(__file__).resolve().parents[2]


def test_it_is_written_from_the_docstrings() -> None:
    spec = importlib.util.spec_from_file_location("api_page", ROOT / "scripts" / "api_page.py")
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    again = "python scripts/api_page.py > docs/api.md"
    assert (ROOT / "docs" / "api.md").read_text() == made.page(), again
    assert {name for names in made.GROUPS.values() for name in names} == set(autotune.__all__)
