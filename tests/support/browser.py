"""Opens a page in a real browser, and records errors and requests that must not happen."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The path of Chromium on this machine. Without one, the test fails and says what to do."""
    found = os.environ.get("FEED_ETL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.fail("No Chromium on the PATH: run `make setup`, or set FEED_ETL_CHROMIUM to one.", pytrace=False)
    return found


@dataclass
class Opened:
    """An open page with its console messages, script errors, and requests."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def tile(self, name: str) -> float | None:
        """The number on a tile; None when the tile shows none."""
        data = self.page.locator(f"#tile-{name} data")
        return float(data.get_attribute("value") or "nan") if data.count() else None


@contextmanager
def opened(file: Path, **context: Any) -> Iterator[Opened]:
    """Open a file; `context` has options of Playwright (viewport, color_scheme)."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        page = browser.new_context(**context).new_page()
        seen = Opened(page)
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(file.as_uri())
        yield seen
        browser.close()
