"""What MLflow's list of a study takes with many trials: the query behind it, and the page itself.

    python -m benchmarks.mlflow_page [--trials 1000 5000] [--browser] [--out FILE]

The query is that of the page that `autotune ui` opens: the first 100 runs by the objective, with
all their params, tags and latest metrics. `--browser` also opens the page in Chromium, and measures
until the first rows are there. The aim is 3 s.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from autotune.app.runner import artifacts, store_of, sync
from autotune.spec import MlflowTracking
from autotune.tracking.mlflow import connect
from benchmarks.read_commands import NAME, build

__all__ = ["page_seconds", "query_seconds"]

_ROW = "[role=gridcell] a[href*='/runs/']"


def query_seconds(runs: Path, repeats: int = 5) -> tuple[float, float]:
    """Median wall and processor seconds of the query, once the store is open."""
    address, uid = store_of(NAME, runs)
    client = connect(address.reveal())
    mine = f"tags.`autotune.uid` = '{uid}'"
    (experiment,) = client.search_experiments(filter_string=mine)
    view = json.loads(experiment.tags["autotune.view"])
    order = [f"metrics.`{view['objective']}` {'ASC' if view['ascending'] else 'DESC'}"]
    walls, works = [], []
    for _ in range(repeats + 1):
        wall, work = time.perf_counter(), time.process_time()
        found = client.search_runs([experiment.experiment_id], max_results=100, order_by=order)
        walls.append(time.perf_counter() - wall)
        works.append(time.process_time() - work)
        assert len(found) > 1
    return statistics.median(walls[1:]), statistics.median(works[1:])


def page_seconds(runs: Path) -> float:
    """Until the first rows of the landing are there, in a browser that has MLflow's scripts."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service
    from selenium.webdriver.support.wait import WebDriverWait

    from autotune.tracking.ui import page, serve_ui

    address, uid = store_of(NAME, runs)
    options = webdriver.ChromeOptions()
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1600,900"):
        options.add_argument(flag)
    options.binary_location = shutil.which("chromium") or ""
    with serve_ui(address, artifacts(runs)) as server:
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            for _ in range(2):
                browser.get("about:blank")
                start = time.perf_counter()
                browser.get(page(server.address, uid))
                WebDriverWait(browser, 300, 0.1).until(
                    lambda b: b.find_elements("css selector", _ROW)
                )
            return time.perf_counter() - start
        finally:
            browser.quit()


def main() -> None:
    from benchmarks.glue.harness import conditions

    parser = argparse.ArgumentParser(prog="python -m benchmarks.mlflow_page")
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 5_000])
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--out", type=Path, help="JSON file; default: only print")
    given = parser.parse_args()
    found = {"conditions": conditions(), "trials": {}}
    for trials in given.trials:
        with tempfile.TemporaryDirectory() as folder:
            runs = Path(folder)
            build(runs, trials, MlflowTracking().uri)
            sync(NAME, runs)
            wall, work = query_seconds(runs)
            one = {"query_s": round(wall, 3), "query_processor_s": round(work, 3)}
            if given.browser:
                one["page_s"] = round(page_seconds(runs), 2)
        print(trials, one, flush=True)
        found["trials"][str(trials)] = one
    if given.out:
        given.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
