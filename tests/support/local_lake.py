"""Settings of lakes and landing zones below a test folder, and the intervals of the simulated lakes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from etl import catalog, conf
from etl.conf import Settings
from etl.engine.jobs.summary import Summary

START, END = datetime(2026, 6, 1, 8, tzinfo=UTC), datetime(2026, 6, 1, 11, tzinfo=UTC)

ADS_START, ADS_END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 11, tzinfo=UTC)

ADS_HOURS = datetime(2026, 6, 1, 22, tzinfo=UTC), datetime(2026, 6, 2, 1, tzinfo=UTC)
CLICK_TABLES = [
    t.name
    for last in ("agg_ad_clicks_5min", "agg_session_data")
    for t in (*catalog.upstream(catalog.entry(last).table), catalog.entry(last).table)
]


@dataclass(frozen=True)
class Simulated:
    """A landing zone, the lake that one run built from it, and the summary of that run."""

    landing: Path
    lake: Path
    settings: Settings
    summary: Summary


def local_settings(folder: Path) -> Settings:
    """Settings with lake and landing zone below a folder. Few rows run in several tasks, like many rows would."""
    settings = conf.load("local", master="local[2]", lake=str(folder / "lake"), landing=str(folder / "landing"))
    return settings.model_copy(update={"few_rows": 0})
