"""Writes the generated pages of docs/: python scripts/site_pages.py

tests/docs/test_generated_pages.py compares them with what stands in the checkout.
"""

import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import commands_page  # noqa: E402
import gallery_page  # noqa: E402
import study_file_page  # noqa: E402

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


def security() -> str:
    """The file that GitHub shows; links are from docs/."""
    return (ROOT / "SECURITY.md").read_text().replace("](docs/", "](")


PAGES: dict[str, Callable[[], str]] = {
    "commands.md": commands_page.page,
    "decisions/index.md": decisions,
    "gallery.md": gallery_page.page,
    "security.md": security,
    "study-file.md": study_file_page.page,
}

if __name__ == "__main__":
    for name, made in PAGES.items():
        (DOCS / name).write_text(made())
