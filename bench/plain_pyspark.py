"""The common peer: PySpark and Delta as in tutorials, one job per table, without gate or quarantine."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable

from pyspark.sql import SparkSession

from bench.generate import HOUR
from bench.statements import DERIVED, EVENTS, FACTS, SETTLED
from etl import conf
from etl.engine.spark.jars import session_jars
from etl.engine.spark.java import require_java
from etl.transforms.snowflake import EPOCH_MS

ID_HOUR = f"date_trunc('hour', timestamp_millis(shiftright(impression_id, 22) + {EPOCH_MS}L))"
KEYS = {"fct_impressions": ("impressions", "impression_id"), "fct_engagements": ("engagements", "engagement_id"),
        "fct_shares": ("shares", "share_id")}  # fmt: skip
HOURS = ("impression_hour", "event_hour", "share_hour", "click_hour", "hour", "day")


def _session() -> SparkSession:
    """A session as in Delta's quick start, without tuning. Memory, JARs and time zone are those of feed-etl."""
    os.environ["JAVA_HOME"] = str(require_java())
    settings = conf.load()
    options = {
        "spark.jars": ",".join(str(jar) for jar in session_jars()),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": settings.timezone,
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    builder = SparkSession.builder.appName("plain").master(settings.master)
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _prepared(spark: SparkSession, name: str, text: str) -> str:
    """Replace `{once:…}` in a statement with a view after dropDuplicates on the key, as tutorials do."""
    if name == "agg_post_engagement_hourly":
        spark.sql(SETTLED).createOrReplaceTempView("settled")
    if name in KEYS:
        event, key = KEYS[name]
        spark.table(event).dropDuplicates([key]).createOrReplaceTempView(f"{event}_once")
        text = text.replace(f"{{once:{event}:{key}}}", f"SELECT * FROM {event}_once")
    return text.replace("{id_hour}", ID_HOUR)


def _write(spark: SparkSession, lake: str, name: str, text: str) -> None:
    rows = spark.sql(text)
    by = next(c for c in HOURS if c in rows.columns)
    if person := next((c for c in ("viewer_id", "user_id") if c in rows.columns), None):
        rows = rows.repartition(person)
    rows.write.format("delta").mode("overwrite").partitionBy(by).save(f"{lake}/{name}")
    spark.read.format("delta").load(f"{lake}/{name}").createOrReplaceTempView(name)


def run(
    landing: str,
    lake: str,
    events: Iterable[str],
    statements: dict[str, str],
    prepared: Callable[[SparkSession, str, str], str],
) -> None:
    """Build a table from each statement over one landed hour. Prints one JSON line with the seconds."""
    started = time.monotonic()
    spark = _session()
    spark.range(1).count()
    ready, seconds = time.monotonic(), {}
    for event in events:
        spark.read.parquet(f"{landing}/{event}/hour={HOUR:%Y-%m-%dT%H}").createOrReplaceTempView(event)
    for name, text in statements.items():
        before = time.monotonic()
        _write(spark, lake, name, prepared(spark, name, text))
        seconds[name] = time.monotonic() - before
    total = time.monotonic() - ready
    print(json.dumps({"session": ready - started, "seconds": total, "tables": seconds}))


def main(landing: str, lake: str) -> None:
    """Build the tables of the feed."""
    run(landing, lake, EVENTS, {**FACTS, **DERIVED}, _prepared)


if __name__ == "__main__":
    main(*sys.argv[1:])
