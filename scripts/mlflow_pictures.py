"""Takes the pictures of docs/mlflow.md: python scripts/mlflow_pictures.py

Runs the quickstart in a folder of its own, serves it as `autotune ui` does, and photographs the
pages in Chromium. Takes two to five minutes.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.wait import WebDriverWait

from autotune import spec as specs
from autotune.app.runner import artifacts, drive, store_of
from autotune.tracking.ui import page, run_page, serve_ui

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
ROW = "[role=gridcell] a[href*='/runs/']"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--hide-scrollbars",
)


def main() -> None:
    runs = Path(tempfile.mkdtemp()) / "runs"
    overrides = sys.argv[1:] or ["worker.cpus=1"]
    history, _ = drive(specs.load(specs.find("quickstart"), overrides), runs, engine="inline")
    address, uid = store_of(history.spec.name, runs)
    with serve_ui(address, artifacts(runs)) as server:
        browser = opened()
        try:
            take_pictures(browser, page(server.address, uid))
        finally:
            browser.quit()
    shutil.rmtree(runs.parent)


def opened() -> WebDriver:
    options = webdriver.ChromeOptions()
    for flag in FLAGS:
        options.add_argument(flag)
    options.binary_location = "/usr/bin/chromium"
    browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    browser.set_page_load_timeout(300)
    return browser


def take_pictures(browser: WebDriver, landing: str) -> None:
    browser.set_window_size(1600, 900)
    browser.get(landing)
    wait_for(browser, ROW)
    picture(browser, "mlflow-landing")
    parent = browser.find_element(By.CSS_SELECTOR, ROW).get_attribute("href")
    browser.get(f"{browser.current_url}&compareRunsMode=CHART")
    wait_for(browser, ".js-plotly-plot")
    picture(browser, "mlflow-charts", 20)
    server, _, place = str(parent).partition("/#/experiments/")
    experiment, _, run = place.partition("/runs/")
    browser.set_window_size(1600, 1300)
    browser.get(run_page(server, experiment, run.partition("?")[0]))
    wait_for(browser, "table")
    picture(browser, "mlflow-study")
    browser.set_window_size(1000, 900)
    browser.get(landing)
    wait_for(browser, ROW)
    picture(browser, "mlflow-narrow")


def wait_for(browser: WebDriver, selector: str) -> None:
    WebDriverWait(browser, 120).until(lambda b: b.find_elements(By.CSS_SELECTOR, selector))


def picture(browser: WebDriver, name: str, seconds: float = 5) -> None:
    time.sleep(seconds)  # until what moves has come to rest
    browser.save_screenshot(str(IMAGES / f"{name}.png"))
    print(IMAGES / f"{name}.png", flush=True)


if __name__ == "__main__":
    main()
