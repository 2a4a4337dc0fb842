"""A page opened in a real browser, with everything that must not happen written down."""

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
    """The browser of this machine; without one the test fails, and says what to do."""
    found = os.environ.get("FEED_ETL_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.fail("No Chromium on the PATH: run `make setup`, or set FEED_ETL_CHROMIUM to one.", pytrace=False)
    return found


@dataclass
class Opened:
    """A page and what it did: console messages, script errors, requests other than for the file itself."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def tile(self, name: str) -> float | None:
        """The number behind a tile; None where it has none."""
        data = self.page.locator(f"#tile-{name} data")
        return float(data.get_attribute("value") or "nan") if data.count() else None


@contextmanager
def opened(file: Path, **context: Any) -> Iterator[Opened]:
    """Open a file; `context` are Playwright's options (viewport, color_scheme)."""
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
