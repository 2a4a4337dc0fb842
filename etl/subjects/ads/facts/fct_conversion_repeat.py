"""One row per repeat: a conversion that reports an outcome which another conversion already reported.

A pixel and a server may report one order. Reports of one outcome have equal advertiser_id, event_name and dedup_key,
and happened less than 48 hours apart. The report that was received first counts (of several at one time, the smaller
conversion_id), provided that it was received in time. A report that is a repeat itself makes no other one a repeat, so
of reports at hours 0, 40 and 80 the second is a repeat and the third counts.

Reports have different users, or none. So the table names no person and is made for all people at once. A run looks at
the conversions of a week before and after a day: a series of repeats that goes on for longer is cut there.
"""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.dims import dim_advertisers
from etl.subjects.ads.facts import stg_conversions
from etl.subjects.ads.measures import CONVERSIONS_DAYS, HOUR_US, PURCHASE, on_own_day

REPEAT_US = 48 * HOUR_US
REACH_HOURS = 7 * 24

TABLE = Table(
    name="fct_conversion_repeat",
    layer=Layer.FACTS,
    columns=columns("conversion_id", "counted_conversion_id", "day"),
    key=("conversion_id",),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("conversion_id",),
    inputs=(
        Input(stg_conversions.TABLE, by="conversion_hour", behind_hours=REACH_HOURS, ahead_hours=REACH_HOURS),
        Input(dim_advertisers.TABLE, as_of=True),
    ),
    retention_days=CONVERSIONS_DAYS,
)
OUTCOME = ("advertiser_id", "event_name", "dedup_key")
REPORT = "received_ts, conversion_id, unix_micros(conversion_ts) AS us, is_in_time, to_date(conversion_hour) AS day"
REPORTS = "ARRAY<STRUCT<received_ts: TIMESTAMP, conversion_id: BIGINT, us: BIGINT, is_in_time: BOOLEAN, day: DATE>>"


def transform(stg_conversions: DataFrame, dim_advertisers: DataFrame) -> DataFrame:
    """Conversions of whole days and of a week around them -> the repeats among them."""
    keyed = stg_conversions.where("advertiser_id IS NOT NULL AND dedup_key IS NOT NULL")
    named = keyed.withColumn("event_name", F.coalesce("event_name", F.lit(PURCHASE)))
    outcomes = (
        on_own_day(named, dim_advertisers)
        .groupBy(*OUTCOME)
        .agg(F.sort_array(F.collect_list(F.expr(f"struct({REPORT})"))).alias("reports"))
        .where("size(reports) > 1")
        .withColumn("counted", F.expr(_counted()))
    )
    reports = outcomes.select("counted", F.explode("reports").alias("report"))
    first = f"try_element_at(filter(counted, c -> c < report AND {_near('c', 'report')}), 1)"
    repeats = reports.withColumn("first", F.expr(first)).where("first IS NOT NULL")
    return repeats.selectExpr(
        "report.conversion_id", "first.conversion_id AS counted_conversion_id", "report.day AS day"
    ).select(*TABLE.column_names)


def _counted() -> str:
    """The reports of one outcome, sorted by when they were received -> those that are in time and no repeat."""
    counts = f"report.is_in_time AND NOT exists(counted, c -> {_near('c', 'report')})"
    step = f"(counted, report) -> IF({counts}, concat(counted, array(report)), counted)"
    return f"aggregate(reports, CAST(array() AS {REPORTS}), {step})"


def _near(one: str, other: str) -> str:
    return f"abs({one}.us - {other}.us) < {REPEAT_US}"
