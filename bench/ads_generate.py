"""Generates one landed hour of ad clicks as a Kafka sink writes it: Parquet, in order of arrival, with duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.generate import HOUR_MS, START_MS, write, write_changes

HOT_AD, ADS, CAMPAIGNS, ADVERTISERS = 1, 20_000, 2_000, 200
DEVICES, REGIONS = ("phone", "tablet", "desktop"), ("EU", "NA", "SA", "AS")


@dataclass(frozen=True)
class Shape:
    """Number of raw clicks, share of duplicates, and share of clicks on one hot ad."""

    clicks: int
    repeated: float = 0.05
    hot_ad: float = 0.20
    seed: int = 13

    @property
    def name(self) -> str:
        return f"clicks-{self.clicks}-{self.hot_ad:g}"


def generate(landing: Path, shape: Shape) -> None:
    """Write the hour below `landing`, unless it exists."""
    done = landing / "_done"
    if done.exists():
        return
    rng = np.random.default_rng(shape.seed)
    write(landing, "ad_clicks", _clicks(shape, rng), "click_ts")
    write(landing, "page_events", _pages(shape, rng), "event_ts")
    _changes(landing)
    done.touch()


def _clicks(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    again = int(shape.clicks * shape.repeated)
    n = shape.clicks - again
    user = rng.integers(0, max(n // 8, 10), n)
    at = np.sort(START_MS * 1000 + rng.integers(0, HOUR_MS * 1000, n))
    ad = np.where(rng.random(n) < shape.hot_ad, HOT_AD, rng.integers(2, ADS + 1, n))
    made = {"ad_id": ad, "user_id": user + 1, "session_id": user * 4 + rng.integers(1, 5, n), "click_ts": at}
    picked = np.sort(np.concatenate([np.arange(n), rng.choice(n, again, replace=False)]))
    return {name: values[picked] for name, values in made.items()}


def _pages(shape: Shape, rng: np.random.Generator) -> dict[str, Any]:
    """One page event at the start of a fifth of the sessions, with device and region."""
    n = shape.clicks // 10
    user = rng.integers(0, max(shape.clicks // 8, 10), n)
    return {
        "user_id": user + 1,
        "session_id": user * 4 + rng.integers(1, 5, n),
        "event_name": np.array(["page_view"] * n),
        "event_ts": np.sort(START_MS * 1000 + rng.integers(0, HOUR_MS * 100, n)),
        "device": rng.choice(DEVICES, n),
        "region": rng.choice(REGIONS, n),
    }


def _changes(landing: Path) -> None:
    """Every ad, campaign and advertiser, all effective since the day before."""
    ad, campaign, advertiser = (np.arange(1, n + 1) for n in (ADS, CAMPAIGNS, ADVERTISERS))
    logs: dict[str, dict[str, Any]] = {
        "ads": {"ad_id": ad, "creative_id": ad, "campaign_id": ad % CAMPAIGNS + 1},
        "campaigns": {
            "campaign_id": campaign,
            "advertiser_id": campaign % ADVERTISERS + 1,
            "objective": ["sales"] * CAMPAIGNS,
            "bid_strategy": ["lowest_cost"] * CAMPAIGNS,
            "daily_budget_usd": np.full(CAMPAIGNS, 100.0),
        },
        "advertisers": {
            "advertiser_id": advertiser,
            "time_zone": ["UTC"] * ADVERTISERS,
            "click_window_days": np.full(ADVERTISERS, 7, np.int32),
            "view_window_days": np.full(ADVERTISERS, 1, np.int32),
        },
    }
    for event, rows in logs.items():
        write_changes(landing, event, rows, (START_MS - 86_400_000) * 1000)
