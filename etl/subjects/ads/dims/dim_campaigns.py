"""One row per version of a campaign; an edit in the middle of a day is a new version, too."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import CAMPAIGNS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TRACKED = ("advertiser_id", "objective", "bid_strategy", "daily_budget_usd", "objective_event")
TABLE = Table(
    name="dim_campaigns",
    layer=Layer.DIMS,
    columns=columns(
        "campaign_sk",
        "campaign_id",
        *(f"{name}?" if name == "objective_event" else name for name in TRACKED),
        "valid_from",
        "valid_to",
        "is_current",
        "is_deleted",
    ),
    key=("campaign_sk",),
    write=Scd2(natural_key=("campaign_id",), tracked=TRACKED, surrogate="campaign_sk"),
    owner="ads",
    inputs=(Input(bronze_table(CAMPAIGNS)),),
)


def transform(bronze_campaigns: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_campaigns, TABLE).select(*TABLE.column_names)
