"""One row per version of an advertiser: its time zone, which defines its days, and its attribution windows."""

from pyspark.sql import DataFrame

from etl.model.contract import Input, Layer, Scd2, Table
from etl.subjects.ads.columns import columns
from etl.subjects.ads.events import ADVERTISERS
from etl.subjects.shared.bronze_tables import bronze_table
from etl.transforms.scd2 import versions

TRACKED = ("time_zone", "click_window_days", "view_window_days")
TABLE = Table(
    name="dim_advertisers",
    layer=Layer.DIMS,
    columns=columns("advertiser_sk", "advertiser_id", *TRACKED, "valid_from", "valid_to", "is_current", "is_deleted"),
    key=("advertiser_sk",),
    write=Scd2(natural_key=("advertiser_id",), tracked=TRACKED, surrogate="advertiser_sk"),
    owner="ads",
    inputs=(Input(bronze_table(ADVERTISERS)),),
)


def transform(bronze_advertisers: DataFrame) -> DataFrame:
    """All changes that ever landed for some keys, in any order -> all versions of these keys."""
    return versions(bronze_advertisers, TABLE).select(*TABLE.column_names)
