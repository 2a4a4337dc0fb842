"""dim_campaigns: the versions of a campaign, including edits in the middle of a day."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.ads.dims.dim_campaigns import TABLE, transform
from etl.subjects.ads.events import CAMPAIGNS
from etl.subjects.shared.bronze_tables import bronze_table


def test_an_edit_that_changes_nothing_makes_no_new_version(spark: SparkSession) -> None:
    same = {"campaign_id": 5, "advertiser_id": 2, "daily_budget_usd": Decimal("10.00")}
    changes = [{**same, "effective_ts": at("08:00")}, {**same, "effective_ts": at("12:00")}]

    made = transform(rows(spark, bronze_table(CAMPAIGNS), changes))

    assert_rows(made, TABLE, [{**same, "valid_from": at("08:00"), "valid_to": None}])


def test_a_budget_change_of_a_cent_at_noon_is_a_new_version(spark: SparkSession) -> None:
    changes = [
        {"campaign_id": 5, "daily_budget_usd": Decimal("10.00"), "effective_ts": at("08:00")},
        {"campaign_id": 5, "daily_budget_usd": Decimal("10.01"), "effective_ts": at("12:00")},
    ]

    made = transform(rows(spark, bronze_table(CAMPAIGNS), changes))

    assert_rows(made, TABLE, [
        {"daily_budget_usd": Decimal("10.00"), "valid_to": at("12:00")},
        {"daily_budget_usd": Decimal("10.01"), "valid_to": None},
    ])  # fmt: skip
