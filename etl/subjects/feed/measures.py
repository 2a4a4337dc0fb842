"""The measures of the feed: settled engagements, regrets, reach and dwell. All rollups and marts share them.

Source: the feed specification, section 4 (Settled, Regret) and section 5 (No fan-out).
"""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from etl.transforms.sketches import HLL_LG_K

REGRET = "INTERVAL 5 MINUTES"
ATTRIBUTION_HOURS = 24  # an engagement is credited to the ranker when it happens within a day of the impression
ONCE_PER_HOUR = ("like", "save", "follow_creator", "hide")
SAME_ACT = ("viewer_id", "post_id", "event_type", "event_ts")


def settle(engagements: DataFrame) -> DataFrame:
    """Engagement rows -> one row per action (undo rows removed), with the flags `settled` and `regretted`.

    An action is settled unless an undo row exists for it. When a viewer repeats a like, save, follow or hide of one
    post within an hour, only the earliest action that is not undone is settled. A like is regretted when it is undone
    in less than 5 minutes. `engagements` must contain whole event hours; an undo has the hour of the undone action.
    """
    act = Window.partitionBy(*SAME_ACT)
    first_undo = F.min(F.when(F.col("is_undone"), F.col("undone_ts"))).over(act)
    done = engagements.withColumn("_undo", first_undo).where("NOT is_undone")
    group = Window.partitionBy("viewer_id", "post_id", "event_type", "event_hour", F.col("_undo").isNull())
    rank = F.row_number().over(group.orderBy("event_ts", "engagement_id"))
    copy_number = F.row_number().over(act.orderBy("engagement_id"))
    is_regret = F.expr(f"event_type = 'like' AND _undo - event_ts < {REGRET}")
    return (
        done.withColumn("_rank", rank)
        .withColumn("_copy", copy_number)
        .withColumn("settled", F.expr(f"_undo IS NULL AND (_rank = 1 OR event_type NOT IN {ONCE_PER_HOUR})"))
        .withColumn("regretted", F.coalesce(is_regret & (F.col("_copy") == 1), F.lit(False)))
        .drop("_undo", "_rank", "_copy")
    )


def credit(engagements: DataFrame, impressions: DataFrame, cell: list[Column]) -> DataFrame:
    """Credit engagements to the impressions they name; returns `engagement_measures` per `cell`.

    `cell` is a list of columns of `impressions`. An engagement without an impression, or outside the attribution
    window, is not counted.
    """
    acts = settle(engagements).select("impression_id", "event_type", "event_ts", "settled", "regretted")
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
        _settled("hide", "report").alias("negatives"),
        F.count_if("regretted").alias("regrets"),
    ]


def impression_measures() -> list[Column]:
    """Aggregates over impressions left-joined with dwell. Both have one row per impression, so nothing fans out."""
    return [
        F.count("*").alias("impressions"),
        F.hll_sketch_agg("viewer_id", HLL_LG_K).alias("reach_hll"),
        F.count_if("was_full_view").alias("full_views"),
        F.coalesce(F.sum("dwell_ms"), F.lit(0)).cast("bigint").alias("dwell_ms_sum"),
        F.count("dwell_ms").alias("dwell_count"),
    ]


def average_dwell() -> Column:
    """dwell_ms_sum / dwell_count, rounded half up; 0 without dwell."""
    return F.expr(
        "CAST(CASE WHEN dwell_count = 0 THEN 0 ELSE (2 * dwell_ms_sum + dwell_count) DIV (2 * dwell_count) END AS INT)"
    ).alias("avg_dwell_ms")
