"""mart_campaign_event_daily: one row per campaign, local day and event, with the ratios of the event."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, rows

from etl.subjects.ads.facts import fct_attributed_conversion
from etl.subjects.ads.marts import mart_campaign_daily
from etl.subjects.ads.marts.mart_campaign_event_daily import TABLE, transform

DAY = date(2026, 6, 1)
CAMPAIGN: Row = {"campaign_id": 100, "advertiser_id": 1000}
SOLD: Row = CAMPAIGN | {
    "local_day": DAY, "locked_from": at("00:00", 9), "is_in_time": True, "attribution": "click",
    "event_name": "purchase", "value_usd": Decimal("3.00"),
}  # fmt: skip


def events(spark: SparkSession, earned: list[Row], delivered: list[Row] | None = None) -> DataFrame:
    return transform(
        rows(spark, fct_attributed_conversion.TABLE, [SOLD | row for row in earned]),
        rows(spark, mart_campaign_daily.TABLE, [CAMPAIGN | {"day": DAY} | row for row in delivered or []]),
    )


def test_every_event_has_its_conversions_and_ratios_whatever_the_campaign_is_for(spark: SparkSession) -> None:
    """Four clicks for six dollars earn two purchases and a sign-up. Sums over events would count clicks twice."""
    lead: Row = {"event_name": "sign_up", "attribution": "view", "value_usd": None, "is_objective": False}

    made = events(spark, [{}, {"event_name": None}, lead], [{"ad_clicks": 4, "spend_usd": Decimal(6)}])

    assert_rows(made, TABLE, [
        {"event_name": "purchase", "conversions_click": 2, "conversions_view": 0,
         "cvr": Decimal("0.5"), "cpa": Decimal(3),
         "roas": Decimal(1)},
        {"event_name": "sign_up", "conversions_click": 0, "conversions_view": 1,
         "cvr": Decimal("0.25"), "cpa": Decimal(6),
         "roas": Decimal(0)},
    ])  # fmt: skip


def test_credited_and_organic_conversions_are_all_that_count(spark: SparkSession) -> None:
    """Two campaigns of one advertiser earn a conversion each; another advertiser has its own total."""
    organic: Row = {"attribution": "organic", "campaign_id": None}
    earned = [{}, {"campaign_id": 101}, organic, organic | {"advertiser_id": 2000}]

    made = events(spark, [*earned, organic | {"is_repeat": True}, {"is_in_time": False}])

    whole = {"conversions_click": 1, "event_conversions": 3, "event_organic": 1}
    assert_rows(made, TABLE, [{"campaign_id": 100} | whole, {"campaign_id": 101} | whole])


def test_a_campaign_without_delivery_has_conversions_and_no_ratio(spark: SparkSession) -> None:
    reasons = ["cvr:no_clicks", "roas:no_spend"]

    assert_rows(events(spark, [{}]), TABLE, [{"cvr": None, "cpa": Decimal(0), "roas": None, "null_reasons": reasons}])
