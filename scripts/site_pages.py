"""Writes the generated pages of docs/: python scripts/site_pages.py

tests/docs/test_generated_pages.py compares them with what stands in the checkout.
"""

from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"

DECISIONS = """# Decisions

What was decided, why, and what follows from it. Each page has a context, a decision and its
consequences, in at most 40 lines, and describes the product as it is: a decision that is
overturned is rewritten. A new one takes the next number; `python scripts/site_pages.py` lists it
here. Measurements behind decisions are in [experiments](../experiments/index.md).

"""


def decisions() -> str:
    """The newest first."""
    pages = sorted((DOCS / "decisions").glob("[0-9]*.md"), reverse=True)
    return DECISIONS + "".join(
        f"- {page.name[:4]} [{title(page)}]({page.name})\n" for page in pages
    )


def title(page: Path) -> str:
    return page.read_text().partition("\n")[0].removeprefix("# ")


PAGES: dict[str, Callable[[], str]] = {"decisions/index.md": decisions}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (DOCS / name).write_text(made())
