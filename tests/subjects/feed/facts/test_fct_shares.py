"""fct_shares: one row per share, in the hour of the share."""

from __future__ import annotations

from pyspark.sql import SparkSession
from support.rows import assert_rows, at, rows

from etl.subjects.feed.events import SHARES
from etl.subjects.feed.facts import fct_shares
from etl.subjects.shared.bronze_tables import bronze_table


def test_a_share_has_the_hour_of_the_share_not_the_landed_hour(spark: SparkSession) -> None:
    late = {"share_ts": at("09:59:59.999999"), "landed_hour": at("14:00")}

    made = fct_shares.transform(rows(spark, bronze_table(SHARES), [late]))

    assert_rows(made, fct_shares.TABLE, [{"share_ts": at("09:59:59.999999"), "share_hour": at("09:00")}])


def test_a_share_without_a_channel_is_kept(spark: SparkSession) -> None:
    share = {"share_id": 1, "original_post_id": 10, "shared_post_id": 11, "channel": None}

    made = fct_shares.transform(rows(spark, bronze_table(SHARES), [share]))

    assert_rows(made, fct_shares.TABLE, [share])
