"""The dashboard of a lake with ads only. Its tiles show the numbers that the simulator knows to be true."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from support.local_lake import ADS_END, ADS_START, Simulated
from support.rows import Row
from support.truth import expected

from etl import catalog, queries
from etl.conf import Settings
from etl.reports import dashboard, health, quality_mail, quality_reports
from etl.reports.health import Health
from etl.reports.quality import PASSED, WARNED
from etl.reports.tile import Tile
from etl.subjects.ads.dashboard import figures as ads_figures
from etl.subjects.ads.dashboard import health as ads_health
from etl.subjects.ads.dashboard import tiles as ads_tiles
from etl.subjects.ads.dashboard.health import midnight

THIRD = datetime(2026, 6, 3, 12, tzinfo=UTC)  # the second day is over in every time zone


@pytest.fixture(scope="module")
def found(spark: SparkSession, simulated_ads: Simulated) -> Health:
    """The lake over all its days."""
    return health.collect(spark, simulated_ads.settings, (ADS_START, ADS_END))


def tiles(of: Health) -> dict[str, Tile]:
    """The tiles of ads by name."""
    return {tile.name: tile for tile in ads_tiles.ads(of.parts["ads"])}


def money(rows: list[Row], column: str) -> Decimal:
    """The sum of a money column of the truth."""
    return sum((Decimal(row[column]) for row in rows), Decimal(0))


def test_money_tiles_show_the_truth(found: Health, simulated_ads: Simulated) -> None:
    """Spend, unallocated spend and earnings are exact. Locked days are final; the whole interval is not."""
    billed = expected(simulated_ads.landing, "rec_spend_daily")
    campaigns = expected(simulated_ads.landing, "mart_campaign_daily")
    locked = [row for row in campaigns if row["day"] < "2026-06-03"]

    shown = tiles(found)

    assert shown["spend"].raw == float(money(billed, "batch_usd"))
    assert shown["unallocated"].raw == float(money(billed, "unallocated_usd"))
    unexplained = sum(row["explanation"] in ("unallocated", "no_delivery") for row in billed)
    assert shown["unallocated"].state == "watch"
    assert f"{unexplained} of {len(billed)} campaign-days" in shown["unallocated"].detail
    for name, rows, text in (("roas", campaigns, "not final before"), ("final-roas", locked, "; final")):
        assert shown[name].raw == pytest.approx(float(money(rows, "value_usd_sum") / money(rows, "spend_usd")))
        assert text in shown[name].detail


def test_spend_of_unknown_ads_has_a_tile(found: Health, simulated_ads: Simulated) -> None:
    """Spend that belongs to no campaign day is visible in its own tile."""
    shown = [row for row in expected(simulated_ads.landing, "fct_ad_impressions") if row["is_valid"]]
    unknown = [row for row in shown if row["local_day"] is None]

    tile = tiles(found)["unknown-spend"]

    assert tile.raw == sum(row["spend_micros"] for row in unknown) / 1_000_000 > 0
    assert tile.state == "watch" and f"{len(unknown):,} valid impressions" in tile.detail


def test_an_invoice_without_delivery_has_the_state_watch(found: Health) -> None:
    """The tile warns although nothing else differs."""
    alone = [row for row in found.parts["ads"].spend if row["explanation"] == "no_delivery"]

    (tile,) = [t for t in ads_tiles.ads(replace(found.parts["ads"], spend=alone)) if t.name == "unallocated"]

    assert tile.state == "watch" and "by up to 12.34 USD" in tile.detail


def test_click_and_conversion_tiles_show_the_truth(found: Health, simulated_ads: Simulated) -> None:
    clicks = expected(simulated_ads.landing, "fct_ad_clicks")
    campaigns = expected(simulated_ads.landing, "mart_campaign_daily")
    sessions = expected(simulated_ads.landing, "agg_session_data")
    conversions = expected(simulated_ads.landing, "fct_attributed_conversion")
    sums = {c: sum(row[c] for row in campaigns) for c in ("ad_clicks", "impressions")}
    led = {c: sum(row[c] for row in sessions) for c in ("sessions_ad_clicked", "sessions_converted")}

    shown = {name: tile.raw for name, tile in tiles(found).items()}

    assert shown["invalid-clicks"] == sum(not row["is_valid"] for row in clicks) / len(clicks)
    assert shown["ctr"] == pytest.approx(sums["ad_clicks"] / sums["impressions"])
    assert shown["cvr"] == led["sessions_converted"] / led["sessions_ad_clicked"]
    once = [row for row in conversions if not row["is_repeat"]]
    organic = sum(row["attribution"] == "organic" for row in once)
    assert shown["attributed"] == 1 - organic / len(once)
    assert shown["repeats"] == len(conversions) - len(once) > 0
    assert shown["too-late"] == sum(not row["is_in_time"] for row in conversions) > 0


def test_pace_is_of_the_newest_day_over_in_every_time_zone(spark: SparkSession, simulated_ads: Simulated) -> None:
    """This is the second day, up to the last local hour of each advertiser. Nothing after the interval is shown."""
    early = health.collect(spark, simulated_ads.settings, (ADS_START, THIRD))
    parameters = {"start": midnight(date(2026, 6, 2)), "end": midnight(date(2026, 6, 3))}
    rows = queries.run(spark, simulated_ads.settings, "delivery_health", **parameters).collect()
    last = {row["campaign_id"]: row for row in rows}

    shown = tiles(early)["budget"]

    assert early.parts["ads"].pace_day == date(2026, 6, 2)
    share = sum(r["spent_usd"] for r in last.values()) / sum(r["daily_budget_usd"] for r in last.values())
    assert shown.raw == pytest.approx(float(share))
    assert set(last) == set(range(500, 508)) and shown.detail.endswith("nothing spent by 507")
    assert max(row["hour"] for row in early.parts["ads"].clicks) < THIRD


def test_a_lake_with_ads_only_has_an_ads_page(spark: SparkSession, simulated_ads: Simulated, tmp_path: Path) -> None:
    """Without an interval and without tables of the feed, the page shows ads and the gates of ads."""
    page = dashboard.write(spark, simulated_ads.settings, tmp_path / "ads.html").read_text()

    assert "<h1>Ads health</h1>" in page and "2026-06-04 00:00" in page
    shown = {t.name for t in catalog.tables() if f'id="gate-{t.name}"' in page}
    assert shown == set(catalog.of_subjects(["ads"]))
    for name in ("ad-clicks", "spend", "conversions", "top-ads"):
        assert f'id="figure-{name}"' in page


def test_owners_of_ads_get_a_report_with_all_their_tables(spark: SparkSession, simulated_ads: Simulated) -> None:
    """All tables ran and none failed. Each report gives a mail."""
    entries = quality_reports.ledger_rows(spark, simulated_ads.settings)
    ads_tables = [catalog.entry(name).table for name in catalog.of_subjects(["ads"])]
    for owner in ("ads", "billing"):
        (report,) = quality_reports.of_day(entries, entries[-1].started_at.date(), owner)

        assert {s.table.name for s in report.states} == {t.name for t in ads_tables if t.owner == owner}
        assert {s.verdict for s in report.states} <= {PASSED, WARNED}
        assert quality_mail.compose(simulated_ads.settings, report)[1]["To"] == f"{owner}@localhost"


def test_tiles_of_missing_tables_show_no_data(spark: SparkSession, settings: Settings) -> None:
    """In a lake without any ads table, every tile shows no data, there is no chart, and nothing raises an error."""
    nothing = ads_health.collect(spark, settings, (ADS_START, ADS_END))

    assert {tile.state for tile in ads_tiles.ads(nothing)} == {"none"}
    assert list(ads_figures.ads(nothing, [])) == []


def test_an_interval_covers_every_day_that_has_one_of_its_hours() -> None:
    """23:00 to 01:00 covers two days. An interval that ends at midnight does not cover the next day."""
    assert ads_health.days((ADS_START - timedelta(hours=1), ADS_START + timedelta(hours=1))) == (
        date(2026, 5, 31),
        date(2026, 6, 2),
    )
    assert ads_health.days((ADS_START, ADS_START + timedelta(days=1))) == (date(2026, 6, 1), date(2026, 6, 2))


def test_final_days_are_locked_in_every_time_zone() -> None:
    """On 11 June, 3 June is locked in the east only, so the last final day is 2 June."""
    assert ads_health.final_days((ADS_END - timedelta(days=2), ADS_END)) == (date(2026, 6, 1), date(2026, 6, 3))
