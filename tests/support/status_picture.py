"""Draws docs/status.png: `python -m support.status_picture LEDGER_OF_A_LAKE OUT`, with a failed gate in the next hour.

The ledger is that of a real lake (`feed-etl demo`); the hour after its last one failed its gate, and is made up here.
"""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from pathlib import Path
from unittest import mock

from playwright.sync_api import sync_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI

from etl import catalog, conf
from etl.commands import status_screen
from etl.commands.screen import WIDTH
from etl.engine.state import offline
from etl.engine.state.entry import Entry
from etl.engine.state.in_memory_ledger import InMemoryLedger
from etl.reports import status
from support.browser import chromium

RULE = {"rule": "ranker_model_id exists in dim_ranker_models", "severity": "critical", "count": 12, "of": 21043,
        "reason": "an impression without its model cannot be attributed", "error": ""}  # fmt: skip
HOUR = timedelta(hours=1)
FAILED = "fct_impressions"


def with_a_failed_hour(entries: list[Entry]) -> InMemoryLedger:
    """The rows, and those of a run of the next hour: impressions failed their gate, tables that read them wait."""
    newest = max(hour for e in entries for hour in e.processed_hours if e.table_name == "bronze_impressions")
    hour, at = newest + HOUR, entries[-1].started_at + HOUR
    feed = [each.table for each in catalog.select(catalog.of_subjects(["feed"]))]
    made = [t for t in feed if FAILED not in {t.name, *(each.name for each in catalog.upstream(t))}]
    next_rows = [
        Entry("next", each.name, at, hour, hour + HOUR, processed_hours=[hour], output_version=99,
              input_versions={i.table.name: 99 for i in each.inputs},
              fingerprints={hour.isoformat(): "x"} if each.event else {},
              records_read=21043 if each.event else 0)
        for each in made
    ]  # fmt: skip
    failed = Entry("next", FAILED, at, hour, hour + HOUR, verdict="failed", processed_hours=[hour],
                   failures=json.dumps([RULE]))  # fmt: skip
    return InMemoryLedger(*entries, *next_rows, failed)


def main(lake: str, out: str) -> None:
    """Draw the status of a lake with the failed hour."""
    settings = conf.load("local", lake=lake)
    ledger = with_a_failed_hour(offline.ledger(settings).entries)
    with mock.patch.object(offline, "ledger", lambda _: ledger):
        found = status.of_lake(settings.model_copy(update={"lake": "lake/simulated"}), ledger.entries[-1].started_at)
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, highlight=False)
    status_screen.show(found, console)
    with sync_playwright() as browser:
        page = browser.chromium.launch(executable_path=chromium(), args=["--no-sandbox"]).new_page()
        page.set_content(console.export_svg(title="feed-etl status", theme=MONOKAI))
        page.locator("svg").screenshot(path=Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
