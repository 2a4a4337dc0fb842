"""One row per creative and day of the advertiser: CTR, its z-score among the advertiser's creatives, and fatigue.

The z-score compares the CTR of a day with the baseline: all creative-days of the advertiser in the 28 days before with
at least 1,000 impressions, with equal weight. A day with fewer impressions has no score. The score is computed from
exact sums, so it does not depend on the order of rows. The 28 days are calendar days, so days without rows do not
extend the baseline.
"""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.rollups import agg_creative_daily
from etl.transforms.ratios import exact_ratio

BASELINE_DAYS = 28
MIN_IMPRESSIONS = 1000

TABLE = Table(
    name="mart_creative_daily",
    layer=Layer.MARTS,
    columns=columns(
        "advertiser_id", "creative_id", "impressions", "ad_clicks", "ctr", "baseline_days", "z_score", "fatigue", "day"
    ),
    key=("advertiser_id", "creative_id", "day"),
    write=Replace(),
    owner="ads",
    partition=("day",),
    cluster=("advertiser_id", "creative_id"),
    inputs=(Input(agg_creative_daily.TABLE, by="day", behind_hours=24 * BASELINE_DAYS),),
)
HAS_MIN_IMPRESSIONS = f"impressions >= {MIN_IMPRESSIONS}"


def transform(agg_creative_daily: DataFrame) -> DataFrame:
    """Rows by creative, day and frequency, also of the 28 days before -> one row per creative and day."""
    later = "frequency_bucket IN ('4-7', '8+')"
    days = agg_creative_daily.groupBy("advertiser_id", "creative_id", "day").agg(
        F.sum("impressions").alias("impressions"),
        F.sum("ad_clicks").alias("ad_clicks"),
        *[
            F.sum(F.expr(f"IF({condition}, {measure}, 0)")).alias(f"{name}_{measure}")
            for name, condition in (("first", "frequency_bucket = '1'"), ("later", later))
            for measure in ("impressions", "ad_clicks")
        ],
    )
    rated = days.withColumn("ctr", exact_ratio("ad_clicks", "impressions", places=7))
    return (
        rated.join(_baselines(rated), ["advertiser_id", "day"])
        .withColumn("z_score", F.expr(_Z))
        .withColumn("fatigue", F.expr(_FATIGUE))
        .select(*TABLE.column_names)
    )


def _baselines(rated: DataFrame) -> DataFrame:
    """(advertiser_id, day) -> count, sum and sum of squares of the CTRs in the 28 days before."""
    per_day = (
        rated.withColumn("ctr", F.col("ctr").cast(_NARROW))
        .groupBy("advertiser_id", "day")
        .agg(
            F.count_if(F.expr(HAS_MIN_IMPRESSIONS)).alias("n"),
            F.sum(F.expr(f"IF({HAS_MIN_IMPRESSIONS}, ctr, 0)")).alias("s"),
            F.sum(F.expr(f"IF({HAS_MIN_IMPRESSIONS}, ctr * ctr, 0)")).alias("q"),
        )
    )
    before = Window.partitionBy("advertiser_id").orderBy(F.unix_date("day")).rangeBetween(-BASELINE_DAYS, -1)
    return per_day.select(
        "advertiser_id",
        "day",
        F.coalesce(F.sum("n").over(before), F.lit(0)).alias("baseline_days"),
        F.coalesce(F.sum("s").over(before), F.lit(0)).cast("DECIMAL(18,7)").alias("ctr_sum"),
        F.coalesce(F.sum("q").over(before), F.lit(0)).cast("DECIMAL(27,14)").alias("ctr_squares"),
    )


_NARROW = "DECIMAL(12,7)"  # the square of a wider CTR would keep only six places
_N = "CAST(baseline_days AS DECIMAL(9,0))"  # with one digit more, _VARIANCE would keep only 13 of its 14 places
_VARIANCE = f"({_N} * ctr_squares - ctr_sum * ctr_sum)"  # times n squared
_Z = f"""CASE WHEN {HAS_MIN_IMPRESSIONS} AND {_VARIANCE} > 0 THEN
    CAST(round(CAST({_N} * ctr - ctr_sum AS DOUBLE) / sqrt(CAST({_VARIANCE} AS DOUBLE)), 4) AS DECIMAL(12,4)) END"""
_KEPT_SHARE = (  # cast to DECIMAL(18,0): a wider quotient keeps only six places and would be rounded twice
    "CAST(later_ad_clicks * first_impressions AS DECIMAL(18,0))"
    " / CAST(later_impressions * first_ad_clicks AS DECIMAL(18,0))"
)
_FATIGUE = f"""CASE WHEN later_impressions > 0 AND first_ad_clicks > 0 AND first_impressions > 0 THEN
    CAST(greatest(round(1 - {_KEPT_SHARE}, 5), -99.99999) AS DECIMAL(7,5)) END"""
