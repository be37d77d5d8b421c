"""Draw docs/report.png: train a small sweep, open its page in Chromium and take a picture of it.

make report-picture
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
SWEEP = (
    "train", "-m", "tracker=none", "precision=32-true", "sweep.name=learning-rates", "evaluate_every=10%",
    "optimizer.lr=1e-3,2e-3,4e-3", "seed=0,1", "dataset.train=1500", "epochs=4",
)  # fmt: skip
WIDTH, HEIGHT = 1060, 960
LIMIT = 120_000
"""Bytes: everybody who clones the repository fetches the picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", type=Path, help="a report.html that exists; default: train a sweep and use its page")
    parser.add_argument("--output", type=Path, default=Path("docs/report.png"))
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--width", type=int, default=WIDTH)
    parser.add_argument("--whole", action="store_true", help="the whole page instead of its top, without a size limit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hone-picture-") as folder:
        page = (options.page or train(Path(folder))).absolute()
        take(page, options.output, options.theme, options.width, options.whole)
    size = options.output.stat().st_size
    print(f"{options.output}: {size:,} bytes")
    if size > LIMIT and not options.whole:
        sys.exit(f"{options.output} has {size:,} bytes; at most {LIMIT:,} are allowed.")


def train(folder: Path) -> Path:
    """Train the sweep in a folder of its own and return its page."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-m", "hone", *SWEEP], cwd=folder, check=True, env=environment)
    return folder / "outputs" / "learning-rates" / "report.html"


def take(page: Path, output: Path, theme: Literal["light", "dark"], width: int, whole: bool) -> None:
    """Store the top of the page, or all of it."""
    browser = os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        sys.exit(f"None of {', '.join(NAMES)} is on the PATH. Set BROWSER_PATH to a browser.")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        tab = started.new_page(viewport={"width": width, "height": HEIGHT}, color_scheme=theme)
        tab.goto(page.as_uri())
        tab.screenshot(path=str(output), full_page=whole)
        started.close()


if __name__ == "__main__":
    main()
