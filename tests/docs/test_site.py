"""The site builds strictly and lists every page; troubleshooting quotes real messages."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LISTED = ("decisions", "experiments")
"""Folders whose index lists their pages."""


def test_every_page_is_in_the_navigation() -> None:
    named = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    inner = {page for page in pages if page.startswith(LISTED) and not page.endswith("index.md")}
    assert named == pages - inner
    for folder in LISTED:
        index = (DOCS / folder / "index.md").read_text()
        assert [p for p in inner if p.startswith(folder) and Path(p).name not in index] == []


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    pytest.importorskip("zensical")
    shutil.copytree(DOCS, tmp_path / "docs")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    call = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True)
    said = re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    assert done.returncode == 0, said[-3000:]
    assert (tmp_path / "build" / "site" / "first-study.html").exists()


def test_troubleshooting_quotes_messages_of_the_code() -> None:
    text = "".join(path.read_text() for path in sorted((ROOT / "autotune").rglob("*.py")))
    joined = re.sub(r"\"\s*\n\s*f?\"", "", text).replace("{{", "{").replace("}}", "}")
    quoted = re.findall(r"^\| `([^`]+)` \|", (DOCS / "troubleshooting.md").read_text(), re.M)
    computed = {"failed nan", "failed oom", "failed lost", "failed timeout"}
    system = {"No space left on device"}
    assert len(quoted) > 20
    assert [
        words for words in quoted if words not in joined and words not in computed | system
    ] == []
