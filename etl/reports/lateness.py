"""How late records land per source, and how many hours a run must look back to miss only a few of them.

The arrival of a record is the end of its landed hour. Nothing more precise is known, so a delay is an upper bound.
A run of landed hour H that looks back x hours reads the events since H - x.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from etl import catalog
from etl.conf import Settings
from etl.engine.delta import tables as delta
from etl.engine.sql import views
from etl.errors import LakeError

LOOK_BACKS = range(1, 49)
"""Look-backs in hours that are compared."""
QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
_DELAY = "unix_seconds(landed_hour) + 3600 - unix_seconds(event_ts)"
_MISSED = "event_ts < landed_hour - make_interval(0, 0, 0, 0, {})"


@dataclass(frozen=True)
class Lateness:
    """The lateness of every source.

    `delays`: quantiles in seconds by source and hour of day of the event; hour_of_day None is the whole day.
    `missed`: source -> look-back in hours -> share of records that it misses.
    """

    delays: list[dict[str, object]]
    missed: dict[str, dict[int, float]]
    recommended: dict[str, int | None]
    """Source -> the smallest look-back that misses no more than the allowed share; None when all miss more."""


def of_lake(spark: SparkSession, settings: Settings, allowed: float) -> Lateness:
    """The lateness of every source in the lake; `allowed` is a share of 1. Raises LakeError when nothing has landed."""
    found = [
        _arrivals(delta.read(spark, views.uri(settings, table)), table.event.name, table.event.times[0][0])
        for table in catalog.tables()
        if table.event and table.event.times and table.hour == "landed_hour"
        if delta.is_table(spark, views.uri(settings, table))
    ]
    if not found:
        raise LakeError("Nothing has landed in this lake yet. Run `feed-etl run` first.")
    return measure(reduce(DataFrame.unionByName, found), allowed)


def _arrivals(bronze: DataFrame, source: str, event_time: str) -> DataFrame:
    return bronze.select(F.lit(source).alias("source"), F.col(event_time).alias("event_ts"), "landed_hour")


def measure(arrivals: DataFrame, allowed: float) -> Lateness:
    """The lateness of rows (source, event_ts, landed_hour); `allowed` is a share of 1."""
    dated = arrivals.withColumn("delay", F.expr(_DELAY)).withColumn("hour_of_day", F.hour("event_ts"))
    quantiles = F.percentile("delay", F.array(*map(F.lit, QUANTILES.values()))).alias("q")
    delays = dated.rollup("source", "hour_of_day").agg(F.count("*").alias("records"), quantiles)
    rows = delays.where("source IS NOT NULL").orderBy("source", "hour_of_day").collect()
    shares = [F.avg(F.expr(f"IF({_MISSED.format(x)}, 1, 0)")).alias(str(x)) for x in LOOK_BACKS]
    missed = {
        row["source"]: {x: float(row[str(x)]) for x in LOOK_BACKS}
        for row in arrivals.groupBy("source").agg(*shares).orderBy("source").collect()
    }
    return Lateness(
        [
            {"source": r["source"], "hour_of_day": r["hour_of_day"], "records": r["records"]}
            | dict(zip(QUANTILES, map(round, r["q"]), strict=True))
            for r in rows
        ],
        missed,
        {source: next((x for x in LOOK_BACKS if by[x] <= allowed), None) for source, by in missed.items()},
    )
