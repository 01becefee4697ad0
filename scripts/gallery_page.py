"""The gallery of shipped studies, from the comments at their heads; written by site_pages.py."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

__all__ = ["page"]

STUDIES = Path(__file__).resolve().parents[1] / "studies"
ORDER = ["quickstart", "regression", "pareto", "table-letter", "fashion-cnn", "distill-digits"]
HEAD = """# Shipped studies and their results

Every study below comes with the package: `autotune run NAME` finds it by its name, and
`autotune init DIR` copies the quickstart to edit. The results are those that its file records,
with the date, hardware and versions of the run.

<!-- written by scripts/site_pages.py from the comments of studies/*.yaml -->
"""


def page() -> str:
    found = {path.stem: path.read_text() for path in sorted(STUDIES.glob("*.yaml"))}
    names = sorted(found, key=lambda name: (ORDER + sorted(found)).index(name))
    return "\n".join([HEAD, *(line for name in names for line in section(name, found[name]))])


def section(name: str, text: str) -> Iterator[str]:
    yield f"## {name}\n"
    study = YAML(typ="safe", pure=True).load(text)
    yield "| task | network | sampler | scheduler | budget | confirmation |"
    yield "| --- | --- | --- | --- | --- | --- |"
    yield f"| {' | '.join(facts(study))} |\n"
    for paragraph in paragraphs(text):
        yield paragraph + "\n"


def facts(study: Mapping[str, Any]) -> Iterator[str]:
    trial = study["trial"]
    own = trial.get("function") or trial.get("command")
    yield f"`{own}`" if own else trial["data"].get("load") or trial["data"]["name"]
    yield "–" if own else trial.get("model", {}).get("build") or trial["model"]["name"]
    yield study.get("search", {"name": "auto"})["name"]
    yield study.get("schedule", {"name": "auto"})["name"]
    yield ", ".join(f"{key} {value}" for key, value in study["budget"].items())
    confirm = study.get("confirm", {"top": 3, "seeds": 3})
    yield f"top {confirm.get('top', 3)}, {confirm.get('seeds', 3)} seeds"


def paragraphs(text: str) -> Iterator[str]:
    """Of the comment before the first key; indented ones are commands."""
    head = re.match(r"(?:#.*\n)*", text)
    lines = (
        [line.removeprefix("#").removeprefix(" ") for line in head[0].splitlines()] if head else []
    )
    for block in "\n".join(lines).split("\n\n"):
        if block.startswith("yaml-language-server"):
            block = block.partition("\n")[2]
        block = block.strip("\n")
        if not block.strip():
            continue
        yield block if block.startswith("    ") else " ".join(block.split())
