"""`autotune ui` as a person sees it: the study's page in a real browser, in two widths."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from autotune import spec as specs
from autotune.app.runner import drive
from autotune.report.findings import importance
from autotune.study.history import History

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OVERRIDES = (
    "budget.trials=16",
    "trial.epochs=3",
    "confirm.top=1",
    "confirm.seeds=2",
)
VISIBLE = """
const right = document.querySelector(".ag-body-viewport, .ag-root").getBoundingClientRect().right;
return [...document.querySelectorAll("[role=columnheader]")]
  .filter((one) => one.getBoundingClientRect().right <= right + 1)
  .map((one) => one.textContent.trim()).filter(Boolean);
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A small study in MLflow."""
    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        spec = specs.load(specs.find("quickstart"), OVERRIDES)
        history, notes = drive(spec, Path("runs"), engine="inline")
    assert notes == []
    return history


@pytest.fixture(scope="module")
def address(study: History) -> Iterator[str]:
    """The page that `autotune ui` names."""
    # As a terminal starts it: a shell in the background has it ignore Ctrl-C.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from autotune.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "ui", "quickstart"]
    at = study.folder.parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=at) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) in (0, 130)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    profile = tmp_path_factory.mktemp("browser") / "profile"
    for flag in (*FLAGS, "--window-size=1600,900", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def names(browser: WebDriver) -> list[str]:
    links = browser.find_elements(By.CSS_SELECTOR, "[role=gridcell] a[href*='/runs/']")
    return [link.text for link in links]


def opened(browser: WebDriver, address: str, width: int) -> list[str]:
    """The names of the runs in the list, from above."""
    browser.set_window_size(width, 900)
    browser.get(address)
    WebDriverWait(browser, 60).until(lambda b: len(names(b)) > 5)
    return names(browser)


def test_the_landing_says_winner_score_certainty_and_what_mattered(
    study: History, address: str, browser: WebDriver
) -> None:
    assert address.startswith("http://127.0.0.1:")
    listed = opened(browser, address, 1600)
    best = study.best()
    assert best and best.scored
    text = browser.find_element(By.TAG_NAME, "body").text
    assert f"Trial {best.trial} won: val_accuracy {best.scored.told('.4f', '.4f')}" in text
    assert "over 2 fresh seeds" in text and f"test accuracy {best.test:.4f}" in text
    mattered = [one for one in importance.of_study(study).parameters if one.matters]
    assert all(one.parameter in text for one in mattered[:3])
    assert "shared view" not in text and "Assistant" not in text
    assert "GenAI" in text and "/experiments/" in browser.current_url
    ranked = [run.label for run in study.trials if run.value is not None]
    ranked.sort(key=lambda label: -(study.trials[int(label[-4:])].value or 0.0))
    assert listed[0] == "quickstart" and listed[1] in ranked[:3]
    trials = [name for name in listed if name.startswith("trial-")]
    values = [study.trials[int(name[-4:])].value or 0.0 for name in trials]
    assert values == sorted(values, reverse=True)
    retrained = [place for place, name in enumerate(listed) if name.startswith(("conf", "verif"))]
    assert not retrained or min(retrained) > listed.index(trials[-1])
    shown = browser.execute_script(VISIBLE)  # type: ignore[no-untyped-call]
    assert {"best/val_accuracy", "state", "optimizer.name", "optimizer.lr"} <= set(shown)


def test_a_narrow_window_shows_the_objective_and_what_a_person_chose_stays(
    address: str, browser: WebDriver
) -> None:
    opened(browser, address, 1000)
    shown = browser.execute_script(VISIBLE)  # type: ignore[no-untyped-call]
    assert "best/val_accuracy" in shown
    text = browser.find_element(By.TAG_NAME, "body").text
    assert "won: val_accuracy" in text
    key = browser.execute_script(  # type: ignore[no-untyped-call]
        "return Object.keys(localStorage).find((key) => key.endsWith('ReactComponentState'))"
    )
    browser.execute_script(  # type: ignore[no-untyped-call]
        "const [key] = arguments, state = JSON.parse(localStorage.getItem(key));"
        "state.selectedColumns = ['params.`model.depth`'];"
        "localStorage.setItem(key, JSON.stringify(state));",
        key,
    )
    opened(browser, address, 1600)
    kept = browser.execute_script(  # type: ignore[no-untyped-call]
        "return localStorage.getItem(arguments[0])", key
    )
    assert json.loads(kept)["selectedColumns"] == ["params.`model.depth`"]
    shown = browser.execute_script(VISIBLE)  # type: ignore[no-untyped-call]
    assert "model.depth" in shown and "best/val_accuracy" not in shown
