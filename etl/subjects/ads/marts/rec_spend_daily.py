"""One row per campaign and day of its advertiser that was delivered or billed: three numbers of one spend.

The house counts in batch, the streaming counter counted while it happened, the invoice is what is owed. What the ads
spent and what cannot be given to any of them is the campaign's charge, to the cent.

The difference of either is explained where it is exactly the spend on impressions found invalid afterwards, or no more
than half a cent for each ad and half a cent for the campaign (rounding); an invoice for a day without delivery, and
delivery without an invoice or a count, say so. Spend on ads of no known advertiser is in no row: the dashboard says
how much.
"""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from etl.model.contract import Input, Layer, Replace, Table
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
    partition=("day",),
    cluster=("campaign_id",),
    inputs=(
        Input(fct_ad_impressions.TABLE, by="ad_impression_hour", behind_hours=EAST_HOURS, ahead_hours=WEST_HOURS),
        Input(fct_spend_ledger.TABLE, by="day_start"),
    ),
)
KEY = ["campaign_id", "day"]


def transform(fct_ad_impressions: DataFrame, fct_spend_ledger: DataFrame) -> DataFrame:
    """Impressions of whole days wherever the advertiser is, invoices of the days -> campaign-days."""
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


def _why(difference: str, untold: str, otherwise: str) -> Column:
    """What explains a difference from batch_usd."""
    return F.expr(f"""CASE
        WHEN {difference} IS NULL THEN '{untold}'
        WHEN ads IS NULL THEN 'no_delivery'
        WHEN {difference} = 0 THEN 'agrees'
        WHEN {difference} = invalid_usd THEN 'invalid_traffic'
        WHEN abs({difference}) <= 0.005 * (ads + 1) THEN 'rounding'
        ELSE '{otherwise}' END""")


def _spent(impressions: DataFrame) -> DataFrame:
    """Campaign-days -> spend to the cent, half up: of the campaign, of its ads each, and on invalid impressions."""
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
    """Millionths of a dollar to dollars and cents, half up."""
    return f"round(CAST({micros} AS DECIMAL(20,0)) * 0.000001, 2)"
