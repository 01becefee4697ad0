"""The page itself: in a browser, with 1,000 trials, and for those who see badly."""

import re
import shutil
import time
from importlib.resources import files
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.wait import WebDriverWait

from autotune import spec as specs
from autotune.report import html_report
from autotune.report.charts.plotly import DARK, LIGHT
from autotune.study import state_machine
from autotune.study.history import History
from autotune.trial import Assignment, Decision, Report

THOUSAND = """
name: thousand
objective: {metric: score, goal: maximize}
trial: {function: "tests.nowhere:run", epochs: 27}
space:
  - {{space}}
search: {name: random}
schedule: {name: asha, grace: 1, eta: 3}
budget: {trials: 1000}
confirm: {top: 0}
tracking: {uri: none}
"""
CSS = files("autotune.report.page").joinpath("page.css").read_text()


def palette(block: str) -> dict[str, str]:
    return dict(re.findall(r"--(\w+): ([^;]+);", block))


DAY = palette(CSS.partition("@media")[0])
NIGHT = DAY | palette(CSS.partition("@media")[2].partition("\n}")[0])


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(("page", "drawn"), [(DAY, LIGHT), (NIGHT, DARK)], ids=["day", "night"])
def test_colours_can_be_read_and_are_the_same_in_page_and_figures(
    page: dict[str, str], drawn: dict[str, str]
) -> None:
    assert {k: v.replace("0.", ".") for k, v in drawn.items() if "rgba" not in v} == {
        k: page[k] for k, v in drawn.items() if "rgba" not in v
    }
    for text in ("ink", "soft", "accent"):
        for ground in ("card", "page"):
            assert contrast(page[text], page[ground]) >= 4.5, (text, ground)
    for mark in ("accent", "second", "third", "bad", "muted"):
        assert contrast(page[mark], page["card"]) >= 3, mark


def test_headings_labels_and_regions(plain: History) -> None:
    text = html_report.html(plain)
    assert '<html lang="en">' in text and text.count("<main>") == 1
    levels = [int(level) for level in re.findall(r"<h(\d)", text)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    plots = re.findall(r'<div class="plot"[^>]*>', text)
    assert plots and all('role="img" aria-label="' in plot for plot in plots)
    scrolled = re.findall(r'<div class="scroll[^>]*>', text)
    assert scrolled and all('tabindex="0" role="region" aria-label="' in one for one in scrolled)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert text.count("<caption>") == text.count("<table>")


def test_a_thousand_trials_fit_into_8_mb(tmp_path: Path) -> None:
    space = [f"p{n}: {{type: float, low: 0, high: 1}}" for n in range(12)]
    path = tmp_path / "thousand.yaml"
    path.write_text(THOUSAND.replace("{{space}}", "\n    ".join(space)))
    study = state_machine.in_memory(specs.load(path))
    while isinstance(assignment := study.next(), Assignment):
        for step in range(assignment.from_step + 1, 28):
            value = assignment.config["p0"] * (1 - 0.5 / step)
            if study.report(assignment, Report(step, {"score": value}, 0.1)) != Decision.CONTINUE:
                break
        study.finish(assignment)
    begun = time.process_time()
    text = html_report.html(study.history)
    assert time.process_time() - begun < 30
    assert len(text.encode()) < 8e6
    assert "p0 (" in text and "What mattered: p0" in text


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("chromium"), reason="needs Debian's chromium")
def test_a_browser_draws_all_of_it_on_a_phone_and_asks_nothing(
    plain: History, tmp_path: Path
) -> None:
    file = html_report.write(plain, tmp_path / "report.html")
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"):
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path / 'profile'}")
    options.binary_location = "/usr/bin/chromium"
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    try:
        phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        browser.get(file.as_uri())
        drawn = "return document.documentElement.dataset.drawn"
        WebDriverWait(browser, 200).until(lambda b: b.execute_script(drawn))
        count = browser.execute_script("return document.querySelectorAll('[data-figure]').length")
        svgs = "return document.querySelectorAll('[data-figure] .main-svg').length"
        assert int(browser.execute_script(drawn)) == count > 8
        assert browser.execute_script(svgs) >= count
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
        assert browser.get_log("browser") == []
    finally:
        browser.quit()
