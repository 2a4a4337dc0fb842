"""The measures of the feed: settled engagements, likes given, regrets, reach and dwell. Rollups and marts share them.

Source: the feed specification, section 4 (Settled, Likes given, Regret) and section 5 (No fan-out).
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.transforms.sketches import HLL_LG_K

REGRET = "INTERVAL 5 MINUTES"
ATTRIBUTION_HOURS = 24  # an engagement is credited to the ranker when it happens within a day of the impression
ONCE_PER_HOUR = ("like", "save", "follow_creator", "hide")
FLAGS = ("settled", "given", "regretted")
SAME_ACT = ("viewer_id", "post_id", "event_type", "event_ts")


def settle(engagements: DataFrame) -> DataFrame:
    """Engagement rows -> one row per action, with the flags `settled`, `given` and `regretted`.

    An action is settled unless an undo row exists for it. When a viewer repeats a like, save, follow or hide of one
    post within an hour, only the earliest action that is not undone is settled. A like is given once per viewer, post
    and time, undone or not, and regretted when its first undo comes in less than 5 minutes. Both flags are on one row,
    whose impression they belong to: the `do` row with the smallest id, or the first undo where the `do` is not known.
    Other undo rows are left out. `engagements` must contain whole event hours; an undo has the hour of the undone
    action.
    """
    act = Window.partitionBy(*SAME_ACT)
    first_undo = F.min(F.when(F.col("is_undone"), F.col("undone_ts"))).over(act)
    copy_number = F.row_number().over(act.orderBy("is_undone", "undone_ts", "engagement_id"))
    acts = engagements.withColumn("_undo", first_undo).withColumn(
        "given", (F.col("event_type") == "like") & (copy_number == 1)
    )
    group = Window.partitionBy("viewer_id", "post_id", "event_type", "event_hour", F.col("_undo").isNull())
    rank = F.row_number().over(group.orderBy("event_ts", "engagement_id"))
    return (
        acts.where("given OR NOT is_undone")
        .withColumn("_rank", rank)
        .withColumn("settled", F.expr(f"_undo IS NULL AND (_rank = 1 OR event_type NOT IN {ONCE_PER_HOUR})"))
        .withColumn("regretted", F.expr(f"given AND coalesce(_undo - event_ts < {REGRET}, false)"))
        .drop("_undo", "_rank")
    )


def credit(engagements: DataFrame, impressions: DataFrame, cell: list[Column]) -> DataFrame:
    """Credit engagements to the impressions they name; returns `engagement_measures` per `cell`.

    `cell` is a list of columns of `impressions`. An engagement without an impression, or outside the attribution
    window, is not counted.
    """
    acts = settle(engagements).select("impression_id", "event_type", "event_ts", *FLAGS)
    within = f"event_ts >= impression_ts AND event_ts < impression_ts + INTERVAL {ATTRIBUTION_HOURS} HOURS"
    return acts.join(impressions, "impression_id").where(within).groupBy(*cell).agg(*engagement_measures())


def _settled(*types: str) -> Column:
    return F.count_if(F.col("settled") & F.col("event_type").isin(*types))


def engagement_measures() -> list[Column]:
    """Aggregates over the rows of `settle`: the counts that every rollup has."""
    return [
        _settled("like").alias("likes"),
        _settled("save").alias("saves"),
        _settled("share").alias("shares"),
        _settled("comment").alias("comments"),
        _settled("follow_creator").alias("follows"),
        _settled("hide").alias("hides"),
        _settled("report").alias("reports"),
        _settled("hide", "report").alias("negatives"),
        F.count_if("given").alias("likes_given"),
        F.count_if("regretted").alias("regrets"),
    ]


def impression_measures() -> list[Column]:
    """Aggregates over impressions left-joined with dwell. Both have one row per impression, so nothing fans out."""
    return [
        F.count("*").alias("impressions"),
        F.hll_sketch_agg("viewer_id", HLL_LG_K).alias("reach_hll"),
        F.count_if("was_full_view").alias("full_views"),
        *dwell_measures(),
    ]


def dwell_measures() -> list[Column]:
    """Aggregates over dwell in milliseconds, which is NULL for an impression without a beat."""
    return [
        F.coalesce(F.sum("dwell_ms"), F.lit(0)).cast("bigint").alias("dwell_ms_sum"),
        F.count("dwell_ms").alias("dwell_count"),
    ]


def sum_measure(name: str) -> Column:
    """The sum of a measure; NULL when it is NULL in any row, because part of the sum is then not known."""
    return F.when(F.count(name) == F.count("*"), F.sum(name)).alias(name)


def average_dwell() -> Column:
    """dwell_ms_sum / dwell_count, rounded half up; 0 without dwell."""
    return F.expr(
        "CAST(CASE WHEN dwell_count = 0 THEN 0 ELSE (2 * dwell_ms_sum + dwell_count) DIV (2 * dwell_count) END AS INT)"
    ).alias("avg_dwell_ms")
