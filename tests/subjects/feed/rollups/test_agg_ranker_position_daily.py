"""agg_ranker_position_daily: days that are summed from hours."""

from __future__ import annotations

from decimal import Decimal

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.feed.rollups import agg_ranker_position_hourly
from etl.subjects.feed.rollups.agg_ranker_position_daily import TABLE, transform


def test_hours_add_up_to_the_day_of_the_impression(spark: SparkSession) -> None:
    cell = {"impressions": 2, "engaged_impressions": 1, "predicted_score_sum": Decimal("0.5")}
    given = rows(
        spark,
        agg_ranker_position_hourly.TABLE,
        [{"ranker_model_id": 1, "hour": at(clock), **cell} for clock in ("00:00", "23:00")],
    )

    made = transform(given)

    day = {"day": at("00:00").date(), "impressions": 4, "engaged_impressions": 2, "predicted_score_sum": Decimal(1)}
    assert_rows(made, TABLE, [day])
