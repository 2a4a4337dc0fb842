"""One row per campaign and day of its advertiser with delivery or an invoice: a reconciliation of three spend figures.

batch_usd is computed from impressions, streaming_usd comes from the streaming counter, and billed_usd is the invoice.
The charge of the campaign (campaign_usd) is the spend of its ads plus unallocated_usd, to the cent.

A difference from batch_usd is explained by invalid_traffic when it is exactly the spend on impressions found invalid
afterwards. It is explained by rounding when it is at most half a cent for each ad and half a cent for the campaign.
no_delivery, no_invoice and no_counter mark rows without one of the figures. Spend on ads without a known advertiser is
in no row; the dashboard shows its amount.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
from etl.model.work_class import WorkClass
from etl.subjects.ads.columns import columns
from etl.subjects.ads.facts import fct_ad_impressions, fct_spend_ledger
from etl.subjects.ads.measures import EAST_HOURS, WEST_HOURS

TABLE = Table(
    name="rec_spend_daily",
    layer=Layer.MARTS,
    columns=columns(
        "campaign_id",
        "ad_usd",
        "batch_usd",
        "streaming_usd?",
        "billed_usd?",
        "invalid_usd",
        "campaign_usd",
        "unallocated_usd",
        "difference_usd",
        "streaming_difference_usd",
        "explanation",
        "streaming_explanation",
        "day",
    ),
    key=("campaign_id", "day"),
    write=Replace(),
    owner="billing",
    urgency=WorkClass.BILLING,
    partition=("day",),
    cluster=("campaign_id",),
    inputs=(
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(fct_spend_ledger.TABLE, by="day_start"),
    ),
)
KEY = ["campaign_id", "day"]


def transform(fct_ad_impressions: DataFrame, fct_spend_ledger: DataFrame) -> DataFrame:
    """Impressions of whole days in every time zone, and invoices of these days -> one row per campaign and day."""
    both = _spent(fct_ad_impressions).join(fct_spend_ledger, KEY, "full_outer")
    zeros = {name: F.coalesce(name, F.lit(0)) for name in ("ad_usd", "batch_usd", "invalid_usd")}
    charged = both.withColumns(zeros).withColumn("campaign_usd", F.coalesce("billed_usd", "batch_usd"))
    differences = {
        "unallocated_usd": F.expr("campaign_usd - ad_usd"),
        "difference_usd": F.expr("billed_usd - batch_usd"),
        "streaming_difference_usd": F.expr("streaming_usd - batch_usd"),
    }
    explanations = {
        "explanation": _why("difference_usd", "no_invoice", "unallocated"),
        "streaming_explanation": _why("streaming_difference_usd", "no_counter", "unexplained"),
    }
    return charged.withColumns(differences).withColumns(explanations).select(*TABLE.column_names)


def _why(difference: str, missing: str, otherwise: str) -> Column:
    """The explanation of a difference from batch_usd; `missing` when the other figure is NULL."""
    return F.expr(f"""CASE
        WHEN {difference} IS NULL THEN '{missing}'
        WHEN ads IS NULL THEN 'no_delivery'
        WHEN {difference} = 0 THEN 'agrees'
        WHEN {difference} = invalid_usd THEN 'invalid_traffic'
        WHEN abs({difference}) <= 0.005 * (ads + 1) THEN 'rounding'
        ELSE '{otherwise}' END""")


def _spent(impressions: DataFrame) -> DataFrame:
    """Spend per campaign and local day: sum of the ads, total, and on invalid impressions; each half up to the cent."""
    known = impressions.where("campaign_id IS NOT NULL AND local_day IS NOT NULL")
    per_ad = known.groupBy("campaign_id", "ad_id", F.col("local_day").alias("day")).agg(
        F.sum(F.expr("IF(is_valid, spend_micros, 0)")).alias("micros"),
        F.sum(F.expr("IF(is_valid, 0, spend_micros)")).alias("invalid"),
    )
    return per_ad.groupBy(*KEY).agg(
        F.count("*").alias("ads"),
        F.expr(f"sum({_cents('micros')})").alias("ad_usd"),
        F.expr(_cents("sum(micros)")).alias("batch_usd"),
        F.expr(_cents("sum(invalid)")).alias("invalid_usd"),
    )


def _cents(micros: str) -> str:
    """SQL that converts millionths of a dollar to dollars, rounded half up to the cent."""
    return f"round(CAST({micros} AS DECIMAL(20,0)) * 0.000001, 2)"
