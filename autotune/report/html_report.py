"""report.html of a study, from its history alone."""

from datetime import UTC, datetime
from pathlib import Path

from autotune.errors import UserError
from autotune.files import write_atomically
from autotune.report.charts.kinds import sections
from autotune.report.findings.study import Findings
from autotune.report.page.html import page
from autotune.study.history import History

__all__ = ["REPORT", "html", "write"]

REPORT = "report.html"


def html(history: History) -> str:
    """The page. Raises UserError while no trial has ended."""
    findings = Findings(history)
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    foot = f"Made by autotune from the journal of study {history.spec.name}, {at} UTC."
    title = f"Study {history.spec.name}"
    return page(title, list(sections(findings)), findings.environment.spec, foot)


def write(history: History, target: Path, force: bool = False) -> Path:
    """Writes the page to `target`, whole or not at all. Raises UserError for a file in the way."""
    if target.is_dir():
        raise UserError(f"{target} is a folder; give a file: -o {target / REPORT}")
    if target.exists() and not force:
        raise UserError(f"{target} exists: give another file, or --force to replace it")
    write_atomically(target, html(history))
    return target
