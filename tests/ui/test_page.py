"""`autotune ui` as a person sees it: the study's page in a real browser."""

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

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1700,900",
)
OVERRIDES = (
    "budget.trials=4",
    "trial.epochs=3",
    "confirm.top=1",
    "confirm.seeds=2",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium"),
]


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A small study in MLflow, and the page that `autotune ui` names."""
    monkeypatch.chdir(tmp_path)
    spec = specs.load(specs.find("quickstart"), OVERRIDES)
    _, notes = drive(spec, Path("runs"), engine="inline")
    assert notes == []
    # As a terminal starts it: a shell in the background has it ignore Ctrl-C.
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from autotune.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "ui", "quickstart"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(20) in (0, 130)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[WebDriver]:
    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    yield driver
    driver.quit()


def names(browser: WebDriver) -> list[str]:
    links = browser.find_elements(By.CSS_SELECTOR, "[role=gridcell] a[href*='/runs/']")
    return [link.text for link in links]


def test_the_page_shows_the_study_and_its_trials(address: str, browser: WebDriver) -> None:
    assert address.startswith("http://127.0.0.1:")
    browser.get(address)
    wait = WebDriverWait(browser, 60)
    wait.until(lambda b: names(b) == ["quickstart"])
    expand = "//a[contains(@href, '/runs/')]/ancestor::*[@role='gridcell']//button"
    browser.find_element(By.XPATH, expand).click()
    children = {f"trial-{n:04d}" for n in range(4)}
    wait.until(lambda b: children < set(names(b)))
    shown = set(names(browser)) - children - {"quickstart"}
    assert {name[:8] for name in shown} == {"confirm-"} and len(shown) == 2
