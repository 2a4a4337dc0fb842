"""Named queries over lakes of landed files: a change scheduled for later, and a mistyped year in an invoice."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from support.rows import TEN, Row, at, minted

from etl import catalog
from etl.conf import Settings
from etl.engine.jobs import runner
from etl.engine.state import planner
from etl.queries import named_query, run

pytestmark = pytest.mark.slow

MAY = "2026-05-01T00:00:00Z"


def land(settings: Settings, event: str, hour: datetime, *records: Row) -> None:
    """Land a file of an event and hour."""
    folder = Path(settings.landing) / event / f"hour={hour:%Y-%m-%dT%H}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "a.jsonl").write_text("".join(json.dumps(record, default=str) + "\n" for record in records))


def run_inputs(spark: SparkSession, settings: Settings, name: str, end: datetime) -> None:
    """Run all tables that a query needs, and those that their gates refer to, from 10:00 to `end`."""
    tables, left = set[str](), list(named_query.load(name).inputs)
    while left:
        table = left.pop()
        if table not in tables:
            tables.add(table)
            left += catalog.reads(catalog.entry(table).table)
    summary = runner.run(spark, settings, TEN, end, tables=sorted(tables))
    assert not summary.errors, summary.errors


def answer(spark: SparkSession, settings: Settings, name: str, **params: Any) -> list[Row]:
    """The rows of a named query."""
    return [row.asDict() for row in run(spark, settings, name, **params).collect()]


def test_a_change_scheduled_for_later_has_no_effect_before(spark: SparkSession, settings: Settings) -> None:
    """Post 2 is deleted in July, post 3 moves to creator 9 in December, and the handle changes next year."""
    model = {"ranker_model_id": 1, "model_semver": "v1", "feature_set": "f", "deployed_pct": 10.0, "effective_ts": MAY}
    land(settings, "ranker_models", TEN, model | {"op": "upsert"})
    post = {"creator_id": 1, "media_type": "video", "effective_ts": MAY, "op": "upsert"}
    land(
        settings, "posts", TEN, *({"post_id": p} | post for p in (1, 2, 3)),
        {"post_id": 2} | post | {"effective_ts": "2026-07-01T00:00:00Z", "op": "delete"},
        {"post_id": 3} | post | {"effective_ts": "2026-12-01T00:00:00Z", "creator_id": 9},
    )  # fmt: skip
    creator = {"creator_id": 1, "handle": "ana", "follower_count": 5, "effective_ts": MAY, "op": "upsert"}
    land(settings, "creators", TEN, creator, creator | {"handle": "later", "effective_ts": "2027-01-01T00:00:00Z"})
    share = {"event_type": "share", "action": "do", "event_ts": at("10:20").isoformat()}
    land(
        settings, "engagements", TEN,
        *(share | {"engagement_id": p, "post_id": p, "viewer_id": p} for p in (1, 2, 3)),
    )  # fmt: skip
    shown = {"viewer_id": 1, "feed_position": 1, "surface": "feed", "ranker_model_id": 1, "predicted_score": 0.5}
    land(
        settings, "impressions", TEN,
        *(shown | {"impression_id": minted(TEN, p), "post_id": p, "impression_ts": TEN.isoformat()} for p in (1, 2, 3)),
    )  # fmt: skip
    run_inputs(spark, settings, "top_creators", TEN + planner.HOUR)

    now = answer(spark, settings, "top_creators")
    later = answer(spark, settings, "top_creators", start=TEN, end="2027-01-01T00")

    assert [(r["creator_id"], r["handle"], r["shares"]) for r in now] == [(1, "ana", 3)]
    assert {r["creator_id"]: (r["handle"], r["shares"]) for r in later} == {1: ("later", 1), 9: (None, 1)}
    assert [r["post_id"] for r in answer(spark, settings, "feed_signals")] == [1, 2, 3]


def test_a_mistyped_year_hides_no_difference(spark: SparkSession, settings: Settings) -> None:
    """On 1 June, 5.00 were spent and 150.00 billed. Another invoice names the year 2062."""
    change = {"effective_ts": MAY, "op": "upsert"}
    campaign = {"campaign_id": 10, "advertiser_id": 1, "objective": "sales", "bid_strategy": "lowest_cost"}
    land(settings, "campaigns", TEN, change | campaign | {"daily_budget_usd": 5.0})
    windows = {"click_window_days": 7, "view_window_days": 1}
    land(settings, "advertisers", TEN, change | windows | {"advertiser_id": 1, "time_zone": "UTC"})
    land(settings, "ads", TEN, change | {"ad_id": 100, "creative_id": 1000, "campaign_id": 10})
    spent = {
        "clearing_cpm": 5000.0,
        "spend_micros": 5_000_000,
        "is_valid": True,
        "impression_ts": "2026-06-01T10:20:00Z",
    }
    land(
        settings, "ad_impressions", TEN, spent | {"ad_impression_id": 1, "user_id": 1, "ad_id": 100, "surface": "feed"}
    )
    land(
        settings, "spend_ledger", at("11:00"), {"campaign_id": 10, "day": "2026-06-01", "billed_usd": 150.0},
        {"campaign_id": 11, "day": "2062-06-01", "billed_usd": 5.0},
    )  # fmt: skip
    run_inputs(spark, settings, "spend_reconciliation", at("12:00"))

    found = answer(spark, settings, "spend_reconciliation")

    assert [(r["campaign_id"], r["day"], r["difference_usd"]) for r in found] == [
        (10, date(2026, 6, 1), Decimal("145.00")),
    ]
