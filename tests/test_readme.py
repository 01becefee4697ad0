"""README says what is so."""

import re
from pathlib import Path

import pytest

from autotune import spec as specs
from autotune.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_every_command_has_its_section() -> None:
    page = (ROOT / "docs" / "commands.md").read_text()
    assert re.findall(r"^## ([\w-]+)$", page, re.MULTILINE) == list(COMMANDS)


def test_it_is_short() -> None:
    assert README.count("\n") <= 140


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert len(links) > 15
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_study_file_is_a_study(tmp_path: Path) -> None:
    text = re.search(r"```yaml\n(name: quickstart.*?)```", README, re.DOTALL)
    assert text
    (tmp_path / "studies").mkdir()
    path = tmp_path / "studies" / "readme.yaml"
    path.write_text(text[1])
    specs.check(specs.load(path))


@pytest.mark.parametrize("line", ["autotune run studies/quickstart.yaml", "pytest"])
def test_its_two_commands_stand_on_one_line_each(line: str) -> None:
    assert re.search(rf"^    pip install -e .* && {re.escape(line)}$", README, re.MULTILINE)
