"""One row per version of an ad: its creative and its campaign."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import ADS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TRACKED = ("creative_id", "campaign_id")
TABLE = Table(
    name="dim_ads",
    layer=Layer.DIMS,
    columns=columns("ad_sk", "ad_id", *TRACKED, "valid_from", "valid_to", "is_current", "is_deleted"),
    key=("ad_sk",),
    write=Scd2(natural_key=("ad_id",), tracked=TRACKED, surrogate="ad_sk"),
    owner="ads",
    inputs=(Input(bronze_table(ADS)),),
)


def transform(bronze_ads: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_ads, TABLE).select(*TABLE.column_names)
