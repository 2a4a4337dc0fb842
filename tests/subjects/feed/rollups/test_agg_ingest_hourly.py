"""agg_ingest_hourly: the accepted, late-arriving and quarantined records of an hour, and their lag."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession
from support.rows import Row, assert_rows, at, minted, rows

from etl.subjects.feed.events import CREATORS, ENGAGEMENTS, IMPRESSIONS, POSTS, RANKER_MODELS, SHARES
from etl.subjects.feed.rollups.agg_ingest_hourly import TABLE, transform
from etl.subjects.shared.bronze import quarantine
from etl.subjects.shared.bronze_tables import bronze_table

LANDED = at("10:00")
INPUTS = (
    *map(bronze_table, (IMPRESSIONS, ENGAGEMENTS, SHARES, RANKER_MODELS, POSTS, CREATORS)),
    quarantine.TABLE,
)


def made(spark: SparkSession, **given: list[Row]) -> DataFrame:
    """The rollup of the given input rows; inputs that are not given are empty."""
    named = {table.name: table for table in INPUTS}
    return transform(**{name: rows(spark, table, given.get(name, [])) for name, table in named.items()})


def lags(rollup: DataFrame, *ranks: float) -> list[int]:
    """Quantiles of the lag of the only row, in seconds."""
    quantiles = [f"kll_sketch_get_quantile_bigint(lag_kll, {rank}D)" for rank in ranks]
    (row,) = rollup.selectExpr(*quantiles).collect()
    return list(row)


def test_an_event_of_an_earlier_hour_is_late_arriving(spark: SparkSession) -> None:
    """09:59:59.999999 is in the hour before. 10:00 is on time, and so is an event with a time in the next hour."""
    times = ["09:59:59.999999", "10:00:00", "11:04:00"]
    shares = [{"share_id": i, "share_ts": at(t), "landed_hour": LANDED} for i, t in enumerate(times)]

    rollup = made(spark, bronze_shares=shares)

    assert_rows(rollup, TABLE, [{"event": "shares", "records_accepted": 3, "records_late": 1, "landed_hour": LANDED}])


def test_the_hour_of_an_impression_is_the_hour_in_its_id(spark: SparkSession) -> None:
    """impression_ts is 09:59:59.5, but the time in the id is 10:00, so the record is not late."""
    straddling = {"impression_id": minted(at("10:00")), "impression_ts": at("09:59:59.500"), "landed_hour": LANDED}

    rollup = made(spark, bronze_impressions=[straddling])

    assert_rows(rollup, TABLE, [{"event": "impressions", "records_accepted": 1, "records_late": 0}])


def test_the_lag_of_an_undo_is_its_own_and_not_that_of_the_undone_action(spark: SparkSession) -> None:
    undo = {"action": "undo", "event_ts": at("10:20"), "original_ts": at("03:00"), "landed_hour": LANDED}

    rollup = made(spark, bronze_engagements=[undo])

    assert_rows(rollup, TABLE, [{"event": "engagements", "records_late": 0}])
    assert lags(rollup, 0.5) == [40 * 60]


def test_lag_is_measured_to_the_end_of_the_landed_hour(spark: SparkSession) -> None:
    """A hundred shares, one per minute backwards from 10:59, have a lag of 1 to 100 minutes."""
    shares = [
        {"share_id": i, "share_ts": at(f"{9 + (120 - i) // 60:02}:{(120 - i) % 60:02}"), "landed_hour": LANDED}
        for i in range(1, 101)
    ]

    assert lags(made(spark, bronze_shares=shares), 0.0, 0.5, 0.9, 0.99, 1.0) == [60 * m for m in (1, 50, 90, 99, 100)]


def test_duplicates_of_a_record_count_each_time_they_land(spark: SparkSession) -> None:
    twice = [{"share_id": 1, "share_ts": at("10:10"), "landed_hour": LANDED}] * 2

    assert_rows(made(spark, bronze_shares=twice), TABLE, [{"event": "shares", "records_accepted": 2}])


def test_a_change_log_has_neither_lateness_nor_lag(spark: SparkSession) -> None:
    scheduled = [{"post_id": i, "effective_ts": at(t), "landed_hour": LANDED} for i, t in enumerate(["01:00", "23:00"])]

    rollup = made(spark, bronze_posts=scheduled)

    expected = {"event": "posts", "records_accepted": 2, "records_late": 0, "lag_kll": None}
    assert_rows(rollup, TABLE, [expected])


def test_an_hour_with_only_bad_records_has_a_row(spark: SparkSession) -> None:
    bad = [{"event": "shares", "landed_hour": LANDED, "reasons": ["unparseable"]}] * 3

    assert_rows(made(spark, quarantine=bad), TABLE, [
        {"event": "shares", "records_accepted": 0, "records_late": 0, "records_quarantined": 3, "lag_kll": None}
    ])  # fmt: skip


def test_bad_heartbeats_make_no_row(spark: SparkSession) -> None:
    """No table has the number of accepted heartbeats, so the quarantined share cannot be computed."""
    assert made(spark, quarantine=[{"event": "heartbeats", "reasons": ["unparseable"]}]).isEmpty()


def test_events_and_hours_have_separate_rows(spark: SparkSession) -> None:
    later = at("11:00")
    share = {"share_ts": at("10:10")}

    rollup = made(
        spark,
        bronze_shares=[share | {"landed_hour": LANDED}, share | {"landed_hour": later}],
        bronze_posts=[{"landed_hour": LANDED}],
        quarantine=[{"event": "posts", "landed_hour": LANDED, "reasons": ["unparseable"]}],
    )

    assert_rows(rollup, TABLE, [
        {"event": "shares", "landed_hour": LANDED, "records_accepted": 1, "records_late": 0, "records_quarantined": 0},
        {"event": "shares", "landed_hour": later, "records_accepted": 1, "records_late": 1, "records_quarantined": 0},
        {"event": "posts", "landed_hour": LANDED, "records_accepted": 1, "records_late": 0, "records_quarantined": 1},
    ])  # fmt: skip
