"""One row per event and landed hour: accepted, late-arriving and quarantined records, and how long they took to land.

Lag is the time from the event to the *end* of the hour its file landed in. The exact time of arrival is unknown, so a
lag is an upper bound: a record on time has a lag of 0 to 3600 s. Changes may be scheduled ahead or sent afterwards, so
change logs have neither lateness nor lag. Heartbeats have no bronze table; the ledger counts the ones that were read.
"""

from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Event, Input, Layer, Replace, Table
from etl.model.work_class import WorkClass
from etl.subjects.feed import events
from etl.subjects.feed.columns import columns
from etl.subjects.feed.events import CREATORS, ENGAGEMENTS, IMPRESSIONS, POSTS, RANKER_MODELS, SHARES
from etl.subjects.shared.bronze import quarantine
from etl.subjects.shared.bronze_tables import bronze_table

TABLE = Table(
    name="agg_ingest_hourly",
    layer=Layer.ROLLUPS,
    columns=columns("event", "records_accepted", "records_late", "records_quarantined", "lag_kll", "landed_hour"),
    key=("event", "landed_hour"),
    write=Replace(),
    owner="ingest",
    urgency=WorkClass.REPORTS,
    partition=("landed_hour",),
    inputs=(
        Input(bronze_table(IMPRESSIONS)),
        Input(bronze_table(ENGAGEMENTS)),
        Input(bronze_table(SHARES)),
        Input(bronze_table(RANKER_MODELS)),
        Input(bronze_table(POSTS)),
        Input(bronze_table(CREATORS)),
        Input(quarantine.TABLE),
    ),
    checksum_skips=("lag_kll",),
)
COUNTED = [event for event in events.EVENTS if event is not events.HEARTBEATS]
CELL = ["event", "landed_hour"]
COUNTS = ["records_accepted", "records_late", "records_quarantined"]


def transform(
    bronze_impressions: DataFrame,
    bronze_engagements: DataFrame,
    bronze_shares: DataFrame,
    bronze_ranker_models: DataFrame,
    bronze_posts: DataFrame,
    bronze_creators: DataFrame,
    quarantine: DataFrame,
) -> DataFrame:
    """Bronze and quarantine rows of whole landed hours -> one row per event and landed hour."""
    arrivals = [
        _arrivals(bronze_impressions, events.IMPRESSIONS, "impression_ts", "impression_hour"),
        _arrivals(bronze_engagements, events.ENGAGEMENTS, "event_ts", "date_trunc('hour', event_ts)"),
        _arrivals(bronze_shares, events.SHARES, "share_ts", "date_trunc('hour', share_ts)"),
        _arrivals(bronze_ranker_models, events.RANKER_MODELS),
        _arrivals(bronze_posts, events.POSTS),
        _arrivals(bronze_creators, events.CREATORS),
    ]
    accepted = reduce(DataFrame.unionByName, arrivals).groupBy(*CELL).agg(
        F.count("*").alias("records_accepted"),
        F.count_if(F.expr("own_hour < landed_hour")).alias("records_late"),
        F.when(F.count("lag_seconds") > 0, F.kll_sketch_agg_bigint("lag_seconds")).alias("lag_kll"),
    )  # fmt: skip
    counted = quarantine.where(F.col("event").isin(*[e.name for e in COUNTED]))
    quarantined = counted.groupBy(*CELL).agg(F.count("*").alias("records_quarantined"))
    return accepted.join(quarantined, CELL, "full_outer").fillna(0, COUNTS).select(*TABLE.column_names)


def _arrivals(log: DataFrame, event: Event, happened: str = "NULL", own_hour: str = "NULL") -> DataFrame:
    """Bronze rows -> (event, landed_hour, own_hour, lag_seconds). An undo has its own time, not the undone action's."""
    lag = f"unix_timestamp(landed_hour + INTERVAL 1 HOUR) - unix_timestamp(CAST({happened} AS TIMESTAMP))"
    own = f"CAST({own_hour} AS TIMESTAMP)"
    return log.select(
        F.lit(event.name).alias("event"), "landed_hour", F.expr(own).alias("own_hour"), F.expr(lag).alias("lag_seconds")
    )
